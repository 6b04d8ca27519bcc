package plugins

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"math/rand/v2"
	"strings"
	"time"
	"unicode"

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
	reader    Reader
	random    *rand.Rand
	numbers   map[string]int // of writes and timers, by what they write
	err       error          // the first event that could not be made
}

// Now is the time at which the event was stored. Use it and not the machine's
// clock: it is the same when the event is handled again.
func (c *Context) Now() time.Time { return c.Event.At }

// Waited is how long ago the event was stored: more than a moment when the
// plugin was down, or tries again. Unlike Now it depends on when it is asked.
func (c *Context) Waited() time.Duration { return consumers.Now(c).Sub(c.Event.At) }

// Prefix is what the user typed before the command, usually "!": what hints to
// other commands should begin with.
func (c *Context) Prefix() string {
	typed := strings.TrimSpace(c.Command.RawMessage)
	for i := range typed {
		if rest := typed[i:]; len(rest) >= len(c.Command.Command) && strings.EqualFold(rest[:len(c.Command.Command)], c.Command.Command) {
			return typed[:i]
		}
		if unicode.IsSpace(rune(typed[i])) {
			break
		}
	}
	return "!"
}

// Text is what the user typed behind the command and its first skip words, with
// its own quotes and spaces. Command.Args has it as separate arguments.
func (c *Context) Text(skip int) string {
	if c.Command.RawMessage == "" {
		return strings.Join(c.Command.Args[min(skip, len(c.Command.Args)):], " ")
	}
	rest := strings.TrimSpace(c.Command.RawMessage)
	for range skip + 1 {
		i := strings.IndexFunc(rest, unicode.IsSpace)
		if i < 0 {
			return ""
		}
		rest = strings.TrimLeftFunc(rest[i:], unicode.IsSpace)
	}
	return rest
}

// Decode reads the event's data, or a request's, into payload, a pointer. The
// error is INVALID_INPUT and names the field.
func (c *Context) Decode(payload any) error {
	err := json.Unmarshal(c.Event.Data, payload)
	var kind *json.UnmarshalTypeError
	if errors.As(err, &kind) {
		return event.Errorf(event.InvalidInput, "%s: %s must not be a %s", c.Event.Subject, kind.Field, kind.Value).With("field", kind.Field)
	}
	if err != nil {
		return event.Errorf(event.InvalidInput, "%s: %w", c.Event.Subject, err)
	}
	return nil
}

// Chat is the line of a cytube.chat event. ok is false for what a plugin should
// not react to: the bot's own lines, those from before the bot joined, and those
// of users whom the moderators muted without their knowing.
func (c *Context) Chat() (line event.Chat, ok bool) {
	line, err := event.As[event.Chat](c.Event.Envelope)
	// The echo of what the bot said names the send that caused it.
	cause, caused := c.Event.Causation()
	echo := caused && cause.Stream == streams.Cytube
	backfill := c.Event.Metadata[event.MetaBackfill] == true
	return line, err == nil && !echo && !backfill && string(line.Extra["shadow"]) != "true"
}

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
// kind also as event_type. Document it in the plugin's EVENTS.md. A kind that Rosey
// itself emits (see event.Reserved) fails the handler for good.
func (c *Context) Emit(kind string, payload map[string]any) []event.Envelope {
	if err := event.Reserved(kind); err != nil {
		return c.made(event.Envelope{}, fmt.Errorf("%s: %w", event.EventSubject(c.plugin, kind), err))
	}
	data := map[string]any{"event_type": kind}
	for k, v := range payload {
		data[k] = v
	}
	return c.make(event.EventSubject(c.plugin, kind), data)
}

// make builds an envelope; an error is kept and fails the handler once it ends.
func (c *Context) make(subject string, payload any) []event.Envelope {
	return c.made(event.New(subject, payload))
}

func (c *Context) made(e event.Envelope, err error) []event.Envelope {
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
// returned. A subject that is not the plugin's to publish on is a
// PERMISSION_DENIED error that names the contract's rule, and fails the handler
// for good.
func (c *Context) Publish(events ...event.Envelope) error {
	for _, e := range events {
		if err := c.publish(e); err != nil {
			return err
		}
	}
	return c.err
}

// publish keeps the error of an event that breaks the contract, so that it is
// not taken for an answer to the user.
func (c *Context) publish(e event.Envelope, opts ...streams.PublishOption) error {
	_, err := c.publisher.Publish(c, e, opts...)
	if code := event.CodeOf(err); c.err == nil && (code == event.PermissionDenied || code == event.InvalidInput) {
		c.err = err
	}
	return err
}

// After stores an event of the plugin's own, plugin.{name}.event.{kind}, when d
// has passed since Now, to the second. The timer outlives the process; setting
// one of the same name replaces it. The plugin handles it by a Subscription,
// most often with a MaxAge of Never.
func (c *Context) After(d time.Duration, timer, kind string, payload map[string]any) error {
	return c.At(c.Now().Add(d), timer, kind, payload)
}

// At is After for a point in time. One that has passed fires at once. One that
// lies further ahead than the stream TIMER keeps events (90 days unless the bot
// is configured otherwise) is refused with INVALID_INPUT: set a timer to set it
// then.
func (c *Context) At(t time.Time, timer, kind string, payload map[string]any) error {
	timer = timerToken(timer)
	for _, e := range c.Emit(kind, payload) {
		opts := append([]streams.PublishOption{streams.At(t, timer)}, c.once("timer", timer)...)
		if err := c.publish(e, opts...); err != nil {
			return err
		}
	}
	return c.err
}

// CancelTimer drops the plugin's timer of that name, if it has not fired.
func (c *Context) CancelTimer(timer string) error {
	return c.publisher.CancelTimer(c, c.plugin, timerToken(timer))
}

// timerToken is a timer's name as part of a subject, which cannot hold all that
// people call things.
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

// once gives what is written its Nats-Msg-Id when an event is handled: it names
// what is written and counts the writes to that, so that it is the same when the
// event is handled again, whatever else is written then.
func (c *Context) once(parts ...string) []streams.PublishOption {
	if c.Event.Ref == (event.Ref{}) {
		return nil
	}
	key := strings.Join(parts, "/")
	if strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }) {
		key = digest(key) // a header holds one line of ASCII
	}
	if c.numbers == nil {
		c.numbers = map[string]int{}
	}
	c.numbers[key]++
	return []streams.PublishOption{streams.WithMsgID(fmt.Sprintf("%s/%s/%s/%d", streams.Durable(c.plugin), c.Event.Ref, key, c.numbers[key]))}
}

// Request asks another plugin or service; see streams.Bus.Request. The reply's
// failure is the error.
func (c *Context) Request(subject string, payload any, opts ...streams.PublishOption) (json.RawMessage, error) {
	return c.publisher.Request(c, subject, payload, opts...)
}

// DB is a collection of the database.
func (c *Context) DB(collection string) Collection { return Collection{c, collection} }

// Streams returns a reader of the streams and of the state of consumers, for plugins
// that report on the bot itself.
func (c *Context) Streams() Reader { return c.reader }

// Shorten cuts a text to n characters, the last of them an ellipsis, so that
// what somebody typed can be quoted back to them.
func Shorten(text string, n int) string {
	if r := []rune(text); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return text
}
