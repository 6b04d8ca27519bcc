package crashtest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/rosey-bot/rosey/cytube/cytubetest"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

// evidence is what a run left behind.
type evidence struct {
	heard   []cytubetest.Line // in the channels, from everybody
	cytube  []streams.Stored
	plugin  []streams.Stored
	quotes  []string // texts in the database
	attacks []Attack
	exits   []string // processes that ended without being killed
}

// tally counts what became of one command.
type tally struct {
	recorded int // cytube.chat
	routed   int // plugin.{name}.command
	replies  []streams.Stored
	heard    []cytubetest.Line // the replies, in the channel
	quotes   int               // records in the database
	fate     string            // of a reply that was not heard
}

// count follows each command that the site accepted through the streams and back to the channel.
func count(e evidence) *Report {
	r := &Report{Kills: map[Kind]int{}, Exits: e.exits}
	for _, b := range e.attacks {
		r.Kills[b.Kind]++
	}
	sent := commands(e.heard)
	tallies := map[int]*tally{}
	for n := range sent {
		tallies[n] = &tally{}
	}
	typed, caused, replies := map[event.Ref]int{}, map[event.Ref]int{}, map[string][]int{} // to the command's number
	for _, s := range e.cytube {
		chat, err := event.As[event.Chat](s.Envelope)
		if s.Subject != event.SubjectChat || err != nil || chat.User == botName {
			continue
		}
		n, ok := numberOf(chat.Message)
		if t := tallies[n]; ok && t != nil {
			t.recorded++
			typed[s.Ref] = n
		} else {
			r.strange("%s is a line that nobody typed: %q", s.Ref, chat.Message)
		}
	}
	for _, s := range e.plugin {
		cause, _ := s.Causation()
		n, ok := typed[cause]
		if s.Subject == event.CommandSubject("dice-roller") || s.Subject == event.CommandSubject("quote-db") {
			if !ok {
				r.strange("%s is a command that no line caused", s.Ref)
				continue
			}
			tallies[n].routed++
			caused[s.Ref] = n
		} else if strings.HasSuffix(s.Subject, "."+event.TypeDeadLetter) || strings.HasSuffix(s.Subject, "."+event.TypeExpired) {
			r.strange("%s: %s %s", s.Ref, s.Subject, s.Data)
		}
	}
	sends := map[event.Ref]int{}
	for _, s := range e.cytube {
		if s.Subject != event.SubjectSendChat {
			continue
		}
		cause, _ := s.Causation()
		n, ok := caused[cause]
		chat, err := event.As[event.SendChat](s.Envelope)
		if !ok || err != nil {
			r.strange("%s is a reply that no command caused: %s", s.Ref, s.Data)
			continue
		}
		if strings.HasPrefix(sent[n].Text, "!roll") && !strings.Contains(chat.Message, fmt.Sprintf("d6+%d:", n)) {
			r.strange("%s is no reply to %q: %q", s.Ref, sent[n].Text, chat.Message)
		}
		tallies[n].replies = append(tallies[n].replies, s)
		sends[s.Ref] = n
		if replies[chat.Message] = append(replies[chat.Message], n); len(slices.Compact(slices.Clone(replies[chat.Message]))) > 1 {
			r.strange("%q answers different commands: %v", chat.Message, replies[chat.Message])
		}
	}
	for _, s := range e.cytube {
		if d, err := event.As[event.Delivery](s.Envelope); s.Subject == event.SubjectDelivery && err == nil {
			if ref, err := event.ParseRef(d.Send); err == nil && tallies[sends[ref]] != nil {
				tallies[sends[ref]].fate = d.Status + ": " + d.Reason
			}
		}
	}
	for _, l := range e.heard {
		if l.User != botName {
			continue
		}
		if ns := replies[l.Text]; len(ns) > 0 {
			if typed := sent[ns[0]]; typed.Channel != l.Channel {
				r.strange("%q was answered in %s: %q", typed.Text+" in "+typed.Channel, l.Channel, l.Text)
			}
			tallies[ns[0]].heard = append(tallies[ns[0]].heard, l)
		} else {
			r.strange("the bot said what no stream holds: %q", l.Text)
		}
	}
	for _, text := range e.quotes {
		n, ok := numberOf("!quote add " + text)
		if t := tallies[n]; ok && t != nil {
			t.quotes++
		} else {
			r.strange("the database holds a quote that nobody added: %q", text)
		}
	}
	echoes := echoesOf(e.cytube)
	for _, n := range slices.Sorted(maps.Keys(tallies)) {
		r.add(n, sent[n], tallies[n], e.attacks, echoes)
	}
	return r
}

