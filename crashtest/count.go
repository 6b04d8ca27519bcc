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
	recorded int               // cytube.chat
	routed   int               // plugin.{name}.command
	replies  int               // cytube.send.chat
	heard    []cytubetest.Line // the replies, in the channel
	quotes   int               // records in the database
	fate     string            // of a reply that was not heard
}

// step is what each command must have come to once.
type step struct {
	got     int
	missing string
	done    string // "" of what may be repeated for a reason
}

func (t *tally) steps(quote bool) []step {
	list := []step{
		{t.recorded, "not recorded", "recorded"},
		{t.routed, "not routed", "routed"},
		{t.replies, "not answered", "answered"},
		{len(t.heard), "answered, and the channel heard nothing " + t.fate, ""},
	}
	if quote {
		list = append(list, step{t.quotes, "answered, and the database does not hold it", "in the database"})
	}
	return list
}

// counter follows each command that the site accepted through the streams and back to the channel.
type counter struct {
	evidence
	*Report
	sent    map[int]cytubetest.Line // the commands, by number
	tallies map[int]*tally
	typed   map[event.Ref]int // the number of the command that a chat line is
	routed  map[string]int    // that a plugin's command is, by correlation ID: some answer when the channel has done it
	sends   map[event.Ref]int // that a send answers
	answers map[string][]int  // that a text answers
	notices map[string]bool   // texts that tell of a failed attempt
}

func count(e evidence) *Report {
	c := counter{
		evidence: e, Report: &Report{Kills: map[Kind]int{}, Exits: e.exits},
		sent: commands(e.heard), tallies: map[int]*tally{},
		typed: map[event.Ref]int{}, routed: map[string]int{}, sends: map[event.Ref]int{}, answers: map[string][]int{}, notices: map[string]bool{},
	}
	for _, a := range e.attacks {
		c.Kills[a.Kind]++
	}
	for n := range c.sent {
		c.tallies[n] = &tally{}
	}
	c.countRecorded()
	c.countRouted()
	c.countAnswers()
	c.countHeard()
	c.countQuotes()
	echoes := echoesOf(e.cytube)
	for _, n := range slices.Sorted(maps.Keys(c.tallies)) {
		c.add(c.sent[n], c.tallies[n], e.attacks, echoes)
	}
	return c.Report
}

func (c *counter) countRecorded() {
	for _, s := range c.cytube {
		chat, err := event.As[event.Chat](s.Envelope)
		if s.Subject != event.SubjectChat || err != nil || chat.User == botName {
			continue
		}
		n, ok := numberOf(chat.Message)
		if t := c.tallies[n]; ok && t != nil {
			t.recorded++
			c.typed[s.Ref] = n
		} else {
			c.strange("%s is a line that nobody typed: %q", s.Ref, chat.Message)
		}
	}
}

func (c *counter) countRouted() {
	commands := map[string]bool{}
	for _, plugin := range all().plugins() {
		commands[event.CommandSubject(plugin)] = true
	}
	for _, s := range c.plugin {
		cause, _ := s.Causation()
		n, ok := c.typed[cause]
		switch isCommand := commands[s.Subject]; {
		case isCommand && ok:
			c.tallies[n].routed++
			c.routed[s.CorrelationID] = n
		case isCommand:
			c.strange("%s is a command that no line caused", s.Ref)
		case strings.HasSuffix(s.Subject, "."+event.TypeDeadLetter) || strings.HasSuffix(s.Subject, "."+event.TypeExpired):
			c.strange("%s: %s %s", s.Ref, s.Subject, s.Data)
		}
	}
}

func (c *counter) countAnswers() {
	for _, s := range c.cytube {
		if s.Subject != event.SubjectSendChat {
			continue
		}
		n, ok := c.routed[s.CorrelationID]
		chat, err := event.As[event.SendChat](s.Envelope)
		if !ok || err != nil {
			c.strange("%s is a reply that no command caused: %s", s.Ref, s.Data)
			continue
		}
		if s.Meta(event.MetaResult) != "" {
			c.notices[chat.Message] = true
			continue
		}
		if e, _, ok := find(c.sent[n].Text); !ok || !e.answers(chat.Message, n) {
			c.strange("%s is no reply to %q: %q", s.Ref, c.sent[n].Text, chat.Message)
		}
		c.tallies[n].replies++
		c.sends[s.Ref] = n
		c.answers[chat.Message] = append(c.answers[chat.Message], n)
		if ns := c.answers[chat.Message]; len(slices.Compact(slices.Clone(ns))) > 1 {
			c.strange("%q answers different commands: %v", chat.Message, ns)
		}
	}
	for _, s := range c.cytube {
		if d, err := event.As[event.Delivery](s.Envelope); s.Subject == event.SubjectDelivery && err == nil {
			if ref, err := event.ParseRef(d.Send); err == nil && c.tallies[c.sends[ref]] != nil {
				c.tallies[c.sends[ref]].fate = d.Status + ": " + d.Reason
			}
		}
	}
}

func (c *counter) countHeard() {
	for _, l := range c.heard {
		if l.User != botName || c.notices[l.Text] {
			continue
		}
		ns := c.answers[l.Text]
		if len(ns) == 0 {
			c.strange("the bot said what no stream holds: %q", l.Text)
			continue
		}
		if typed := c.sent[ns[0]]; typed.Channel != l.Channel {
			c.strange("%q was answered in %s: %q", typed.Text+" in "+typed.Channel, l.Channel, l.Text)
		}
		c.tallies[ns[0]].heard = append(c.tallies[ns[0]].heard, l)
	}
}

func (c *counter) countQuotes() {
	for _, text := range c.quotes {
		n, ok := numberOf("!quote add " + text)
		if t := c.tallies[n]; ok && t != nil {
			t.quotes++
		} else {
			c.strange("the database holds a quote that nobody added: %q", text)
		}
	}
}

// add judges one command.
func (r *Report) add(typed cytubetest.Line, t *tally, attacks []Attack, echoes map[echoKey][]time.Time) {
	r.Sent++
	if t.routed > 0 {
		r.Handled++
	}
	if t.replies > 0 {
		r.Replies++
	}
	if len(t.heard) > 0 {
		r.Heard++
		if took := t.heard[0].Time.Sub(typed.Time); took > r.Longest {
			r.Longest, r.LongestAt = took, typed.Time
		}
	}
	what := fmt.Sprintf("%s (%s): ", typed.Text, typed.Time.Format(clock))
	for _, step := range t.steps(strings.HasPrefix(typed.Text, "!quote")) {
		if step.got == 0 {
			r.Lost = append(r.Lost, what+step.missing)
			break
		}
		if step.got > 1 && step.done != "" {
			r.DoubledInStream = append(r.DoubledInStream, fmt.Sprintf("%s%s %d times", what, step.done, step.got))
		}
	}
	if len(t.heard) > 0 && t.fate != "" && !strings.HasPrefix(t.fate, event.DeliveryUnconfirmed) {
		r.False = append(r.False, what+"heard, and recorded as "+t.fate)
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
