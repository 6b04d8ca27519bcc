// Package cytube connects the bot to a channel of a CyTube site. What happens in
// the channel becomes the contract's cytube.* events, and what cytube.send.*
// events ask for is spoken there.
package cytube

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/nats-io/nats.go"

	"github.com/rosey-bot/rosey/consumers"
	"github.com/rosey-bot/rosey/cytube/socketio"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/retry"
	"github.com/rosey-bot/rosey/streams"
)

// Config says where the bot goes and as whom. Durations and numbers that are 0
// have the defaults given with them.
type Config struct {
	Site            string // for example https://cytu.be
	Channel         string
	ChannelPassword string // of a channel that wants one
	User            string
	Password        string // of the user's account; a guest has none

	// MessageLimit is how long a message may be, in UTF-16 units, before it is
	// split; 240.
	MessageLimit int
	// MaxAge is the age past which a send is not spoken but recorded as expired;
	// DefaultMaxAge.
	MaxAge time.Duration
	// EchoTimeout is how long to wait for the channel to echo what was said; 10 s.
	EchoTimeout time.Duration
	// JoinTimeout is how long to wait for each answer while joining; 30 s.
	JoinTimeout time.Duration

	// RetryMin and RetryMax bound the waiting before a reconnect, which doubles
	// each time; 1 s and 1 minute. RetrySlow is the least wait after a kick or a
	// refusal that more haste would make worse; 30 s.
	RetryMin, RetryMax, RetrySlow time.Duration

	// Burst and PerSecond keep the bot from speaking faster, in lines at once and
	// lines a second, than the channel and its rank allow; 0 is no limit of the
	// bot's own.
	Burst     int
	PerSecond float64

	// Dispatched tells that a Dispatcher hands out the sends of several channels.
	// Without it the connector reads all sends itself, which only one connector on
	// the streams may do.
	Dispatched bool
	// MaySpeak is asked right before each message is written: a process that lost
	// its lease of the channel must not speak there. By default it may.
	MaySpeak func() bool
}

// DefaultMaxAge is the default of Config.MaxAge.
const DefaultMaxAge = 2 * time.Minute

// DefaultDurable is the durable consumer that reads the sends: that of the only
// channel's connector, or of the Dispatcher.
const DefaultDurable = "cytube-sender"

func (c Config) withDefaults() Config {
	c.Channel = strings.ToLower(c.Channel) // as the server does
	c.MessageLimit = cmp.Or(c.MessageLimit, 240)
	c.MaxAge = cmp.Or(c.MaxAge, DefaultMaxAge)
	c.EchoTimeout = cmp.Or(c.EchoTimeout, 10*time.Second)
	c.JoinTimeout = cmp.Or(c.JoinTimeout, 30*time.Second)
	c.RetryMin = cmp.Or(c.RetryMin, time.Second)
	c.RetryMax = cmp.Or(c.RetryMax, time.Minute)
	c.RetrySlow = cmp.Or(c.RetrySlow, 30*time.Second)
	if c.MaySpeak == nil {
		c.MaySpeak = func() bool { return true }
	}
	return c
}

// durable is the sender's durable consumer.
func (c Config) durable() string {
	if c.Dispatched {
		return SenderDurable(c.Channel)
	}
	return DefaultDurable
}

// flood is the bot's own limit.
func (c Config) flood() flood {
	if c.Burst == 0 && c.PerSecond == 0 {
		return flood{}
	}
	return newFlood(cmp.Or(float64(c.Burst), 1), cmp.Or(c.PerSecond, moderators.sustained), nil)
}

// sends are the subjects that the sender reads.
func (c Config) sends() []string {
	if c.Dispatched {
		return []string{event.OutboxSubject(c.Channel)}
	}
	return sendSubjects()
}

// accepts tells whether a send that names this channel is spoken here.
func (c Config) accepts(channel string) bool {
	return c.Dispatched || channel == "" || strings.EqualFold(channel, c.Channel)
}

// Connector keeps the bot in one channel.
type Connector struct {
	cfg         Config
	bus         *streams.Bus
	log         *slog.Logger
	observe     Observer
	outcomes    func(consumers.Outcome)
	http        *http.Client
	dialOptions []socketio.Option
	arrivals    *Arrivals

	queue chan item
	stats counters
	name  atomic.Pointer[string]
}

