package bot

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"

	"github.com/rosey-bot/rosey/consumers"
	"github.com/rosey-bot/rosey/cytube"
	"github.com/rosey-bot/rosey/cytube/sender"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/lease"
	"github.com/rosey-bot/rosey/telemetry"
)

// channel is one of the bot's channels.
type channel struct {
	settings Channel
	*cytube.Connector
	lease *lease.Lease // nil where no other process can be in the channel
	log   *slog.Logger

	mu     sync.Mutex
	failed error // why it was given up
}

// channels are all channels of the bot, in the settings' order; there is at least one.
type channels []*channel

// openChannels makes the channels' connectors. With leases, which may be nil, each
// connector is in its channel only while it holds the channel's lease.
func openChannels(s Settings, bus *streams.Bus, leases *lease.Leases, tel *telemetry.Providers, log *slog.Logger, observe func(consumers.Outcome)) (channels, error) {
	var list channels
	joins := cytube.NewJoinLimiter(s.JoinsPerSecond)
	for _, c := range s.ChannelList() {
		password, channelPassword, err := c.Passwords()
		if err != nil {
			return nil, err
		}
		cc := cytube.Config{
			Site: c.Site, Channel: c.Name, ChannelPassword: channelPassword.Reveal(), User: c.User, Password: password.Reveal(),
			MessageLimit: c.MessageLimit, Burst: c.Rate.Burst, PerSecond: c.Rate.PerSecond, Dispatched: s.Dispatched(),
			JoinLimiter: joins, Logger: log, Observer: tel.Metrics, OnSettled: observe,
		}
		ch := &channel{settings: c, log: log}
		if leases != nil {
			ch.lease = leases.New(leaseKey(c.Name))
			cc.Hold, cc.MaySpeak = ch.lease.Hold, ch.lease.Valid
		}
		ch.Connector = cytube.New(bus, cc)
		list = append(list, ch)
	}
	return list, nil
}

// names returns the channels' names.
func (cs channels) names() (list []string) {
	for _, c := range cs {
		list = append(list, c.Channel())
	}
	return list
}

// prefixes returns what commands start with, by channel.
func (cs channels) prefixes() map[string]string {
	by := map[string]string{}
	for _, c := range cs {
		by[c.Channel()] = c.settings.Prefix
	}
	return by
}

// isBot reports whether a user of a channel is the bot.
func (cs channels) isBot(channel, user string) bool {
	for _, c := range cs {
		if c.IsBot(channel, user) {
			return true
		}
	}
	return false
}

// outboxes returns the channel of each durable consumer on which sends wait.
func (cs channels) outboxes(dispatched bool) map[string]string {
	by := map[string]string{}
	for _, c := range cs {
		if dispatched {
			by[sender.OutboxDurable(c.Channel())] = c.Channel()
		} else {
			by[sender.SendsDurable] = c.Channel()
		}
	}
	return by
}

// errNoChannel ends the bot when it was refused everywhere.
var errNoChannel = errors.New("no channel is left")

// run keeps the bot in its channels until ctx ends. A channel that refuses the bot for
// good is given up while others are left; when none is, run returns the reasons.
func (cs channels) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type ending struct {
		*channel
		err error
	}
	ended := make(chan ending)
	for _, c := range cs {
		go func() { ended <- ending{c, c.Run(ctx)} }()
	}
	var reasons []error
	var fatal error
	for range cs {
		e := <-ended
		var permanent *cytube.PermanentError
		switch {
		case e.err == nil:
		case errors.As(e.err, &permanent) && len(cs) > 1:
			e.fail(e.err)
			reasons = append(reasons, fmt.Errorf("channel %s: %w", e.Channel(), e.err))
			e.log.ErrorContext(ctx, "channel given up, correct its settings and restart the bot", "channel", e.Channel(), "error", e.err)
		default:
			fatal = errors.Join(fatal, e.err)
			cancel()
		}
	}
	if fatal == nil && len(reasons) == len(cs) {
		return fmt.Errorf("%w:\n%w", errNoChannel, errors.Join(reasons...))
	}
	return fatal
}

func (c *channel) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failed = err
}

func (c *channel) status() ChannelStatus {
	s := ChannelStatus{Site: c.settings.Site, Channel: c.Channel(), User: c.settings.User, Connector: c.Stats()}
	s.Connected = s.Connector.Connected
	if c.lease != nil {
		if owner, ok := c.lease.Other(); ok {
			s.Holder = owner.Holder
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.failed != nil:
		s.Problem = fmt.Sprintf("channel %s: %v", s.Channel, c.failed)
	case !s.Connected && s.Holder == "":
		s.Problem = fmt.Sprintf("the bot is not in channel %s of %s", s.Channel, s.Site)
	}
	return s
}

// statuses returns the channels' states.
func (cs channels) statuses() []ChannelStatus {
	list := make([]ChannelStatus, 0, len(cs))
	for _, c := range cs {
		list = append(list, c.status())
	}
	return list
}

// ready returns nil while the bot is in at least one channel: one that is away must not
// keep the others from being used.
func (cs channels) ready() error {
	var problem error
	for _, c := range cs {
		s := c.status()
		if s.Problem == "" {
			return nil
		}
		if problem == nil {
			problem = errors.New(s.Problem)
		}
	}
	return problem
}

// leaseKey returns the key of a channel's lease.
func leaseKey(channel string) string { return "channel." + strings.ToLower(channel) }
