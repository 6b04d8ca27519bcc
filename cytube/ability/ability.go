// Package ability is what can be asked of a channel beside speaking, one row an ability:
// what is checked against the channel's state, the frames that are written, and what shows
// that it was done or refused. It is pure: it writes nothing and reads no clock.
package ability

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/rosey-bot/rosey/cytube/channel"
	"github.com/rosey-bot/rosey/event"
)

// Frame is what is written to the server.
type Frame struct {
	Name string
	Args []any
}

// A Past is what is recorded since a send that may have been written before.
type Past struct {
	LastUID int // the highest uid that was known when it was sent, -1 if none
	Events  []Record
}

// A Record is a stored event of the channel.
type Record struct {
	event.Envelope
	Ref event.Ref
}

// Call is one send while it is worked on.
type Call struct {
	State *channel.State // while Plan and Observe run
	Past  *Past          // nil for a send that was not written before

	row    row
	answer *channel.Frame // to the row's question
	left   int            // events that are to be seen yet
	asked  []string       // the IDs of media that the frames name, any if nil
	some   bool           // some of them were seen
	failed []*Outcome     // what the server refused of a list, …
	untold []string       // …or left out without a word
}

// row is an ability.
type row struct {
	subject string
	options
	plan  func(c *Call) ([]Frame, *Outcome)
	seen  func(c *Call, e channel.Event) bool
	shown func(c *Call, f channel.Frame) bool
	mute  bool // no event shows that it was done
}

// options are what is special about an ability.
type options struct {
	chat     bool     // it is a chat line, which the server counts as one
	queues   bool     // the server limits how often
	needs    []string // the permissions without which it is never done
	least    float64  // the rank below which it is never done
	slow     bool     // the server looks something up
	inPart   bool     // the server may refuse a part and do the rest
	question *Frame   // to be asked first, …
	needed   string   // …which needs this permission, …
	reply    string   // …and is answered by this frame
}

// rule is a row for a payload type.
type rule[P any] struct {
	options
	// check, if set, returns why the server would not do it for a bot that has what it needs.
	check func(c *Call, p P) *Outcome
	// so reports whether the channel is so already.
	so func(c *Call, p P) bool
	// frames returns what to write.
	frames func(c *Call, p P) []Frame
	// events, if set, returns how many events or refusals follow; else one follows each frame.
	events func(c *Call, p P) int
	// seen reports whether an event shows that it was done.
	seen func(c *Call, p P, e channel.Event) bool
	// shown reports whether a frame does, which need not be an event.
	shown func(c *Call, p P, f channel.Frame) bool
	// since, if set, returns the event that shows that a send that may have been written
	// before was, or was overtaken.
	since func(c *Call, p P) *Outcome
}

// ability is a row of the table.
type ability struct {
	options
	decode func(event.Envelope) (row, error)
}

// of makes an ability of its rule.
func of[P any](r rule[P]) ability {
	return ability{options: r.options, decode: func(send event.Envelope) (row, error) {
		p, err := event.As[P](send)
		if err != nil {
			return row{}, err
		}
		return row{
			subject: send.Subject, options: r.options,
			plan:  func(c *Call) ([]Frame, *Outcome) { return r.plan(c, p) },
			seen:  func(c *Call, e channel.Event) bool { return r.seen != nil && r.seen(c, p, e) },
			shown: func(c *Call, f channel.Frame) bool { return r.shown != nil && r.shown(c, p, f) },
			mute:  r.seen == nil,
		}, nil
	}}
}

func (r rule[P]) plan(c *Call, p P) ([]Frame, *Outcome) {
	if c.Past != nil && r.since != nil {
		if o := r.since(c, p); o != nil {
			return nil, o
		}
	}
	if r.so != nil && r.so(c, p) {
		if c.Past != nil {
			return nil, &Outcome{Status: event.DeliveryDone}
		}
		return nil, &Outcome{Status: event.DeliveryAlready}
	}
	if o := first(c.needsRank(r.least), c.needs(r.needs...), r.checked(c, p)); o != nil {
		return nil, o
	}
	frames := r.frames(c, p)
	c.some, c.failed, c.untold = false, nil, nil
	if c.left = len(frames); r.events != nil {
		c.left = r.events(c, p)
	}
	return frames, nil
}

