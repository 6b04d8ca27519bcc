// Package cytube connects the bot to a channel of a CyTube site. It records what
// happens in the channel as the contract's cytube.* events, and speaks there what
// cytube.send.* events ask for.
package cytube

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/cytube/channel"
	"github.com/rosey-bot/rosey/cytube/internal/history"
	"github.com/rosey-bot/rosey/cytube/sender"
	"github.com/rosey-bot/rosey/cytube/socketio"
	"github.com/rosey-bot/rosey/internal/retry"
	"github.com/rosey-bot/rosey/streams"
)

// Connector keeps the bot in one channel.
type Connector struct {
	cfg Config
	bus *streams.Bus
	log *slog.Logger

	queue chan *item
	stats counters
	name  atomic.Pointer[string]
}

// queueLength is how many frames wait while NATS is away. When they are that many, the
// Connector stops reading, and the server will in time close the connection; the chat
// buffer then fills the gap as far as it goes.
const queueLength = 4096

// New returns a Connector. The streams must be open.
func New(bus *streams.Bus, cfg Config) *Connector {
	cfg = cfg.withDefaults()
	return &Connector{cfg: cfg, bus: bus.As("cytube"), log: cfg.Logger, queue: make(chan *item, queueLength)}
}

// Channel returns the name of the channel, as the server spells it.
func (c *Connector) Channel() string { return c.cfg.Channel }

// BotOf returns the name of the bot that was last in a channel, perhaps that of another
// process, "" if none was.
func BotOf(ctx context.Context, js jetstream.JetStream, channel string) (string, error) {
	return Bots(js)(ctx, channel)
}

// Bots returns BotOf for many calls, which opens the bucket once.
func Bots(js jetstream.JetStream) func(ctx context.Context, channel string) (string, error) {
	reader := history.New(js, "")
	return func(ctx context.Context, channel string) (string, error) {
		c, _, err := reader.CheckpointOf(ctx, strings.ToLower(channel))
		return c.Bot, err
	}
}

// Channels returns the names of the channels that the bots of a store were in.
func Channels(ctx context.Context, js jetstream.JetStream) ([]string, error) {
	return history.Channels(ctx, js)
}

// IsBot reports whether a user of a channel is this connector's bot. Case is no
// difference to CyTube.
func (c *Connector) IsBot(name, user string) bool {
	return strings.EqualFold(name, c.cfg.Channel) && channel.SameName(user, c.self())
}

// self returns the bot's name, as the server spells it once the bot has joined.
func (c *Connector) self() string {
	if p := c.name.Load(); p != nil {
		return *p
	}
	return c.cfg.User
}

// Run joins the channel, records what happens and speaks what is sent, until ctx ends;
// then it finishes what is under way and returns nil. It reconnects to the site and to
// NATS. With a lease it is in the channel only while it holds that. It returns a
// *PermanentError if trying again is of no use, and another error if the connection to
// NATS was closed. Run may be called again after it has returned.
func (c *Connector) Run(ctx context.Context) error {
	if c.cfg.User == "" {
		return &PermanentError{Problem: "the bot has no name", Advice: "set its user name"}
	}
	// The recording outlasts the lease: giving up the right to speak is not giving up
	// what was heard.
	recording, stopRecording := context.WithCancel(context.WithoutCancel(ctx))
	defer stopRecording()
	recorded := make(chan struct{})
	go func() {
		defer close(recorded)
		c.record(recording)
	}()
	err := c.cfg.Hold(ctx, func(ctx context.Context) error {
		lost, err := c.stay(ctx)
		if !lost && !c.flush(recording) { // before the next holder joins
			stopRecording()
		}
		return err
	})
	timer := time.AfterFunc(drainTimeout, stopRecording)
	defer timer.Stop()
	_ = c.push(recording, item{last: true})
	<-recorded
	c.discard(ctx)
	return err
}

// stay is in the channel until ctx ends. It reports whether that was because the lease
// was lost.
func (c *Connector) stay(ctx context.Context) (lost bool, err error) {
	// What stops first needs what stops last: the sender the session, for the echo that
	// it waits for, and the session the recorder.
	speaking, stopSpeaking := context.WithCancel(ctx)
	defer stopSpeaking()
	connected, disconnect := context.WithCancel(context.WithoutCancel(ctx))
	defer disconnect()
	s := c.newSender()
	r := c.newRecorder(s)
	stopping := func() {
		if !c.cfg.MaySpeak() { // the lease is lost: another process joins now
			r.lost.Store(true)
			disconnect()
		}
	}
	defer context.AfterFunc(ctx, stopping)()
	c.away(ctx)
	if c.push(speaking, item{recorder: r}) != nil {
		return false, nil
	}
	var session sync.WaitGroup
	// The sender has its consumer before the bot joins: the bot's other senders, and those
	// of other bots, refuse sends to a channel without one.
	spoken := c.openOutbox(speaking, s)
	if spoken == nil && speaking.Err() == nil {
		session.Go(func() {
			err = c.keepConnected(connected)
			stopSpeaking()
		})
		spoken = c.keepSpeaking(speaking, s.Run)
	}
	if ctx.Err() != nil {
		stopping()
	}
	disconnect()
	session.Wait()
	c.away(ctx)
	if err == nil {
		err = spoken
	}
	return r.lost.Load(), err
}

// away notes that the bot is not in the channel, of which the recorder learns once it
// has recorded what came before.
func (c *Connector) away(ctx context.Context) {
	c.stats.count(func(s *Stats) { s.Connected = false })
	c.cfg.Observer.Connected(ctx, c.cfg.Channel, false)
}

