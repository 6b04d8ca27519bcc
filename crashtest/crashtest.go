// Package crashtest checks that nothing is lost and nothing is said twice, whatever dies. It runs the bot as real
// processes against a CyTube server of its own, types numbered commands there as users would, kills everything that can be
// killed at moments that a seed decides, waits until all is quiet, and then counts what became of each command in the
// streams and in the channels.
package crashtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/cytube/cytubetest"
	"github.com/rosey-bot/rosey/internal/retry"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/connect"
)

// Config says what to run and for how long.
type Config struct {
	Rosey    []string      // the program, with what comes before its arguments
	NATS     []string      // a program that calls ServeNATS with its last argument
	Servers  int           // how many of it run: 0 for the bot's embedded server, more than 1 for a cluster that two bots share
	Channels int           // how many channels the bot is in; 1 if 0
	Env      []string      // added to the environment of every process
	Seed     uint64        // of all that is random
	Duration time.Duration // of the typing and killing
	Plugins  bool          // type commands of the plugins that run a channel, too
	Pieces   bool          // delete consumers and buckets and damage files, too
	Soak     bool          // kill seldom, put on more load, and sample the bot's resources
	Dir      string        // for stores and logs; it must exist
	Progress io.Writer     // gets a line when the run starts
}

// The bot's account.
const (
	botName = "rosey"
	botPass = "crash"
)

// channelNames are the channels that there may be.
var channelNames = [...]string{"lounge", "movies", "music", "games", "quiet"}

const (
	startLimit = 2 * time.Minute // for everything to be ready
	drainLimit = 2 * time.Minute // for everything to become quiet at the end
)

type crash struct {
	Config
	site     *cytubetest.Server
	channels []string
	bots     []*process
	plugins  []*process
	nats     []*process
	health   []string // URLs of the servers
	streams  *reader
	soak     *soak // nil without Config.Soak
	log      *log.Logger
}

// Run types and kills for the Config's duration and reports what it counted. The error says why there is nothing to
// report; [Report.Err] says what was lost or doubled.
func Run(ctx context.Context, cfg Config) (_ *Report, err error) {
	c := &crash{Config: cfg, channels: channelNames[:min(max(cfg.Channels, 1), len(channelNames))]}
	file, err := os.Create(filepath.Join(c.Dir, "crash.log"))
	if err != nil {
		return nil, fmt.Errorf("open the log: %w", err)
	}
	defer file.Close()
	c.log = log.New(file, "", log.Ltime|log.Lmicroseconds)
	if err := c.startSite(); err != nil {
		return nil, err
	}
	defer c.site.Close()
	remote, err := c.prepare()
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(c.Progress, "%s: typing and killing for %s, seed %d, logs in %s\n", c.mode(), c.Duration, c.Seed, c.Dir)
	running, stop := context.WithCancel(ctx)
	var processes sync.WaitGroup
	defer processes.Wait()
	defer stop()
	for _, p := range c.all() {
		processes.Go(func() { p.run(running) })
	}
	r, err := c.measure(ctx, remote)
	if err != nil {
		return nil, fmt.Errorf("%w (the logs are in %s)", err, c.Dir)
	}
	return r, nil
}

func (c *crash) startSite() (err error) {
	cfg := cytubetest.Config{Accounts: []cytubetest.Account{{Name: botName, Password: botPass}}}
	for _, name := range c.channels {
		cfg.Channels = append(cfg.Channels, cytubetest.Channel{Name: name, Ranks: map[string]float64{botName: 3}, Open: true})
	}
	c.site, err = cytubetest.Start(cfg)
	return err
}

