package cmd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/rosey-bot/rosey/consumers"
	"github.com/rosey-bot/rosey/cytube"
	"github.com/rosey-bot/rosey/cytube/sender"
	"github.com/rosey-bot/rosey/internal/retry"
	"github.com/rosey-bot/rosey/internal/settings"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/lease"
)

// channel is one of the bot's channels.
type channel struct {
	settings.Channel
	*cytube.Connector
	lease *lease.Lease // nil where no other process can be in the channel
	log   *slog.Logger

	mu     sync.Mutex
	failed error // why it was given up
}

// channels are all of them; there is at least one.
type channels []*channel

// openChannels makes the connectors. With leases, of which nil means none, each
// is in its channel only while it holds the channel's.
func openChannels(cfg settings.Settings, bus *streams.Bus, leases *lease.Leases, log *slog.Logger, observer cytube.Observer, onSettled func(consumers.Outcome)) (channels, error) {
	var list channels
	joins := cytube.NewJoinLimiter(cfg.JoinsPerSecond)
	for _, c := range cfg.ChannelList() {
		password, channelPassword, err := c.Passwords()
		if err != nil {
			return nil, err
		}
		cc := cytube.Config{
			Site: c.Site, Channel: c.Name, ChannelPassword: channelPassword.Reveal(), User: c.User, Password: password.Reveal(),
			MessageLimit: c.MessageLimit, Burst: c.Rate.Burst, PerSecond: c.Rate.PerSecond, Dispatched: cfg.Dispatched(),
			JoinLimiter: joins, Logger: log, Observer: observer, OnSettled: onSettled,
		}
		ch := &channel{Channel: c, log: log}
		if leases != nil {
			ch.lease = leases.New(leaseOf(c.Name))
			cc.MaySpeak = ch.lease.Valid
		}
		ch.Connector = cytube.New(bus, cc)
		list = append(list, ch)
	}
	return list, nil
}

// names are the channels' names, in the settings' order.
func (cs channels) names() (list []string) {
	for _, c := range cs {
		list = append(list, c.Connector.Channel())
	}
	return list
}

// prefixes are what commands start with, by channel.
func (cs channels) prefixes() map[string]string {
	by := map[string]string{}
	for _, c := range cs {
		by[c.Connector.Channel()] = c.Prefix
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

// queues are the durable consumers that the channels' sends wait for.
func (cs channels) queues(cfg settings.Settings) map[string]string {
	by := map[string]string{}
	for _, c := range cs {
		if name := c.Connector.Channel(); cfg.Dispatched() {
			by[sender.Durable(name)] = name
		} else {
			by[sender.DefaultDurable] = name
		}
	}
	return by
}

// errNoChannel ends the bot when it was refused everywhere.
var errNoChannel = errors.New("no channel is left")

// run keeps the bot in its channels until ctx ends. A channel that will not have
// the bot is given up, loudly, and the others go on; when none is left, run
// fails with the reasons.
func (cs channels) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type ending struct {
		*channel
		err error
	}
	ended := make(chan ending)
	for _, c := range cs {
		go func() { ended <- ending{c, c.keep(ctx)} }()
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
			reasons = append(reasons, fmt.Errorf("channel %s: %w", e.Connector.Channel(), e.err))
			e.log.ErrorContext(ctx, "the bot gave this channel up; correct it and start the bot again", "channel", e.Connector.Channel(), "error", e.err)
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

// keep is in the channel until ctx ends, or as long as the lease is held.
func (c *channel) keep(ctx context.Context) error {
	if c.lease == nil {
		return c.Run(ctx)
	}
	return c.lease.Hold(ctx, c.Run)
}

// departures settles what waits for channels that the settings have no more.
type departures struct {
	bus     *streams.Bus
	names   []string      // the channels that the settings have
	leases  *lease.Leases // nil where no other process can be in a channel
	vacancy time.Duration // for how long no bot must have been in a channel, where others can be
	log     *slog.Logger
	observe func(consumers.Outcome)
}

// run looks for such channels once, and ends with ctx. That it fails is no reason to
// end the bot.
func (d departures) run(ctx context.Context) error {
	var left []string
	err := retry.Do(ctx, streams.WhileUnanswered(forever, d.log), func(ctx context.Context) (err error) {
		left, err = sender.VacatedChannels(ctx, d.bus.JetStream(), d.names)
		return err
	})
	if err != nil && ctx.Err() == nil {
		d.log.WarnContext(ctx, "channels that the bot has left were not looked for", "error", err)
	}
	var leaving sync.WaitGroup
	for _, name := range left {
		leaving.Go(func() {
			err := retry.Do(ctx, streams.WhileUnanswered(forever, d.log), func(ctx context.Context) error { return d.leave(ctx, name) })
			if err != nil && ctx.Err() == nil {
				d.log.WarnContext(ctx, "what waits for a channel that the bot has left was not settled", "channel", name, "error", err)
			}
		})
	}
	leaving.Wait()
	<-ctx.Done()
	return nil
}

// leave settles what waits for a channel as soon as no bot is in it.
func (d departures) leave(ctx context.Context, name string) error {
	settle := func(ctx context.Context) error { return sender.Vacate(ctx, d.bus, name, d.log, d.observe) }
	if d.leases == nil {
		return settle(ctx)
	}
	return d.leases.New(leaseOf(name)).After(d.vacancy).Hold(ctx, settle)
}

// leaseOf is the key of a channel's lease.
func leaseOf(channel string) string { return "channel." + strings.ToLower(channel) }

func (c *channel) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failed = err
}

// channelStatus is what rosey status says of a channel.
type channelStatus struct {
	Site      string `json:"site"`
	Channel   string `json:"channel"`
	User      string `json:"user"`
	Connected bool   `json:"connected"`
	Holder    string `json:"holder,omitempty"` // the process that is in the channel instead of this one
	Problem   string `json:"problem,omitempty"`

	Connector cytube.Stats `json:"connector"`
}

func (c *channel) status() channelStatus {
	s := channelStatus{Site: c.Site, Channel: c.Connector.Channel(), User: c.User, Connector: c.Stats()}
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

// statuses are the channels' states, in the settings' order.
func (cs channels) statuses() []channelStatus {
	list := make([]channelStatus, 0, len(cs))
	for _, c := range cs {
		list = append(list, c.status())
	}
	return list
}

// ready returns nil while the bot is in a channel: one that is away must not
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

// problemsOf says what is wrong with channels, or "".
func problemsOf(list []channelStatus) string {
	var problems []string
	for _, s := range list {
		if s.Problem != "" {
			problems = append(problems, s.Problem)
		}
	}
	if len(problems) > 3 {
		problems = append(problems[:3], fmt.Sprintf("%d more", len(problems)-3))
	}
	return strings.Join(problems, "; ")
}
