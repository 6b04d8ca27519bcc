package sender

import (
	"cmp"
	"context"
	"log/slog"
	"strings"
	"time"

	"github.com/rosey-bot/rosey/consumers"
	"github.com/rosey-bot/rosey/cytube/channel"
	"github.com/rosey-bot/rosey/event"
)

// Config says where a Sender speaks and within which limits.
type Config struct {
	Channel string

	// MessageLimit is the length of a message, in UTF-16 units, above which it is
	// split, also where the server takes longer ones. 0 is the server's own limit, or
	// 240 while that is not known.
	MessageLimit int
	// MaxAge is the age from which a send is not spoken but recorded as expired;
	// DefaultMaxAge if 0.
	MaxAge time.Duration
	// EchoTimeout is how long an echo is waited for; 10 s if 0.
	EchoTimeout time.Duration
	// Burst and PerSecond are the bot's own flood limit, in lines at once and lines a
	// second, beside the channel's; without both there is none.
	Burst     int
	PerSecond float64

	// UndeliveredPM is one of the constants of that name: what becomes of a private message
	// whose receiver is not in the channel. UndeliveredDrop if empty.
	UndeliveredPM string

	// Channels are those of the bot if other Senders read the same sends, for these
	// channels or for those of other bots. The first gets the sends that name no channel,
	// and records those for channels without a bot as refused. Nil says that there is no
	// other Sender.
	Channels []string

	// Self returns the bot's name as the server spells it.
	Self func() string
	// FramesPending, if set, reports whether frames wait to be recorded, an echo perhaps
	// among them.
	FramesPending func() bool
	// Inspect calls a function with the channel's state between two frames. It returns an
	// error if the bot is not in the channel.
	Inspect func(context.Context, func(*channel.State)) error
	// MaySpeak, if set, is asked right before each write: a process that lost the
	// lease of the channel must not speak there.
	MaySpeak func() bool

	// Words, if set, returns what the Sender itself says in the words of a channel, "" for nothing.
	Words func(ctx context.Context, channel string, p event.Phrase) string

	Logger    *slog.Logger              // nil discards
	Observer  Observer                  // nil ignores
	OnSettled func(consumers.Outcome)   // if set, is called after each delivery
	Count     func(update func(*Stats)) // if set, is called to count what the Sender does
}

// WithDefaults returns c with the defaults of what is not set.
func (c Config) WithDefaults() Config {
	c.Channel = strings.ToLower(c.Channel) // as the server does
	c.MaxAge = cmp.Or(c.MaxAge, DefaultMaxAge)
	c.EchoTimeout = cmp.Or(c.EchoTimeout, defaultEchoTimeout)
	if c.Count == nil {
		c.Count = func(func(*Stats)) {}
	}
	if c.FramesPending == nil {
		c.FramesPending = func() bool { return false }
	}
	if c.Inspect == nil {
		c.Inspect = func(context.Context, func(*channel.State)) error { return ErrNoSession }
	}
	if c.MaySpeak == nil {
		c.MaySpeak = func() bool { return true }
	}
	if c.Words == nil {
		c.Words = func(_ context.Context, _ string, p event.Phrase) string { return p.Message }
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Observer == nil {
		c.Observer = ignore{}
	}
	return c
}

// limit returns the bot's own flood limit.
func (c Config) limit() channel.FloodLimit {
	if c.Burst == 0 && c.PerSecond == 0 {
		return channel.FloodLimit{}
	}
	return channel.NewFloodLimit(cmp.Or(float64(c.Burst), 1), cmp.Or(c.PerSecond, channel.ModeratorLimit.PerSecond), nil)
}