// add judges one command.
func (r *Report) add(n int, typed cytubetest.Line, t *tally, attacks []Attack, echoes map[echoKey][]time.Time) {
	r.Sent++
	if t.routed > 0 {
		r.Handled++
	}
	if len(t.replies) > 0 {
		r.Replies++
	}
	if len(t.heard) > 0 {
		r.Heard++
		if took := t.heard[0].Time.Sub(typed.Time); took > r.Longest {
			r.Longest, r.LongestAt = took, typed.Time
		}
	}
	quote := strings.HasPrefix(typed.Text, "!quote")
	for _, step := range []struct {
		got  int
		what string
	}{
		{t.recorded, "not recorded"}, {t.routed, "not routed"}, {len(t.replies), "not answered"}, {len(t.heard), "answered, and the channel heard nothing " + t.fate},
	} {
		if step.got == 0 {
			r.Lost = append(r.Lost, fmt.Sprintf("%s (%s): %s", typed.Text, typed.Time.Format(clock), step.what))
			break
		}
	}
	if quote && t.quotes == 0 && len(t.replies) > 0 {
		r.Lost = append(r.Lost, fmt.Sprintf("%s (%s): answered, and the database does not hold it", typed.Text, typed.Time.Format(clock)))
	}
	for _, step := range []struct {
		got  int
		what string
	}{
		{t.recorded, "recorded"}, {t.routed, "routed"}, {len(t.replies), "answered"}, {t.quotes, "in the database"},
	} {
		if step.got > 1 {
			r.DoubledInStream = append(r.DoubledInStream, fmt.Sprintf("%s (%s): %s %d times", typed.Text, typed.Time.Format(clock), step.what, step.got))
		}
	}
	for i := 1; i < len(t.heard); i++ {
		r.DoubledOnWire++
		first, again := t.heard[i-1], t.heard[i]
		if b, ok := explain(first, again, attacks, echoes); ok {
			r.Explained = append(r.Explained, fmt.Sprintf("%q at %s and %s: %s was hit at %s", again.Text, first.Time.Format(clock), again.Time.Format(clock), b.Kind, b.At.Format(clock)))
		} else {
			r.Unexplained = append(r.Unexplained, fmt.Sprintf("%q at %s and %s", again.Text, first.Time.Format(clock), again.Time.Format(clock)))
		}
	}
}

// echoKey finds the record of a line of the bot's.
type echoKey struct {
	text string
	time int64 // ms, the site's clock
}

// echoesOf returns when each line of the bot's was recorded.
func echoesOf(cytube []streams.Stored) map[echoKey][]time.Time {
	echoes := map[echoKey][]time.Time{}
	for _, s := range cytube {
		if chat, err := event.As[event.Chat](s.Envelope); s.Subject == event.SubjectChat && err == nil && chat.User == botName {
			key := echoKey{chat.Message, chat.Time}
			echoes[key] = append(echoes[key], s.At)
		}
	}
	return echoes
}

// onTheWay is how long a line may have been between the bot and the site.
const onTheWay = 200 * time.Millisecond

// explain finds the attack after the bot wrote a line and before its echo was recorded: only such a one can make the bot say
// it again. A bot that lives and is connected has no such excuse, whatever became of NATS.
func explain(first, again cytubetest.Line, attacks []Attack, echoes map[echoKey][]time.Time) (Attack, bool) {
	end := again.Time
	if at := echoes[echoKey{first.Text, first.Time.UnixMilli()}]; len(at) > 0 && at[0].Before(end) {
		end = at[0]
	}
	for _, b := range attacks {
		if b.Kind != Plugin && b.Kind != NATS && b.At.After(first.Time.Add(-onTheWay)) && b.At.Before(end) {
			return b, true
		}
	}
	return Attack{}, false
}