// measure types and kills once the processes are ready, and counts what came of it.
func (c *crash) measure(ctx context.Context, remote connect.Remote) (*Report, error) {
	nc, err := connect.Await(ctx, remote, startLimit)
	if err != nil {
		return nil, fmt.Errorf("reach the bot's streams: %w", err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, fmt.Errorf("open JetStream: %w", err)
	}
	bus := streams.NewBus(nc, js)
	c.streams = &reader{js: js, next: 1, recorded: map[int]bool{}}
	if err := c.awaitReady(ctx); err != nil {
		return nil, err
	}
	t, a := c.attack(ctx, bus)
	began := time.Now()
	stuck := c.drain(ctx)
	attacks := a.finish()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	drained := time.Since(began)
	e, err := c.evidence(ctx, bus, attacks)
	if err != nil {
		return nil, fmt.Errorf("read what happened: %w", err)
	}
	r := count(e)
	r.Mode, r.Seed, r.Duration, r.Held, r.Drained, r.Stuck = c.mode(), c.Seed, c.Duration, t.held, drained, stuck
	if c.soak != nil {
		if r.Soaked, err = c.soak.result(ctx, bus); err != nil {
			return nil, fmt.Errorf("read what was written: %w", err)
		}
	}
	return r, nil
}

// awaitReady waits until the bot is in its channels and the commands are registered.
func (c *crash) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	for _, name := range c.channels {
		if err := c.site.WaitUser(ctx, name, botName); err != nil {
			return fmt.Errorf("the bot did not join: %w", err)
		}
	}
	for _, plugin := range c.exercises().plugins() {
		if !until(ctx, func() bool {
			_, err := c.streams.js.Consumer(ctx, streams.Plugin, streams.Durable(plugin))
			return err == nil
		}) {
			return fmt.Errorf("plugin %s did not start", plugin)
		}
	}
	return nil
}

// attack types and kills at the same time, for the Config's duration.
func (c *crash) attack(ctx context.Context, bus *streams.Bus) (*typist, *attacker) {
	ctx, cancel := context.WithTimeout(ctx, c.Duration)
	defer cancel()
	t, a := &typist{crash: c}, &attacker{crash: c}
	var wg sync.WaitGroup
	wg.Go(func() { t.run(ctx) })
	wg.Go(func() { a.run(ctx) })
	if c.soak != nil {
		wg.Go(func() { c.soak.run(ctx, bus.Conn()) })
	}
	wg.Wait()
	return t, a
}

// drain waits until there is nothing left to do. It returns what was left after drainLimit, or "".
func (c *crash) drain(ctx context.Context) (stuck string) {
	ctx, cancel := context.WithTimeout(ctx, drainLimit)
	defer cancel()
	calm, last := 0, uint64(0)
	drained := until(ctx, func() bool {
		c.streams.poll(ctx)
		end, waiting, err := c.streams.backlog(ctx)
		switch missing := len(commands(c.site.Heard())) - len(c.streams.recorded); {
		case missing > 0:
			stuck = fmt.Sprintf("%d commands were typed that no stream holds", missing)
		case err != nil:
			stuck = err.Error()
		case waiting != "" || end != last:
			stuck = waiting
		default:
			calm++
			return calm > 10
		}
		calm, last = 0, end
		return false
	})
	if drained {
		return ""
	}
	return stuck
}

// until polls a condition; false when ctx ended first.
func until(ctx context.Context, ok func() bool) bool {
	return retry.Do(ctx, retry.Every(50*time.Millisecond), func(context.Context) error {
		if !ok() {
			return errors.New("not yet")
		}
		return nil
	}) == nil
}

// every calls do with its number from 1, until ctx ends.
func every(ctx context.Context, d time.Duration, do func(n int)) {
	for n := 1; retry.Sleep(ctx, d) == nil; n++ {
		do(n)
	}
}

// evidence gathers what the channels heard and what the streams and the database hold.
func (c *crash) evidence(ctx context.Context, bus *streams.Bus, attacks []Attack) (e evidence, err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	e = evidence{heard: c.site.Heard(), attacks: attacks}
	for _, p := range c.all() {
		e.exits = append(e.exits, p.exits()...)
	}
	var errs [3]error
	e.cytube, errs[0] = c.streams.all(ctx, streams.Cytube)
	e.plugin, errs[1] = c.streams.all(ctx, streams.Plugin)
	e.quotes, errs[2] = quotes(ctx, bus)
	return e, errors.Join(errs[:]...)
}
