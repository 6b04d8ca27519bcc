package plugins

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/rosey-bot/rosey/consumers"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

// Context is what a handler works with: the event it handles, and everything it
// may do. It carries the event's correlation ID into all of it. A Context is
// good for one call of one handler.
type Context struct {
	context.Context
	Event   streams.Stored // what is being handled; for a request, its envelope
	Command event.Command  // the payload of a command
	Log     *slog.Logger

	plugin    string
	publisher consumers.Publisher
	timers    func(ctx context.Context, timer string) error
	random    *rand.Rand
	err       error // the first event that could not be made
}

// Now is the time at which the event was stored. Use it and not the machine's
// clock: it is the same when the event is handled again.
func (c *Context) Now() time.Time { return c.Event.At }

// Rand is a source of randomness that yields the same when the event is handled
// again.
func (c *Context) Rand() *rand.Rand {
	if c.random == nil {
		h := fnv.New128a()
		fmt.Fprintf(h, "%s/%s/%s/%d", c.plugin, c.Event.CorrelationID, c.Event.Ref, c.Event.At.UnixNano())
		sum := h.Sum(nil)
		var seed [32]byte
		copy(seed[:], sum)
		copy(seed[16:], c.plugin)
		c.random = rand.New(rand.NewChaCha8(seed))
	}
	return c.random
}

// Channel is the channel that the event came from, or "".
func (c *Context) Channel() string {
	if c.Command.Channel != "" {
		return c.Command.Channel
	}
	var d struct {
		Channel string `json:"channel"`
	}
	_ = json.Unmarshal(c.Event.Data, &d)
	return d.Channel
}

// Say is a chat message to the event's channel, as a handler returns it.
func (c *Context) Say(format string, args ...any) []event.Envelope {
	return c.SayIn(c.Channel(), format, args...)
}

// SayIn is a chat message to a channel.
func (c *Context) SayIn(channel, format string, args ...any) []event.Envelope {
	return c.make(event.SubjectSendChat, event.SendChat{Message: text(format, args), Channel: channel})
}

// PM is a private message to a user.
func (c *Context) PM(to, format string, args ...any) []event.Envelope {
	return c.make(event.SubjectSendPM, event.SendPM{To: to, Message: text(format, args), Channel: c.Channel()})
}

// Emote is an action ("/me …") in the event's channel.
func (c *Context) Emote(format string, args ...any) []event.Envelope {
	return c.make(event.SubjectSendEmote, event.SendEmote{Emote: text(format, args), Channel: c.Channel()})
}

// Emit is an event of the plugin's own, plugin.{name}.event.{kind}, with the
// kind also as event_type. Document it in the plugin's EVENTS.md.
func (c *Context) Emit(kind string, payload map[string]any) []event.Envelope {
	data := map[string]any{"event_type": kind}
	for k, v := range payload {
		data[k] = v
	}
	return c.make(event.EventSubject(c.plugin, kind), data)
}

// make builds an envelope; an error is kept and fails the handler once it ends.
func (c *Context) make(subject string, payload any) []event.Envelope {
	e, err := event.New(subject, payload)
	if err != nil {
		if c.err == nil {
			c.err = err
		}
		return nil
	}
	return []event.Envelope{e}
}

func text(format string, args []any) string {
	if len(args) == 0 {
		return format
	}
	return fmt.Sprintf(format, args...)
}

// Publish stores an event before the handler ends. What can wait is better
// returned.
func (c *Context) Publish(events ...event.Envelope) error {
	for _, e := range events {
		if _, err := c.publisher.Publish(c, e); err != nil {
			return err
		}
	}
	return nil
}

// After stores an event of the plugin's own, plugin.{name}.event.{kind}, when d
// has passed since Now, to the second. The timer outlives the process; setting
// one of the same name replaces it. The plugin handles it by a Subscription.
func (c *Context) After(d time.Duration, timer, kind string, payload map[string]any) error {
	return c.At(c.Now().Add(d), timer, kind, payload)
}

// At is After for a point in time.
func (c *Context) At(t time.Time, timer, kind string, payload map[string]any) error {
	for _, e := range c.Emit(kind, payload) {
		if _, err := c.publisher.Publish(c, e, streams.At(t, timer)); err != nil {
			return err
		}
	}
	return c.err
}

// CancelTimer drops the plugin's timer of that name, if it has not fired.
func (c *Context) CancelTimer(timer string) error { return c.timers(c, timer) }

// Request asks another plugin or service; see streams.Bus.Request. The reply's
// failure is the error.
func (c *Context) Request(subject string, payload any, opts ...streams.PublishOption) (json.RawMessage, error) {
	return c.publisher.Request(c, subject, payload, opts...)
}

// DB is a collection of the database.
func (c *Context) DB(collection string) Collection { return Collection{c, collection} }