// Option adjusts a Connector.
type Option func(*Connector)

// WithLogger sets who is told what goes on; nobody is otherwise.
func WithLogger(l *slog.Logger) Option { return func(c *Connector) { c.log = l } }

// WithObserver sets who is told of what the Connector does; nobody is otherwise.
func WithObserver(o Observer) Option { return func(c *Connector) { c.observe = o } }

// WithOutcomes sets who is told how each send that the Connector handled ended.
func WithOutcomes(f func(consumers.Outcome)) Option { return func(c *Connector) { c.outcomes = f } }

// WithHTTPClient replaces the client that asks the site where its sockets are.
func WithHTTPClient(h *http.Client) Option { return func(c *Connector) { c.http = h } }

// WithDialOptions adds options for the websocket.
func WithDialOptions(opts ...socketio.Option) Option {
	return func(c *Connector) { c.dialOptions = append(c.dialOptions, opts...) }
}

// WithArrivals makes the Connector wait for its turn before it connects; there is
// no limit otherwise.
func WithArrivals(a *Arrivals) Option { return func(c *Connector) { c.arrivals = a } }

// queueLength is how many frames may wait while NATS is away. When it is full
// the connector stops reading, and the server will in time close the connection;
// the chat buffer then fills the gap as far as it goes.
const queueLength = 4096

// New makes a Connector. The streams must be open.
func New(bus *streams.Bus, cfg Config, opts ...Option) *Connector {
	c := &Connector{
		cfg: cfg.withDefaults(), bus: bus.As("cytube"), log: slog.New(slog.DiscardHandler), observe: nobody{}, queue: make(chan item, queueLength),
	}
	for _, o := range opts {
		o(c)
	}
	return c
}

// Channel is the name of the Connector's channel, as the server spells it.
func (c *Connector) Channel() string { return c.cfg.Channel }

// IsBot reports whether a user of a channel is this connector's bot. Names in
// another case are the same to CyTube.
func (c *Connector) IsBot(channel, user string) bool {
	return strings.EqualFold(channel, c.cfg.Channel) && sameName(user, c.self())
}

// self is the bot's name, as the server spells it once the bot was in the channel.
func (c *Connector) self() string {
	if p := c.name.Load(); p != nil {
		return *p
	}
	return c.cfg.User
}

// drainTime is how long what is under way may take once the bot must stop.
const drainTime = 5 * time.Second

// Run joins the channel, records what happens and speaks what is sent, until ctx
// ends; then it finishes what is under way and returns nil. It reconnects as
// often as it must, to the site and to NATS. It returns a *PermanentError when
// trying again would be of no use, and another error when somebody closed the
// connection to NATS. It may run again after it has ended.
func (c *Connector) Run(ctx context.Context) error {
	if c.cfg.User == "" {
		return &PermanentError{Problem: "the bot has no name", Advice: "give one with --user"}
	}
	voice, history := newVoice(c.cfg.flood()), &history{js: c.bus.JetStream(), channel: c.cfg.Channel}
	recorder := &recorder{cfg: c.cfg, bus: c.bus, room: newRoom(c.cfg.Channel), voice: voice, history: history, log: c.log,
		stats: &c.stats, observe: c.observe, recent: newRecentLines()}

	// What stops first needs what stops last: the sender the session for the
	// echo it waits for, the session the recorder.
	speaking, stopSpeaking := context.WithCancel(ctx)
	defer stopSpeaking()
	connected, disconnect := context.WithCancel(context.WithoutCancel(ctx))
	defer disconnect()
	recording, stopRecording := context.WithCancel(context.WithoutCancel(ctx))
	defer stopRecording()

	// Who may not speak any more leaves at once.
	defer context.AfterFunc(ctx, func() {
		if !c.cfg.MaySpeak() {
			disconnect()
		}
	})()

	sender := &sender{cfg: c.cfg, voice: voice, history: history, self: c.self, started: time.Now(),
		behind: func() bool { return len(c.queue) > 0 },
		stop:   speaking.Done(), log: c.log, stats: &c.stats, observe: c.observe, settled: c.outcomes}
	c.observe.Connected(ctx, c.cfg.Channel, false)
	recorded := make(chan struct{})
	go func() {
		defer close(recorded)
		recorder.run(recording, c.queue)
		c.stats.connected.Store(false)
	}()
	var err error
	var session sync.WaitGroup
	// The outbox exists before the bot joins: what is recorded in the channel may be answered at once, by a send that
	// a Dispatcher elsewhere refuses while the channel has no consumer.
	spoken := c.openOutbox(speaking, sender)
	if spoken == nil && speaking.Err() == nil {
		session.Go(func() {
			err = c.keepConnected(connected)
			stopSpeaking()
		})
		spoken = c.keepSpeaking(speaking, sender)
	}
	disconnect()
	session.Wait()

	timer := time.AfterFunc(drainTime, stopRecording)
	defer timer.Stop()
	_ = c.push(recording, item{last: true})
	<-recorded
	for len(c.queue) > 0 { // what could not be recorded is not the next run's
		<-c.queue
	}
	if err != nil {
		return err
	}
	return spoken
}

