package localserver

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/rosey-bot/rosey/cytube/socketio"
	"github.com/rosey-bot/rosey/internal/markup"
)

// poll is an open poll.
type poll struct {
	title   string // HTML, as sent
	options []string
	by      string
	opened  time.Time
	hidden  bool
	retain  bool               // whether the votes of those who leave count on
	closes  time.Time          // zero for never
	votes   map[string]float64 // by address; a choice that is no option's number counts nowhere
}

type newPoll struct {
	Title       string
	Opts        []any
	Obscured    bool
	RetainVotes bool
	Timeout     *float64
}

// newPoll handles the newPoll event. It closes the open poll also when the new one is refused.
func (ch *Channel) newPoll(c *Session, data newPoll, r request) {
	ch.closePoll()
	options, err := pollOptions(data.Title, data.Opts)
	if err == nil && data.Timeout != nil && (*data.Timeout < 1 || *data.Timeout > 86400) {
		err = refusal("Poll timeout must be between 1 and 86400 seconds")
	}
	if err != nil {
		if r.ack == nil {
			c.fail(err.Error())
		} else {
			c.acknowledge(r, object{"error": object{"message": err.Error()}})
		}
		return
	}
	p := &poll{title: linkTitle(data.Title), options: options, by: c.name, hidden: data.Obscured, retain: data.RetainVotes}
	if data.Timeout != nil {
		p.closes = time.Now().Add(time.Duration(*data.Timeout * float64(time.Second)))
	}
	ch.openPoll(p)
	c.acknowledge(r, object{})
}

// pollCommand handles /poll and /hpoll with a title and options between commas.
func (ch *Channel) pollCommand(c *Session, text string, hidden bool) {
	if !ch.may(c, "pollctl") {
		return
	}
	ch.closePoll()
	title, rest, more := strings.Cut(text, ",")
	var opts []any
	if more {
		for o := range strings.SplitSeq(rest, ",") {
			opts = append(opts, o)
		}
	}
	options, err := pollOptions(title, opts)
	if err != nil {
		c.fail("Error creating poll: " + err.Error())
		return
	}
	ch.openPoll(&poll{title: linkTitle(title), options: options, by: c.name, hidden: hidden})
}

// pollOptions checks a poll in the real server's words and returns its options as they are sent.
func pollOptions(title string, opts []any) ([]string, error) {
	const longest, most = 255, 50
	units := func(s string) int { return len(utf16.Encode([]rune(s))) }
	if units(title) > longest {
		return nil, refusal(fmt.Sprintf("Poll title must be no more than %d characters long.", longest))
	}
	if len(opts) > most {
		return nil, refusal(fmt.Sprintf("Polls are limited to a maximum of %d options.", most))
	}
	options := []string{}
	for _, o := range opts {
		text, ok := o.(string)
		if !ok {
			return nil, refusal("Poll options must be strings.")
		}
		if text == "" || units(text) > longest {
			return nil, refusal(fmt.Sprintf("Poll options must be 1-%d characters long.", longest))
		}
		options = append(options, linkTitle(text))
	}
	return options, nil
}

// linkTitle escapes a text of a poll and makes its links.
func linkTitle(text string) string {
	return markup.Link.ReplaceAllString(markup.Escape(text), `<a href="$0" target="_blank" rel="noopener noreferer">$0</a>`)
}

func (ch *Channel) openPoll(p *poll) {
	p.opened, p.votes = time.Now(), map[string]float64{}
	ch.poll = p
	ch.sendPoll("newPoll")
}

// sendPoll sends the open poll to everybody, as far as each may see a hidden one.
func (ch *Channel) sendPoll(event string) {
	for _, u := range ch.users {
		u.Emit(event, ch.poll.pack(ch.may(u, "viewhiddenpoll")))
	}
}

// pack returns the poll as it is sent to somebody who sees hidden counts, or not.
func (p *poll) pack(sees bool) object {
	counts := make([]any, len(p.options))
	for i := range counts {
		n := 0
		for _, choice := range p.votes {
			if choice == float64(i) {
				n++
			}
		}
		switch {
		case !p.hidden:
			counts[i] = n
		case sees:
			counts[i] = fmt.Sprint(n, "?")
		default:
			counts[i] = "?"
		}
	}
	return object{
		"title": p.title, "options": p.options, "counts": counts, "initiator": p.by, "timestamp": p.opened.UnixMilli(),
	}
}

// vote handles the vote event. An address has one vote, which it can change.
func (ch *Channel) vote(c *Session, data struct{ Option float64 }) {
	p := ch.poll
	if p == nil || data.Option < 0 || data.Option >= float64(len(p.options)) {
		return
	}
	if before, voted := p.votes[c.ip]; voted && before == data.Option {
		return
	}
	p.votes[c.ip] = data.Option
	ch.sendPoll("updatePoll")
}

// withdrawVote takes back the vote of somebody who leaves.
func (ch *Channel) withdrawVote(c *Session) {
	if p := ch.poll; p != nil && !p.retain {
		if _, voted := p.votes[c.ip]; voted {
			delete(p.votes, c.ip)
			ch.sendPoll("updatePoll")
		}
	}
}

// closePoll closes the open poll, if there is one; a hidden one shows its counts.
func (ch *Channel) closePoll() {
	p := ch.poll
	if p == nil {
		return
	}
	if p.hidden {
		p.hidden = false
		ch.sendPoll("updatePoll")
	}
	ch.poll = nil
	ch.broadcast("closePoll", json.RawMessage("null"))
}

// acknowledge answers a request that asks for it.
func (c *Session) acknowledge(r request, answer any) {
	if r.ack != nil {
		c.send(socketio.Packet{Type: socketio.Ack, ID: r.ack, Args: []json.RawMessage{mustJSON(answer)}})
	}
}