func (c *Connector) newSender() *sender.Sender {
	cfg := c.cfg.Config
	cfg.Self, cfg.Observer = c.self, c.cfg.Observer
	cfg.Inspect = c.inspect
	cfg.FramesPending = func() bool { return len(c.queue) > 0 }
	cfg.Count = func(update func(*sender.Stats)) { c.stats.count(func(s *Stats) { update(&s.Stats) }) }
	return sender.New(c.bus, cfg)
}

func (c *Connector) newRecorder(s *sender.Sender) *recorder {
	return &recorder{
		channel: c.cfg.Channel, bus: c.bus, state: channel.New(c.cfg.Channel), sender: s, history: history.New(c.bus.JetStream(), c.cfg.Channel),
		log: c.log, stats: &c.stats, observe: c.cfg.Observer, recent: newRecentLines(), unknown: map[string]bool{},
	}
}

// openOutbox opens the channel's outbox. It returns nil if ctx ends, and an error if the
// connection to NATS is closed.
func (c *Connector) openOutbox(ctx context.Context, s *sender.Sender) error {
	policy := retry.Policy{Operation: "open outbox", Logger: c.log, If: func(error) bool { return !c.bus.Conn().IsClosed() }}
	err := retry.Do(ctx, policy, s.Open)
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// keepSpeaking runs the sender until ctx ends.
func (c *Connector) keepSpeaking(ctx context.Context, run func(context.Context) error) error {
	err := retry.Do(ctx, retry.Policy{
		Initial: 500 * time.Millisecond, Max: time.Minute, ResetAfter: time.Minute,
		If: func(error) bool { return ctx.Err() == nil && !c.bus.Conn().IsClosed() },
		Notify: func(err error, wait time.Duration) {
			c.log.WarnContext(ctx, "sender stopped, restarting", "channel", c.cfg.Channel, "in", wait.Round(time.Millisecond), "error", err)
		},
	}, run)
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("speak in %s: %w", c.cfg.Channel, nats.ErrConnectionClosed)
	}
	return nil
}

// duplicateWindow is longer than two bots need to disconnect each other once.
const duplicateWindow = 5 * time.Minute

// keepConnected has one session after another until ctx ends or a failure is permanent.
func (c *Connector) keepConnected(ctx context.Context) error {
	var duplicate time.Time           // of the latest login elsewhere
	var pause, slowdown time.Duration // the latest wait, and what the latest failure adds to it
	guest := c.cfg.Password == ""
	err := retry.Do(ctx, retry.Policy{
		Initial: c.cfg.RetryMin, Max: c.cfg.RetryMax,
		If: func(err error) bool { return ctx.Err() == nil && !errors.As(err, new(*PermanentError)) },
		Notify: func(err error, wait time.Duration) {
			pause = wait
			c.stats.away(err, time.Now().Add(wait+slowdown))
			c.log.WarnContext(ctx, "not in channel, reconnecting", "channel", c.cfg.Channel, "in", (wait + slowdown).Round(time.Millisecond), "error", err)
		},
	}, func(ctx context.Context) error {
		if err := retry.Sleep(ctx, slowdown); err != nil {
			return err
		}
		joined, lasted, err := c.attempt(ctx, guest)
		err = c.cfg.kickVerdict(err)
		if errors.Is(err, errDuplicate) {
			if !duplicate.IsZero() && time.Since(duplicate) < duplicateWindow {
				return &PermanentError{
					Problem: "the account " + c.cfg.User + " was logged in elsewhere twice within a few minutes, and the server keeps one connection of an account only",
					Advice:  "stop the other bot or browser that uses it, or give this bot an account of its own",
				}
			}
			duplicate = time.Now()
		}
		var slow *slowError
		if slowdown = 0; errors.As(err, &slow) {
			slowdown = cmp.Or(slow.wait, c.cfg.RetrySlow)
		}
		if guest && !joined && slow != nil && slow.wait > 0 && strings.Contains(err.Error(), "Guest logins") {
			c.cfg.JoinLimiter.refusedGuest(c.cfg.Site, slow.wait)
		}
		// The chat buffer of a busy channel reaches back for less than a minute: a bot
		// whose connection breaks again and again must not stay away longer each time.
		if joined && lasted > pause {
			return retry.After(err, c.cfg.RetryMin)
		}
		return err
	})
	if ctx.Err() != nil {
		return nil
	}
	if err != nil {
		c.stats.away(err, time.Time{})
	}
	return err
}

// attempt has one session, and returns how long it lasted. A site that cannot be reached takes
// none of the connections that the JoinLimiter allows: there would be none left when it is back.
func (c *Connector) attempt(ctx context.Context, guest bool) (joined bool, lasted time.Duration, err error) {
	url, err := socketio.Discover(ctx, c.cfg.HTTPClient, c.cfg.Site, c.cfg.Channel)
	if err != nil {
		return false, 0, connectError(err)
	}
	if err := c.cfg.JoinLimiter.wait(ctx, c.cfg.Site, guest); err != nil {
		return false, 0, err
	}
	began := time.Now()
	joined, err = c.session(ctx, url)
	return joined, time.Since(began), err
}

// push hands an item to the recorder. It blocks while the queue is full.
func (c *Connector) push(ctx context.Context, it item) error {
	if it.joined != "" {
		c.name.Store(&it.joined)
	}
	it.at = time.Now()
	select {
	case c.queue <- &it:
		return nil
	default:
	}
	select {
	case c.queue <- &it:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
