// Package bottest runs a whole bot with plugins in a test, against a CyTube server that
// speaks the real protocol, with users who type and read. The bot is a process of its own
// with a store on disk, which can be killed at any time.
//
//	func TestMain(m *testing.M) { bottest.Main(m, New()) }
//
//	func TestAdd(t *testing.T) {
//		w := bottest.Start(t)
//		alice := w.Join("alice")
//		alice.Says("!add https://youtu.be/abcdefghijk")
//		w.Hears("^alice: ✅ ")
//	}
package bottest

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/bot"
	"github.com/rosey-bot/rosey/consumers/pluginsettings"
	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/cytube/cytubetest"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/client"
	"github.com/rosey-bot/rosey/internal/retry"
	"github.com/rosey-bot/rosey/replay"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

const (
	// BotName is the bot's name on the site.
	BotName = "Rosey"
	// Channel is the name of the channel, unless a test has others.
	Channel = "lounge"

	password = "secret" // of all accounts

	waitLimit = 2 * time.Minute // how long a test waits for anything
)

// Users who have an account, with their ranks in the channels; others join as guests.
var ranks = map[string]float64{BotName: 3, "owner": 4, "admin": 3, "mod": 2, "alice": 1, "bob": 1, "carol": 1}

// World is a site, a bot in its channels, and users who join. Its methods are about one of the channels.
type World struct {
	Site    *cytubetest.Server
	Context context.Context // ends with the test, or when it takes too long
	Channel string

	t testing.TB
	*instance
	listener *User // in the channel, without a name
}

// instance is the bot that the worlds of all of its channels share.
type instance struct {
	options options
	bot     *process
	client  *client.Client // nil while none is connected
	starts  int
}

// Channels replaces the channel of a site by some that are like it.
func Channels(names ...string) func(*cytubetest.Config) {
	return func(c *cytubetest.Config) {
		like := c.Channels[0]
		c.Channels = nil
		for _, name := range names {
			like.Name, like.Ranks = name, maps.Clone(like.Ranks)
			c.Channels = append(c.Channels, like)
		}
	}
}

// SiteConfig returns the site of the tests: accounts of rank 1 (alice, bob, carol), 2 (mod), 3
// (admin and the bot) and 4 (owner), and a channel whose playlist is open.
func SiteConfig() cytubetest.Config {
	c := cytubetest.Config{Channels: []cytubetest.Channel{{Name: Channel, Ranks: map[string]float64{}, Open: true}}}
	for name, rank := range ranks {
		c.Accounts = append(c.Accounts, cytubetest.Account{Name: name, Password: password})
		if rank > 1 {
			c.Channels[0].Ranks[name] = rank
		}
	}
	return c
}

// Start starts a site and a bot in all of its channels, and returns when the bot is there and its plugins
// run. Both end with the test. Functions change the site before. The World is that of the first channel.
func Start(t testing.TB, change ...func(*cytubetest.Config)) *World {
	t.Helper()
	config := SiteConfig()
	for _, c := range change {
		c(&config)
	}
	w := &World{t: t, Context: streamstest.Context(t), instance: &instance{}}
	var err error
	w.Site, err = cytubetest.Start(config)
	w.ok(err)
	t.Cleanup(w.Site.Close)
	w.options = options{Store: t.TempDir(), Site: w.Site.URL(), Password: passwordFile(t)}
	for _, c := range config.Channels {
		w.options.Channels = append(w.options.Channels, c.Name)
	}
	w.enter(w.options.Channels[0])
	t.Cleanup(func() {
		w.close()
		w.bot.end(syscall.SIGKILL)
	})
	w.Restart()
	return w
}

// In returns the World of another of the bot's channels for a test of its own, such as a subtest. Those of several
// tests may be used at once, unless one of them ends the bot.
func (w *World) In(t testing.TB, channel string) *World {
	t.Helper()
	in := &World{Site: w.Site, Context: streamstest.Context(t), t: t, instance: w.instance}
	in.enter(channel)
	return in
}

// enter makes a channel that of the World.
func (w *World) enter(channel string) {
	w.t.Helper()
	w.Channel = channel
	listener, err := cytubetest.Join(w.Context, w.Site.URL(), channel, "", "")
	w.ok(err)
	w.t.Cleanup(listener.Close)
	w.listener = &User{User: listener, w: w}
}

// Restart starts the bot again after Kill or Stop, and returns when it is in its channels.
func (w *World) Restart() {
	w.t.Helper()
	p := w.launch()
	w.bot = p
	ctx, cancel := context.WithTimeout(w.Context, waitLimit)
	defer cancel()
	go func() {
		select {
		case <-p.ended: // it failed
			cancel()
		case <-ctx.Done():
		}
	}()
	for _, name := range w.options.Channels {
		w.ok(w.Site.WaitUser(ctx, name, BotName))
	}
	w.starts++
	w.until("the plugins to start", func() bool { return len(w.Stored("platform.startup")) >= w.starts })
}

// KillAt acts, kills the bot when it writes a frame of a name to the channel because of that, such as queue, and
// starts it again. The server did what the frame asks for, or did not, and the bot learns nothing of it.
func (w *World) KillAt(frame string, done bool, act func()) {
	w.t.Helper()
	w.Site.Refuse("Rate limit exceeded") // it must not come back before it is killed
	w.Site.Cut(w.Channel, BotName, frame, done)
	act()
	ctx, cancel := context.WithTimeout(w.Context, waitLimit)
	defer cancel()
	if err := w.Site.WaitGone(ctx, w.Channel, BotName); err != nil {
		w.t.Fatalf("the bot wrote no %s, but said %q", frame, w.BotLines())
	}
	w.Kill()
	w.Site.Refuse("")
	w.Restart()
}

