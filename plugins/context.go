package plugins

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/rosey-bot/rosey/consumers"
	"github.com/rosey-bot/rosey/consumers/pluginsettings"
	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/fold"
	"github.com/rosey-bot/rosey/streams"
)

// Context gives a handler the event it handles and everything it may do with it. It
// carries the event's correlation ID into all of that. A Context is valid for one call
// of one handler.
type Context struct {
	context.Context
	Event   streams.Stored // the event being handled; of a request, only the envelope
	Command event.Command  // the payload, if it is a command
	Log     *slog.Logger

	plugin    string
	publisher consumers.Publisher
	reader    Reader
	runtime   Runtime
	settings  pluginsettings.Set // when the event was taken
	decoded   any                // the settings as SettingsOf returned them
	random    *rand.Rand
	ids       *consumers.MessageIDs // see messageID
	fromFirst bool                  // the handler is that of a subscription FromFirst
	past      *pastWrites           // nil where Change writes at once
	err       error                 // of the first invalid output
}

// Now returns the time at which the event was stored. Unlike the machine's clock it
// is the same when the event is redelivered.
func (c *Context) Now() time.Time { return c.Event.At }

// Since returns how long before Now a time was, in milliseconds since the epoch as records have it.
func (c *Context) Since(ms int64) time.Duration { return c.Now().Sub(time.UnixMilli(ms)) }

// Waited returns how long ago the event was stored: more than a moment if the plugin
// was down, or retries. Unlike Now it depends on when the event was delivered.
func (c *Context) Waited() time.Duration { return consumers.Now(c).Sub(c.Event.At) }

// Prefix returns what the user typed before the command, usually "!". Hints to other
// commands should begin with it. Of another event it is what commands begin with in its
// channel, as far as the process knows.
func (c *Context) Prefix() string {
	if c.Command.Command == "" {
		if c.runtime.Prefix != nil {
			return c.runtime.Prefix(c.Channel())
		}
		return "!"
	}
	typed, _ := c.cut()
	for i := len(typed) - len(c.Command.Command); i >= 0; i-- {
		if strings.EqualFold(typed[i:i+len(c.Command.Command)], c.Command.Command) {
			return typed[:i]
		}
	}
	return "!"
}

// Text returns what the user typed after the command and its first skip words, with
// quotes and spaces as typed. Command.Args holds it as separate arguments.
func (c *Context) Text(skip int) string {
	if c.Command.RawMessage == "" {
		return strings.Join(c.Command.Args[min(skip, len(c.Command.Args)):], " ")
	}
	_, rest := c.cut()
	for range skip {
		rest = afterWord(rest)
	}
	return rest
}

// cut splits what the user typed after the command: a prefix may have spaces, such as
// "rosey, ", and what follows the command has the arguments.
func (c *Context) cut() (command, rest string) {
	typed := strings.TrimSpace(c.Command.RawMessage)
	for rest := afterWord(typed); ; rest = afterWord(rest) {
		if _, args, _ := router.ParseCommand("!x "+rest, "!"); slices.Equal(args, c.Command.Args) {
			return strings.TrimSpace(typed[:len(typed)-len(rest)]), rest
		}
		if rest == "" { // the arguments are not those that were typed
			rest = afterWord(typed)
			return strings.TrimSpace(typed[:len(typed)-len(rest)]), rest
		}
	}
}

// afterWord returns what follows the first word of text and its spaces.
func afterWord(text string) string {
	i := strings.IndexFunc(text, unicode.IsSpace)
	if i < 0 {
		return ""
	}
	return strings.TrimLeftFunc(text[i:], unicode.IsSpace)
}

// Decode decodes the event's data into payload, a pointer. The error is INVALID_INPUT
// and names the field.
func (c *Context) Decode(payload any) error {
	err := json.Unmarshal(c.Event.Data, payload)
	if kind, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return event.Errorf(event.InvalidInput, "%s: %s must not be a %s", c.Event.Subject, kind.Field, kind.Value).With("field", kind.Field)
	}
	if err != nil {
		return event.Errorf(event.InvalidInput, "%s: %w", c.Event.Subject, err)
	}
	return nil
}

// Chat returns the line of a cytube.chat event. ok is false for lines to which a
// plugin should not react: the bot's own, those from before the bot joined, and those
// of shadow-muted users.
func (c *Context) Chat() (line event.Chat, ok bool) {
	line, err := event.As[event.Chat](c.Event.Envelope)
	// The echo of the bot's own line has the send as its cause.
	cause, caused := c.Event.Causation()
	echo := caused && cause.Stream == streams.Cytube
	backfill := c.Event.Metadata[event.MetaBackfill] == true
	return line, err == nil && !echo && !backfill && string(line.Extra["shadow"]) != "true"
}

// Typed returns when a line that Chat returned was typed. That is before Now if the line
// was read from the channel's chat buffer after a disconnect.
func (c *Context) Typed(line event.Chat) time.Time { return c.Event.TypedAt(line) }

// Rand returns a random source that yields the same values when the event is
// redelivered.
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

// Channel returns the channel that the event came from, or "".
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

// SetCommands registers the commands that the plugin has beside Plugin.Commands, in place of
// those that were set before; Plugin.Custom handles them. They are commands like others, with
// rank, settings, grants and cooldowns, and outlive the process.
func (c *Context) SetCommands(commands []router.Command) error {
	if c.runtime.Register == nil {
		return nil
	}
	return c.runtime.Register(c, commands)
}

// RankFor returns the rank that a user needs in the event's channel for a command of the plugin,
// such as one that SetCommands registered.
func (c *Context) RankFor(command router.Command) int {
	return router.Registration{MinRank: c.runtime.Plugin.MinRank}.RankIn(c.settings, command)
}

// Streams returns a reader of the streams and of the state of consumers, for plugins
// that report on the bot itself.
func (c *Context) Streams() Reader { return c.reader }

// Fold returns what texts have in common that people take for the same: but for letter
// case, what is invisible, full-width letters and digits, kinds of quotation marks, minus
// signs and spaces, and ß and ss. Compare what is typed by it; store what was typed.
func Fold(text string) string { return fold.Key(text) }

// UserName returns the name in an argument that names a user, as in @bob: or "bob,".
func UserName(arg string) string {
	return strings.TrimRight(strings.TrimPrefix(fold.Plain(arg), "@"), ":,;")
}

// Shorten cuts a text to n characters, the last of them an ellipsis. Use it to quote
// what somebody typed.
func Shorten(text string, n int) string {
	if r := []rune(text); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return text
}
