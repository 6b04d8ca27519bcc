package bot

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/consumers/pluginsettings"
	"github.com/rosey-bot/rosey/cytube"
	"github.com/rosey-bot/rosey/cytube/sender"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams/lease"
)

type channel struct {
	settings Channel
	*cytube.Connector
	lease  *lease.Lease // nil where no other process can be in the channel
	log    *slog.Logger
	failed atomic.Pointer[error] // why it was given up
}

// channels are all channels of the bot, in the settings' order; there is at least one.
type channels []*channel

// openChannels makes the channels' connectors. With leases, if there are any, each
// connector is in its channel only while it holds the channel's lease.
func (c *composition) openChannels(context.Context) error {
	s := c.settings
	joins := cytube.NewJoinLimiter(s.JoinsPerSecond)
	for _, of := range s.ChannelList() {
		password, channelPassword, err := of.Passwords()
		if err != nil {
			return err
		}
		login := password.Reveal()
		if c.local != nil {
			login = c.local.password
		}
		cc := cytube.Config{
			Site: of.Site, ChannelPassword: channelPassword.Reveal(), User: of.User, Password: login,
			JoinLimiter: joins, Observer: c.tel.Metrics, KickWait: of.KickWait(), AFK: of.AFK != nil && *of.AFK,
			Config: sender.Config{
				Channel: of.Name, MessageLimit: of.MessageLimit, Burst: of.Rate.Burst, PerSecond: of.Rate.PerSecond,
				UndeliveredPM: of.UndeliveredPM, Words: c.words, Logger: c.log, OnSettled: c.observe,
			},
		}
		if s.SharesSends() {
			for _, other := range s.ChannelList() {
				cc.Channels = append(cc.Channels, other.Name)
			}
		}
		ch := &channel{settings: of, log: c.log}
		if c.leases != nil {
			ch.lease = c.leases.New(leaseKey(of.Name))
			cc.Hold, cc.MaySpeak = ch.lease.Hold, ch.lease.Valid
		}
		ch.Connector = cytube.New(c.bus, cc)
		c.channels = append(c.channels, ch)
	}
	return nil
}

// words returns a phrase in the words of a channel.
func (c *composition) words(ctx context.Context, channel string, p event.Phrase) string {
	return pluginsettings.Words(ctx, c.pluginSettings, c.log, channel, p, nil)
}

func (cs channels) names() []string { return convert(cs, (*channel).Channel) }

// prefixes returns what commands start with, by channel.
func (cs channels) prefixes() map[string]string {
	by := map[string]string{}
	for _, c := range cs {
		by[c.Channel()] = c.settings.Prefix
	}
	return by
}

// botTimeout bounds the look at who is the bot of another's channel.
const botTimeout = 2 * time.Second

// isBot reports whether a user of a channel is the bot.
func (cs channels) isBot(name, user string) bool {
	return slices.ContainsFunc(cs, func(c *channel) bool { return c.IsBot(name, user) })
}

// isAnyBot returns isBot for the router, which several bots on one server share: it gets
// the lines of channels that are another bot's, too.
func (cs channels) isAnyBot(js jetstream.JetStream, log *slog.Logger) func(name, user string) bool {
	botOf := cytube.Bots(js)
	return func(name, user string) bool {
		if slices.ContainsFunc(cs, func(c *channel) bool { return strings.EqualFold(c.Channel(), name) }) {
			return cs.isBot(name, user)
		}
		ctx, cancel := context.WithTimeout(context.Background(), botTimeout)
		defer cancel()
		bot, err := botOf(ctx, name)
		if err != nil {
			log.WarnContext(ctx, "bot of another's channel not known", "channel", name, "error", err)
		}
		return bot != "" && strings.EqualFold(bot, user)
	}
}

// outboxes returns the channel of each durable consumer on which sends wait.
func (cs channels) outboxes() map[string]string {
	by := map[string]string{sender.SendsDurable: cs[0].Channel()}
	for _, c := range cs {
		by[sender.OutboxDurable(c.Channel())] = c.Channel()
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
			e.failed.Store(&e.err)
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

func (c *channel) status() ChannelStatus {
	s := ChannelStatus{Site: c.settings.Site, Channel: c.Channel(), User: c.settings.User, Connector: c.Stats()}
	s.Connected = s.Connector.Connected
	if c.lease != nil {
		if owner, ok := c.lease.OtherHolder(); ok {
			s.Holder = owner.Holder
		}
	}
	switch failed := c.failed.Load(); {
	case failed != nil:
		s.Problem = fmt.Sprintf("channel %s: %v", s.Channel, *failed)
	case !s.Connected && s.Holder == "":
		s.Problem = fmt.Sprintf("the bot is not in channel %s of %s", s.Channel, s.Site) + whyAway(s.Connector.Condition)
	case s.Connected && s.Connector.Mute == event.ActionShadowMute:
		s.Problem = fmt.Sprintf("the bot is shadow-muted in channel %s of %s: only moderators read what it says", s.Channel, s.Site) + by(s.Connector.By)
	case s.Connected && s.Connector.Mute != "":
		s.Problem = fmt.Sprintf("the bot is muted in channel %s of %s", s.Channel, s.Site) + by(s.Connector.By)
	}
	return s
}

// by names who did it, if that is known.
func by(user string) string {
	if user == "" {
		return ""
	}
	return " (by " + user + ")"
}

// whyAway says why the bot is not in a channel, since when, and when it tries again; ""
// before it has tried.
func whyAway(c cytube.Condition) string {
	if c.Away == "" {
		return ""
	}
	text := fmt.Sprintf(", since %s", c.Since.Format(time.DateTime))
	if c.Kicked && (!strings.Contains(c.Away, "kicked") || c.By != "") {
		text += " when it was " + map[bool]string{false: "kicked", true: "banned"}[c.Banned]
		if c.By != "" {
			text += " by " + c.By
		}
	}
	text += ": " + c.Away
	if !c.Next.IsZero() {
		text += "; next try at " + c.Next.Format(time.TimeOnly)
	}
	return text
}

// ready returns nil while the bot is in at least one channel: one that is away must not
// keep the others from being used.
func (cs channels) ready() error {
	list := convert(cs, (*channel).status)
	if slices.ContainsFunc(list, func(s ChannelStatus) bool { return s.Problem == "" }) {
		return nil
	}
	return errors.New(list[0].Problem)
}

// leaseKey returns the key of a channel's lease.
func leaseKey(channel string) string { return "channel." + strings.ToLower(channel) }