// Set changes a setting of a plugin or of one of its commands in a channel, as rosey settings
// set does.
func (w *World) Set(channel, plugin, key, value string) {
	w.t.Helper()
	c := w.connect()
	registered, err := router.List(w.Context, c.JS)
	w.ok(err)
	store, err := pluginsettings.Open(w.Context, c.JS, 1)
	w.ok(err)
	_, err = router.Configure(w.Context, c.Bus, store, registered, router.Setting{Plugin: plugin, Channel: channel, Key: key, Text: value, By: "test"})
	w.ok(err)
	w.awaitSetting(plugin)
}

// SetTexts sets texts of a plugin in a channel, all at once.
func (w *World) SetTexts(channel, plugin string, texts map[string]string) {
	w.t.Helper()
	c := w.connect()
	store, err := pluginsettings.Open(w.Context, c.JS, 1)
	w.ok(err)
	values := map[string]json.RawMessage{}
	for key, text := range texts {
		values[key], err = json.Marshal(text)
		w.ok(err)
	}
	_, err = store.Apply(w.Context, c.Bus, pluginsettings.Update{Plugin: plugin, Channel: channel, Values: values, By: "test"})
	w.ok(err)
	w.awaitSetting(plugin)
}

// awaitSetting waits until a plugin that listens to settings has handled the last event of one,
// and so has it in force.
func (w *World) awaitSetting(plugin string) {
	w.t.Helper()
	platform, err := w.connect().JS.Stream(w.Context, streams.Platform)
	w.ok(err)
	durable := streams.Durable(plugin)
	listener, err := platform.Consumer(w.Context, durable)
	if errors.Is(err, jetstream.ErrConsumerNotFound) || err == nil && !streams.MatchesFilter(listener.CachedInfo().Config, event.SubjectSettings) {
		return
	}
	w.ok(err)
	last, err := platform.GetLastMsgForSubject(w.Context, event.SubjectSettings)
	w.ok(err)
	w.until("the setting to be in force", func() bool {
		c, err := platform.Consumer(w.Context, durable)
		return err == nil && c.CachedInfo().AckFloor.Stream >= last.Sequence
	})
}

// Stored returns the stored events that a pattern matches, but for those of other channels.
func (w *World) Stored(pattern string) (all []streams.Stored) {
	w.t.Helper()
	for e, err := range replay.Read(w.Context, w.connect().JS, replay.Query{Filter: replay.Filter{Subjects: []string{pattern}}}) {
		w.ok(err)
		if e.Header.Get(jetstream.ScheduleHeader) != "" {
			continue // a timer that has not fired
		}
		s, err := e.Decode()
		w.ok(err)
		var of struct{ Channel string }
		if len(w.options.Channels) > 1 && json.Unmarshal(s.Data, &of) == nil && of.Channel != "" && !strings.EqualFold(of.Channel, w.Channel) {
			continue
		}
		all = append(all, s)
	}
	return all
}

// Await waits until an event is stored that a pattern matches and ok, if it is not nil,
// accepts, and returns it.
func (w *World) Await(pattern string, ok func(streams.Stored) bool) (found streams.Stored) {
	w.t.Helper()
	w.until(pattern, func() bool {
		for _, s := range w.Stored(pattern) {
			if ok == nil || ok(s) {
				found = s
				return true
			}
		}
		return false
	})
	return found
}

// Request sends a request to a plugin or service and returns its reply.
func (w *World) Request(subject string, payload any) ([]byte, error) {
	w.t.Helper()
	return w.connect().Bus.Request(w.Context, subject, payload)
}

// Publish stores an event.
func (w *World) Publish(subject string, payload any) {
	w.t.Helper()
	e, err := event.New(subject, payload)
	w.ok(err)
	_, err = w.connect().Bus.Publish(w.Context, e)
	w.ok(err)
}

// Until waits for a condition, which is looked at often, and after a while less so: each look
// may read all events.
func (w *World) Until(what string, ok func() bool) {
	w.t.Helper()
	w.until(what, ok)
}

func (w *World) until(what string, ok func() bool) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.Context, waitLimit)
	defer cancel()
	err := retry.Do(ctx, retry.Policy{Initial: 20 * time.Millisecond, Max: 250 * time.Millisecond}, func(context.Context) error {
		if !ok() {
			return errors.New("not yet")
		}
		return nil
	})
	if err != nil {
		w.t.Fatalf("%s did not come: %v", what, err)
	}
}

// connect returns a client of the bot that runs.
func (w *World) connect() *client.Client {
	w.t.Helper()
	if w.client == nil {
		s := bot.DefaultSettings()
		s.Store = w.options.Store
		c, err := client.Await(w.Context, s, "test", slog.New(slog.DiscardHandler), client.ServerTimeout)
		w.ok(err)
		w.client = c
	}
	return w.client
}

func (w *World) close() {
	if w.client != nil {
		_ = w.client.Close()
		w.client = nil
	}
}

func (w *World) ok(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}