func (r rule[P]) checked(c *Call, p P) *Outcome {
	if r.check == nil {
		return nil
	}
	return r.check(c, p)
}

// Is reports whether a subject asks for an ability.
func Is(subject string) bool { _, ok := table[subject]; return ok }

// Denied returns why a bot with these rights cannot do what a subject asks for, whatever the
// payload; "" if it may.
func Denied(subject string, r channel.Rights) string {
	of := table[subject].options
	if o := first(needsRank(r, of.least), needs(r, of.needs...)); o != nil {
		return o.Reason
	}
	return ""
}

// Subjects lists the subjects of all abilities.
func Subjects() []string {
	var all []string
	for subject := range table {
		all = append(all, subject)
	}
	return all
}

// New returns the call of a send. The error is INVALID_INPUT.
func New(send event.Envelope) (*Call, error) {
	a, ok := table[send.Subject]
	if !ok {
		return nil, event.Errorf(event.InvalidInput, "%s is nothing that can be asked of a channel", send.Subject)
	}
	r, err := a.decode(send)
	return &Call{row: r}, err
}

// ChannelOf returns the channel that a send names, "" if none.
func ChannelOf(send event.Envelope) string { return common(send).Channel }

// ForOf returns the user on whose wish a send is, "" if it names none.
func ForOf(send event.Envelope) string { return common(send).For }

// common is what the payload of every ability may have.
func common(send event.Envelope) (p struct{ Channel, For string }) {
	_ = json.Unmarshal(send.Data, &p)
	return p
}

// Chat reports whether it is done by a chat line.
func (c *Call) Chat() bool { return c.row.chat }

// RateLimited reports whether the server limits how often it is done.
func (c *Call) RateLimited() bool { return c.row.queues }

// Slow reports whether the server has to look something up elsewhere.
func (c *Call) Slow() bool { return c.row.slow }

// Question returns what must be asked of the server before Plan, if anything, until Answer
// took the reply.
func (c *Call) Question() (f Frame, ok bool) {
	if c.row.question == nil || c.answer != nil || c.row.needed != "" && !c.State.May(c.row.needed) {
		return Frame{}, false
	}
	return *c.row.question, true
}

// Answer takes a frame and reports whether it is the reply to the question.
func (c *Call) Answer(f channel.Frame) bool {
	if f.Name != c.row.reply {
		return false
	}
	c.answer = &f
	return true
}

// Plan returns what to write, or how the send ends without.
func (c *Call) Plan() ([]Frame, *Outcome) { return c.row.plan(c) }

// worst returns the outcome of a list of which the server took nothing.
func (c *Call) worst() *Outcome {
	for _, o := range c.failed {
		if o.Status == event.DeliveryRefused {
			return o
		}
	}
	return c.failed[0]
}

// Missing says what was not done of a list of which some was, "" if all was.
func (c *Call) Missing() string {
	switch {
	case len(c.failed) > 0:
		return fmt.Sprintf("%d not queued: %s", len(c.failed), c.worst().Reason)
	case len(c.untold) > 0:
		return "the server left out " + strings.Join(c.untold, ", ")
	}
	return ""
}

// Reset makes Plan and Question begin anew, as after a lost connection.
func (c *Call) Reset() { c.answer = nil }

// as decodes an event if it has a subject.
func as[E any](e event.Envelope, subject string) (payload E, ok bool) {
	if e.Subject != subject {
		return payload, false
	}
	payload, err := event.As[E](e)
	return payload, err == nil
}

// last returns the latest event since the send that matches.
func (p *Past) last(match func(event.Envelope) bool) *Outcome {
	for i := len(p.Events) - 1; i >= 0; i-- {
		if match(p.Events[i].Envelope) {
			return done(p.Events[i].Ref)
		}
	}
	return nil
}
