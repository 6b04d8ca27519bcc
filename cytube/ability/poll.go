package ability

import (
	"cmp"
	"slices"
	"unicode/utf16"

	"github.com/rosey-bot/rosey/cytube/channel"
	"github.com/rosey-bot/rosey/event"
)

// What the server takes of a poll. It closes the open one before it refuses another.
const (
	pollText    = 255 // UTF-16 units of a title or an option
	pollOptions = 50
	pollTimeout = 86400 // seconds
)

func units(text string) int { return len(utf16.Encode([]rune(text))) }

func checkPoll(p event.SendPollOpen) *Outcome {
	switch {
	case units(p.Title) > pollText:
		return refuse(event.LimitExceeded, "the title of a poll has at most %d characters", pollText)
	case len(p.Options) < 2:
		return refuse(event.InvalidInput, "a poll needs two options or more")
	case len(p.Options) > pollOptions:
		return refuse(event.LimitExceeded, "a poll has at most %d options", pollOptions)
	case slices.Contains(p.Options, ""):
		return refuse(event.InvalidInput, "an option of the poll is empty")
	case slices.ContainsFunc(p.Options, func(o string) bool { return units(o) > pollText }):
		return refuse(event.LimitExceeded, "an option of a poll has at most %d characters", pollText)
	case p.Timeout > pollTimeout:
		return refuse(event.InvalidInput, "a poll closes by itself after at most %d seconds", pollTimeout)
	}
	return nil
}

var openPoll = rule[event.SendPollOpen]{
	options: options{needs: []string{"pollctl"}},
	check:   func(_ *Call, p event.SendPollOpen) *Outcome { return checkPoll(p) },
	frames: func(_ *Call, p event.SendPollOpen) []Frame {
		arg := map[string]any{"title": p.Title, "opts": p.Options, "obscured": p.Hidden, "retainVotes": p.RetainVotes}
		if p.Timeout > 0 {
			arg["timeout"] = p.Timeout
		}
		return []Frame{{"newPoll", []any{arg}}}
	},
	seen: func(c *Call, _ event.SendPollOpen, e channel.Event) bool { return c.opened(e.Envelope) },
	since: func(c *Call, p event.SendPollOpen) *Outcome {
		if poll, open := c.State.Poll(); open && c.byBot(poll.By) && poll.Title == p.Title && slices.Equal(poll.Options, p.Options) {
			return cmp.Or(c.Past.last(c.opened), &Outcome{Status: event.DeliveryDone})
		}
		return c.Past.last(func(e event.Envelope) bool { return c.opened(e) && !found(e) })
	},
}

// opened reports whether an event says that the bot opened a poll.
func (c *Call) opened(e event.Envelope) bool {
	p, ok := as[event.Poll](e, event.SubjectPollOpen)
	return ok && c.byBot(p.By)
}

// found reports whether an event says what the bot found at a join, which may be older.
func found(e event.Envelope) bool { return e.Metadata[event.MetaFound] == true }

func closed(e event.Envelope) bool { return e.Subject == event.SubjectPollClose }

var closePoll = rule[event.SendBare]{
	options: options{needs: []string{"pollctl"}},
	so: func(c *Call, _ event.SendBare) bool {
		_, open := c.State.Poll()
		return !open
	},
	frames: func(*Call, event.SendBare) []Frame { return []Frame{{Name: "closePoll"}} },
	seen:   func(_ *Call, _ event.SendBare, e channel.Event) bool { return closed(e.Envelope) },
	since:  func(c *Call, _ event.SendBare) *Outcome { return c.Past.last(closed) },
}

var votePoll = rule[event.SendPollVote]{
	options: options{needs: []string{"pollvote"}},
	check: func(c *Call, p event.SendPollVote) *Outcome {
		poll, open := c.State.Poll()
		switch {
		case !open:
			return refuse(event.RecordNotFound, "no poll is open")
		case p.Option >= len(poll.Options):
			return refuse(event.InvalidInput, "the poll has only %d options", len(poll.Options))
		}
		return nil
	},
	frames: func(_ *Call, p event.SendPollVote) []Frame {
		return []Frame{{"vote", []any{map[string]any{"option": p.Option}}}}
	},
	seen:  func(_ *Call, _ event.SendPollVote, e channel.Event) bool { return e.Subject == event.SubjectPollUpdate },
	shown: func(_ *Call, _ event.SendPollVote, f channel.Frame) bool { return f.Name == "updatePoll" },
	since: func(c *Call, _ event.SendPollVote) *Outcome {
		return c.Past.last(func(e event.Envelope) bool { return e.Subject == event.SubjectPollOpen && !found(e) || closed(e) })
	},
}
