package cytube

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/rosey-bot/rosey/consumers"
	"github.com/rosey-bot/rosey/cytube/channel"
)

// Config says which channel the bot joins, and as whom. Zero durations and numbers
// have the defaults given with them.
type Config struct {
	Site            string // for example https://cytu.be
	Channel         string
	ChannelPassword string // if the channel wants one
	User            string
	Password        string // of the user's account; "" joins as a guest

	// MessageLimit is the length of a message, in UTF-16 units, above which it is
	// split; sender.DefaultMessageLimit.
	MessageLimit int
	// MaxAge is the age from which a send is not spoken but recorded as expired;
	// sender.DefaultMaxAge.
	MaxAge time.Duration
	// EchoTimeout is how long the channel's echo of a message is waited for;
	// sender.DefaultEchoTimeout.
	EchoTimeout time.Duration
	// JoinTimeout is how long each answer is waited for while joining; 30 s.
	JoinTimeout time.Duration

	// RetryMin and RetryMax bound the wait before a reconnect, which grows with each
	// failure; 1 s and 1 minute. RetrySlow is added to it after a kick or a refusal
	// that more haste would make worse; 30 s.
	RetryMin, RetryMax, RetrySlow time.Duration

	// Burst and PerSecond are the bot's own flood limit, in lines at once and lines a
	// second, beside the channel's; without both there is none.
	Burst     int
	PerSecond float64

	// Dispatched says that a sender.Dispatcher distributes the sends of several
	// channels. Otherwise the Connector reads all sends itself, which only one
	// Connector on the streams may do.
	Dispatched bool
	// Hold, if set, calls a function while this process holds the lease of the channel,
	// as lease.Lease.Hold does: the bot is in the channel only then. What it heard is
	// recorded also after the lease is lost.
	Hold func(context.Context, func(context.Context) error) error
	// MaySpeak, if set, is asked right before each message is written: a process that
	// lost the lease of the channel must not speak there.
	MaySpeak func() bool

	// JoinLimiter, if set, is shared with the other Connectors of the process.
	JoinLimiter *JoinLimiter
	// HTTPClient asks the site for its socket servers; nil has a timeout of 15 s.
	HTTPClient *http.Client

	Logger    *slog.Logger            // nil discards
	Observer  Observer                // nil ignores
	OnSettled func(consumers.Outcome) // if set, is called after each delivery of a send
}

func (c Config) withDefaults() Config {
	c.Channel = strings.ToLower(c.Channel) // as the server does
	c.JoinTimeout = cmp.Or(c.JoinTimeout, 30*time.Second)
	c.RetryMin = cmp.Or(c.RetryMin, time.Second)
	c.RetryMax = cmp.Or(c.RetryMax, time.Minute)
	c.RetrySlow = cmp.Or(c.RetrySlow, 30*time.Second)
	if c.Hold == nil {
		c.Hold = func(ctx context.Context, do func(context.Context) error) error { return do(ctx) }
	}
	if c.MaySpeak == nil {
		c.MaySpeak = func() bool { return true }
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
