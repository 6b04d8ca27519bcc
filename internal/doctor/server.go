package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/bot"
	"github.com/rosey-bot/rosey/internal/client"
	"github.com/rosey-bot/rosey/streams/connect"
	"github.com/rosey-bot/rosey/streams/embedded"
	"github.com/rosey-bot/rosey/streams/jsapi"
)

// The first version of NATS that has message schedules, which timers are.
const oldestMajor, oldestMinor = 2, 12

// connect connects to the server, or opens the store of a stopped bot. There may be
// nothing to open, or what was reported keeps it from being opened.
func (c *checkup) connect(ctx context.Context) {
	if !c.settings.External() {
		exists, err := embedded.IsStore(c.settings.Store)
		if !exists && err == nil || client.CheckComplete(c.settings.Store) != nil {
			return
		}
	}
	cl, err := client.Open(ctx, c.settings, "rosey doctor", c.log)
	var denied *connect.DeniedError
	switch {
	case err == nil:
		c.client = cl
	case c.settings.External():
		c.fail("start the server, or correct --nats, --context and --creds", "%v", err)
	case errors.As(err, &denied) && c.denied:
	case errors.As(err, &denied):
		c.fail(connect.AsItsOwner, "%v", denied.Err)
	default:
		c.fail("end the process that holds the store, or look at its log", "%v", err)
	}
}

// disconnect closes what connect opened.
func (c *checkup) disconnect(context.Context) {
	if c.client == nil {
		return
	}
	if err := c.client.Close(); err != nil {
		c.warn("look at the store's disk", "the store was not closed well: %v", err)
	}
}

// checkServer checks the server's version, its JetStream and its limits.
func (c *checkup) checkServer(ctx context.Context) {
	version := c.client.Conn.ConnectedServerVersion()
	var major, minor int
	if n, _ := fmt.Sscanf(version, "%d.%d", &major, &minor); n < 2 || major < oldestMajor || major == oldestMajor && minor < oldestMinor {
		c.fail(fmt.Sprintf("use NATS %d.%d or later", oldestMajor, oldestMinor), "NATS %s is too old: timers need message schedules", version)
	}
	account, err := c.client.JS.AccountInfo(ctx)
	switch {
	case errors.Is(err, jetstream.ErrJetStreamNotEnabled) || errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount):
		c.fail("start nats-server with -js, or enable jetstream for the account", "NATS %s without JetStream", version)
		c.disconnect(ctx)
		c.client = nil // nothing more can be asked
		return
	case err != nil:
		c.fail("see the server's log", "JetStream does not answer: %v", err)
		return
	}
	limit, whose := account.Limits.MaxStore, "the account's limit"
	if !c.settings.External() {
		limit, whose = int64(c.settings.StoreMax), "store_max"
	}
	for _, l := range []struct {
		name      string
		used, max int
	}{{"max_streams", account.Streams, account.Limits.MaxStreams}, {"max_consumers", account.Consumers, account.Limits.MaxConsumers}} {
		if l.max > 0 && l.used >= l.max {
			c.warn("raise the account's "+l.name, "all %d that the account's %s allows are in use: nothing more can be opened", l.max, l.name)
		}
	}
	if limit > 0 && float64(account.Store) > 0.9*float64(limit) {
		c.warn("raise "+whose+", or shorten retention", "%s of the %s that may be stored are used",
			humanize.IBytes(account.Store), humanize.IBytes(uint64(limit)))
	}
	c.ok("NATS %s with JetStream, %s stored", version, humanize.IBytes(account.Store))
}

// channelAdvice returns what to do about the first channel in which a bot is not well.
func (c *checkup) channelAdvice(status bot.Status) string {
	for _, ch := range status.Channels {
		switch n := ch.Connector; {
		case ch.Problem == "":
		case n.Connected && n.Mute != "":
			return fmt.Sprintf("ask a moderator of %s to type /unmute %s", ch.Channel, ch.User)
		case n.Kicked:
			return fmt.Sprintf("ask the moderators of %s why; the settings' after_kick says when the bot comes back", ch.Channel)
		case n.Away != "" && !n.Next.IsZero():
			return "wait for its next try, or look at its log"
		}
	}
	return "look at its log"
}

// checkRanks checks whether the bot may do what its plugins ask for.
func (c *checkup) checkRanks(status bot.Status) {
	for _, ch := range status.Channels {
		for _, l := range ch.Lacks {
			c.warn(fmt.Sprintf("ask an admin of %s for a higher rank of %s, or lower what the permission needs", ch.Channel, ch.User), "in %s %s", ch.Channel, l)
		}
	}
}

func (c *checkup) checkBot(ctx context.Context) {
	if !c.client.Running {
		c.warn("rosey run", "no bot runs on the store")
		return
	}
	statuses, err := bot.QueryStatuses(ctx, c.client.Conn)
	switch {
	case len(statuses) > 0: // what others did not answer in time is not theirs
	case c.settings.External():
		c.warn("rosey run --nats …", "no bot answers on the server")
		return
	default:
		c.fail("look at its log, and start it again", "a process holds the store and does not answer: %v", err)
		return
	}
	c.bot = &statuses[0]
	for _, status := range statuses {
		for _, ch := range status.Channels {
			if !slices.ContainsFunc(c.bot.Channels, func(o bot.ChannelStatus) bool { return o.Site == ch.Site && o.Channel == ch.Channel }) {
				c.bot.Channels = append(c.bot.Channels, ch)
			}
		}
		c.checkRanks(status)
		who := fmt.Sprintf("pid %d", status.PID)
		if len(statuses) > 1 {
			who += " on " + status.Host
		}
		switch n := len(status.Channels); {
		case !status.Ready:
			advice := c.channelAdvice(status)
			if c.settings.External() && strings.Contains(status.Problem, jsapi.ErrFull.Error()) {
				advice = "make room on the servers' disks, raise max_file in the jetstream part of their configuration or the account's storage, or shorten retention"
			}
			c.fail(advice, "%s is not ready: %s", who, status.Problem)
		case n > 1:
			c.ok("%s in %d channels, for %s", who, n, status.Age())
		default:
			c.ok("%s in channel %s of %s, for %s", who, status.Channel, status.Site, status.Age())
		}
	}
}
