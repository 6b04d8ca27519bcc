package plugins

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/rosey-bot/rosey/consumers"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

// Say returns a chat message to the event's channel. A command that was typed in a private
// message is answered in one.
func (c *Context) Say(format string, args ...any) []event.Envelope {
	if c.Command.Private {
		return c.output(c.Command.Reply(text(format, args)))
	}
	return c.SayIn(c.Channel(), format, args...)
}

// SayIn returns a chat message to a channel, also upon a private command.
func (c *Context) SayIn(channel, format string, args ...any) []event.Envelope {
	return c.output(event.New(event.SubjectSendChat, event.SendChat{Message: text(format, args), Channel: channel}))
}

// PM returns a private message to a user.
func (c *Context) PM(to, format string, args ...any) []event.Envelope {
	return c.output(event.New(event.SubjectSendPM, event.SendPM{To: to, Message: text(format, args), Channel: c.Channel()}))
}

// Emote returns an action ("/me …") in the event's channel. A private message has none: a
// command that was typed in one is answered by the text.
func (c *Context) Emote(format string, args ...any) []event.Envelope {
	if c.Command.Private {
		return c.Say(format, args...)
	}
	return c.output(event.New(event.SubjectSendEmote, event.SendEmote{Emote: text(format, args), Channel: c.Channel()}))
}

// Emit returns an event of the plugin's own, plugin.{name}.event.{kind}, with the kind
// also as event_type. Document it in the plugin's EVENTS.md. A kind that Rosey itself
// emits (see event.Reserved) fails the handler permanently.
func (c *Context) Emit(kind string, payload map[string]any) []event.Envelope {
	if err := event.Reserved(kind); err != nil {
		return c.output(event.Envelope{}, fmt.Errorf("%s: %w", event.EventSubject(c.plugin, kind), err))
	}
	data := map[string]any{"event_type": kind}
	maps.Copy(data, payload)
	return c.output(event.New(event.EventSubject(c.plugin, kind), data))
}

// output returns an event for the handler to return. An error is kept and fails the
// handler when it returns.
func (c *Context) output(e event.Envelope, err error) []event.Envelope {
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

// Publish stores events before the handler returns. Events that can wait are better
// returned. A subject that is not the plugin's is a PERMISSION_DENIED error that names
// the contract's rule, and fails the handler permanently.
func (c *Context) Publish(events ...event.Envelope) error {
	for _, e := range events {
		if err := c.publish(e); err != nil {
			return err
		}
	}
	return c.err
}

// publish keeps the error of an event that breaks the contract, so that it fails the
// handler and is not sent to the user as an answer.
func (c *Context) publish(e event.Envelope, opts ...streams.PublishOption) error {
	_, err := c.publisher.Publish(c, e, opts...)
	if code := event.CodeOf(err); c.err == nil && (code == event.PermissionDenied || code == event.InvalidInput) {
		c.err = err
	}
	return err
}

// After stores an event of the plugin's own, plugin.{name}.event.{kind}, at Now plus d,
// to the second. The timer outlives the process; setting one of the same name replaces
// it. The plugin handles it by a Subscription, most often with a MaxAge of Never.
func (c *Context) After(d time.Duration, timer, kind string, payload map[string]any) error {
	return c.At(c.Now().Add(d), timer, kind, payload)
}

// At is After for a point in time. One in the past fires at once. One further ahead
// than the max_age of the stream TIMER (90 days by default) is refused with
// INVALID_INPUT: set a timer that sets it later.
func (c *Context) At(t time.Time, timer, kind string, payload map[string]any) error {
	timer = timerToken(timer)
	for _, e := range c.Emit(kind, payload) {
		opts := append([]streams.PublishOption{streams.At(t, timer)}, c.messageID("timer", timer)...)
		if err := c.publish(e, opts...); err != nil {
			return err
		}
	}
	return c.err
}

// CancelTimer deletes the plugin's timer of that name, if it has not fired. While an
// event is handled, it leaves a timer that was set because of a later event: a
// redelivery cancels no more than the first delivery did.
func (c *Context) CancelTimer(timer string) error {
	return c.publisher.CancelTimer(c, c.plugin, timerToken(timer))
}

// timerToken returns a timer's name as a token of a subject: a digest if it contains
// other characters.
func timerToken(name string) string {
	if event.ValidName(name) {
		return name
	}
	return "x-" + digest(name)
}

func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:16])
}

// messageID returns the message ID of a write while an event is handled. It names what
// is written and counts the writes to that, so that a redelivery repeats the ID even if
// it writes less than before.
func (c *Context) messageID(parts ...string) []streams.PublishOption {
	if c.Event.Ref == (event.Ref{}) {
		return nil
	}
	kind := strings.Join(parts, "/")
	if strings.ContainsFunc(kind, func(r rune) bool { return r <= ' ' || r > '~' }) {
		kind = digest(kind) // a header is one line of ASCII
	}
	return []streams.PublishOption{streams.WithMsgID(c.messageIDs().Next(kind))}
}

func (c *Context) messageIDs() *consumers.MessageIDs {
	if c.ids == nil {
		durable := streams.Durable(c.plugin)
		if c.fromFirst {
			durable = streams.PastDurable(c.plugin)
		}
		c.ids = consumers.NewMessageIDs(durable, c.Event.Ref)
	}
	return c.ids
}

// Request sends a request to another plugin or service; see streams.Bus.Request. A
// failed reply is returned as an error.
func (c *Context) Request(subject string, payload any, opts ...streams.PublishOption) (json.RawMessage, error) {
	return c.publisher.Request(c, subject, payload, opts...)
}

// DB returns a collection of the database.
func (c *Context) DB(collection string) Collection { return Collection{c, collection} }
