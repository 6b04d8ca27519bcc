package cytube

import (
	"cmp"
	"context"
	"net/http"
	"time"

	"github.com/rosey-bot/rosey/cytube/sender"
)

// Config says which channel the bot joins, and as whom. Zero durations and numbers
// have the defaults given with them.
type Config struct {
	// Config says how the bot speaks. The Connector sets Self, FramesPending and Count.
	sender.Config

	Site            string // for example https://cytu.be
	ChannelPassword string // if the channel wants one
	User            string
	Password        string // of the user's account; "" joins as a guest

	// JoinTimeout is how long each answer is waited for while joining; 30 s.
	JoinTimeout time.Duration

	// RetryMin and RetryMax bound the wait before a reconnect, which grows with each
	// failure; 1 s and 1 minute. RetrySlow is added to it after a kick or a refusal
	// that more haste would make worse; 30 s.
	RetryMin, RetryMax, RetrySlow time.Duration
	// KickWait is what is added to the wait after a moderator's kick in place of RetrySlow,
	// if it is not 0. StayOut keeps the bot out of the channel instead.
	KickWait time.Duration

	// AFK makes the bot go AFK once it has been silent for a moment, so that the server does
	// not count it among those who must vote for a skip.
	AFK bool

	// Hold, if set, calls a function while this process holds the lease of the channel,
	// as lease.Lease.Hold does: the bot is in the channel only then. What it heard is
	// recorded also after the lease is lost.
	Hold func(context.Context, func(context.Context) error) error
	// JoinLimiter, if set, is shared with the other Connectors of the process.
	JoinLimiter *JoinLimiter
	// HTTPClient asks the site for its socket servers; nil has a timeout of 15 s.
	HTTPClient *http.Client

	Observer Observer // nil ignores
}

// StayOut is the KickWait of a bot that does not come back.
const StayOut = time.Duration(-1)

func (c Config) withDefaults() Config {
	c.Config = c.Config.WithDefaults()
	c.JoinTimeout = cmp.Or(c.JoinTimeout, 30*time.Second)
	c.RetryMin = cmp.Or(c.RetryMin, time.Second)
	c.RetryMax = cmp.Or(c.RetryMax, time.Minute)
	c.RetrySlow = cmp.Or(c.RetrySlow, 30*time.Second)
	if c.Hold == nil {
		c.Hold = func(ctx context.Context, do func(context.Context) error) error { return do(ctx) }
	}
	if c.Observer == nil {
		c.Observer = ignore{}
	}
	return c
}