// openOutbox creates the channel's durable consumer, if the sends are dispatched. It returns nil when ctx ends, and an
// error when the connection to NATS is closed.
func (c *Connector) openOutbox(ctx context.Context, s *sender) error {
	policy := retry.Policy{Operation: "open outbox", Logger: c.log, If: func(error) bool { return !c.bus.Conn().IsClosed() }}
	err := retry.Do(ctx, policy, func(ctx context.Context) error { return s.open(ctx, c.bus) })
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// keepConnected has one session after the other until ctx ends or a failure is
// permanent.
func (c *Connector) keepConnected(ctx context.Context) error {
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval, wait.MaxInterval, wait.Multiplier = c.cfg.RetryMin, c.cfg.RetryMax, 2
	var duplicate time.Time
	var pause time.Duration
	for {
		if err := c.arrivals.wait(ctx, c.cfg.Site); err != nil {
			return nil // ctx has ended
		}
		began := time.Now()
		joined, err := c.session(ctx)
		if ctx.Err() != nil {
			return nil
		}
		var permanent *PermanentError
		if errors.As(err, &permanent) {
			return permanent
		}
		if errors.Is(err, errDuplicate) {
			if !duplicate.IsZero() && time.Since(duplicate) < duplicateWindow {
				return &PermanentError{
					Problem: "the account " + c.cfg.User + " was logged in elsewhere twice within a few minutes, and the server keeps one connection of an account only",
					Advice:  "stop the other bot or browser that uses it, or give this bot an account of its own",
				}
			}
			duplicate = time.Now()
		}
		// A room that is busy forgets within a minute what was said: who comes and
		// goes must not stay away longer each time.
		if joined && time.Since(began) > pause {
			wait.Reset()
		}
		pause = wait.NextBackOff()
		var slow *slowError
		if errors.As(err, &slow) {
			pause += cmp.Or(slow.wait, c.cfg.RetrySlow)
		}
		c.log.WarnContext(ctx, "not in the channel; will try again", "channel", c.cfg.Channel, "in", pause.Round(time.Millisecond), "error", err)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil
		}
	}
}

// duplicateWindow is longer than two bots need to send each other away once.
const duplicateWindow = 5 * time.Minute

// keepSpeaking runs the sender until ctx ends.
func (c *Connector) keepSpeaking(ctx context.Context, s *sender) error {
	wait := backoff.NewExponentialBackOff()
	for {
		err := c.finishOutbox(ctx, s)
		if err == nil {
			err = s.run(ctx, c.bus)
		}
		if ctx.Err() != nil {
			return nil
		}
		if c.bus.Conn().IsClosed() {
			return fmt.Errorf("speak in %s: %w", c.cfg.Channel, nats.ErrConnectionClosed)
		}
		pause := wait.NextBackOff()
		c.log.WarnContext(ctx, "the sender stopped; it will start again", "in", pause.Round(time.Millisecond), "error", err)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil
		}
	}
}

// push hands something to the recorder, waiting while its queue is full.
func (c *Connector) push(ctx context.Context, it item) error {
	if it.joined != "" {
		c.name.Store(&it.joined)
	}
	select {
	case c.queue <- it:
		return nil
	default:
	}
	select {
	case c.queue <- it:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
