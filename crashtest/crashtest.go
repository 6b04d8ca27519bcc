// Package crashtest proves that nothing is lost and nothing is said twice,
// whatever dies. It runs the bot as real processes against a room server of its
// own, types numbered commands there as users would, kills everything that can
// be killed at moments that a seed decides, waits until all is quiet, and then
// counts what became of each command in the streams and in the room.
package crashtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/cytube/cytubetest"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/connect"
)

// Config says what to run and for how long.
type Config struct {
	Rosey    []string      // the program, with what comes before its arguments
	NATS     []string      // a program that calls ServeNATS with its last two arguments; without one the bot's embedded server is used
	Cluster  string        // the nats-server program instead, of which three make a cluster that two bots share
	Channels int           // how many channels the bot is in; 1 when 0
	Env      []string      // added to the environment of every process
	Seed     uint64        // of all that is random
	Duration time.Duration // of the typing and killing
	Soak     bool          // kill seldom, put on more load, and watch what the bot takes
	Dir      string        // for stores and logs; it must exist
	Progress io.Writer     // is told what goes on
}

// Names in the rooms.
const (
	botName = "rosey"
	botPass = "crash"
)

// channelNames are the channels that there may be.
var channelNames = [...]string{"lounge", "movies", "music", "games", "quiet"}

// settleLimit is how long everything may take to be ready at first.
const settleLimit = 2 * time.Minute

// drainLimit is how long everything may take to become quiet at the end.
const drainLimit = 2 * time.Minute

// crash is one run.
type crash struct {
	Config
	room     *cytubetest.Server
	channels []string
	bots     []*process
	plugins  []*process
	nats     []*process // none in embedded mode, three in a cluster
	health   []string   // where the servers of a cluster say whether they are well
	streams  *reader
	soak     *soak  // nil without Config.Soak
	share    *share // nil without Config.Cluster
	log      *logbook
}

// Run types and kills for the Config's duration and reports what it counted. The
// error says why there is nothing to report; that something was lost or doubled
// is for [Report.Err] to say.
func Run(ctx context.Context, cfg Config) (*Report, error) {
	c := &crash{Config: cfg, channels: channelNames[:min(max(cfg.Channels, 1), len(channelNames))]}
	var err error
	if c.log, err = openLogbook(filepath.Join(c.Dir, "crash.log")); err != nil {
		return nil, err
	}
	defer c.log.close()
	site := cytubetest.Config{Accounts: []cytubetest.Account{{Name: botName, Password: botPass}}}
	for _, name := range c.channels {
		site.Channels = append(site.Channels, cytubetest.Channel{Name: name, Ranks: map[string]float64{botName: 2}})
	}
	c.room, err = cytubetest.Start(site)
	if err != nil {
		return nil, err
	}
	defer c.room.Close()
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
	nc, err := connect.Await(ctx, remote, time.Minute)
	if err != nil {
		return nil, fmt.Errorf("reach the bot's streams: %w (the logs are in %s)", err, c.Dir)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, fmt.Errorf("open JetStream: %w", err)
	}
	c.streams = &reader{js: js}
	if err := c.settle(ctx); err != nil {
		return nil, err
	}
	t, a := c.attack(ctx, nc)
	began := time.Now()
	stuck := c.drain(ctx)
	blows := a.finish()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	drained := time.Since(began)
	e, err := c.evidence(ctx, nc, blows)
	if err != nil {
		return nil, fmt.Errorf("read what happened: %w (the logs are in %s)", err, c.Dir)
	}
	r := count(e)
	r.Mode, r.Seed, r.Duration, r.Held, r.Drained, r.Stuck = c.mode(), c.Seed, c.Duration, t.held, drained, stuck
	if c.share != nil {
		r.Shared = c.share.counts()
	}
	if c.soak != nil {
		if r.Soaked, err = c.soak.result(ctx, streams.NewBus(nc, js)); err != nil {
			return nil, fmt.Errorf("read what was written: %w (the logs are in %s)", err, c.Dir)
		}
	}
	return r, nil
}

func (c *crash) mode() string {
	mode := "embedded NATS"
	switch {
	case c.Cluster != "":
		mode = "cluster of 3, 2 bots"
	case len(c.NATS) > 0:
		mode = "external NATS"
	}
	if n := len(c.channels); n > 1 {
		mode += fmt.Sprintf(", %d channels", n)
	}
	return mode
}

// prepare describes the processes and says where the streams will be.
func (c *crash) prepare() (connect.Remote, error) {
	remote := connect.Remote{Name: "crash"}
	where := []string{"--store", filepath.Join(c.Dir, "store")}
	bots := 1
	switch {
	case c.Cluster != "":
		urls, err := c.cluster()
		if err != nil {
			return remote, err
		}
		remote.URL, bots = urls, 2
		where = []string{"--nats", urls}
	case len(c.NATS) > 0:
		// The server comes back on one port, which clients of its are told once.
		address, err := freeAddress()
		if err != nil {
			return remote, err
		}
		remote.URL = "nats://" + address
		where = []string{"--nats", remote.URL}
		c.nats = []*process{{name: "nats", args: join(c.NATS, address, filepath.Join(c.Dir, "nats")), log: c.log}}
	default:
		remote.Store = where[1]
	}
	if c.Soak {
		address, err := freeAddress()
		if err != nil {
			return remote, err
		}
		c.soak = &soak{crash: c, metrics: address}
	}
	settings := filepath.Join(c.Dir, "rosey.yaml")
	if err := os.WriteFile(settings, []byte(c.settings()), 0o600); err != nil {
		return remote, fmt.Errorf("write the settings: %w", err)
	}
	where = append(where, "--config", settings, "--log-level", "debug")
	for i := range bots {
		c.bots = append(c.bots, &process{name: numberedName("bot", i, bots), log: c.log, args: join(c.Rosey, join(where, "run", "--plugins", "quote-db")...)})
	}
	for i := range 2 {
		c.plugins = append(c.plugins, &process{name: numberedName("plugin", i, 2), log: c.log,
			args: join(c.Rosey, join(where, "plugin", "run", "dice-roller")...)})
	}
	for _, p := range c.all() {
		p.dir = c.Dir
		p.env = join(os.Environ(), "HOME="+c.Dir, "XDG_STATE_HOME="+c.Dir, "XDG_CONFIG_HOME="+c.Dir, "ROSEY_PASSWORD="+botPass)
		p.env = append(p.env, c.Env...)
	}
	return remote, nil
}

// settings are the bots' settings file.
func (c *crash) settings() string {
	text := fmt.Sprintf("site: %s\nuser: %s\n", c.room.URL(), botName)
	if c.soak != nil {
		text += "metrics: " + c.soak.metrics + "\n"
	}
	switch {
	case c.Cluster != "":
		text += "replicas: 3\n"
	case len(c.NATS) > 0:
		// One server has no leader to choose, and the bot that is killed comes back
		// as another that must wait for its term.
		text += "lease_term: 2s\n"
	}
	if len(c.channels) == 1 {
		return text + "channel: " + c.channels[0] + "\n"
	}
	text += "channels:\n"
	for _, name := range c.channels {
		text += "  - channel: " + name + "\n"
	}
	return text
}

func numberedName(name string, i, of int) string {
	if of == 1 {
		return name
	}
	return name + "-" + strconv.Itoa(i+1)
}

func (c *crash) all() []*process { return slices.Concat(c.nats, c.bots, c.plugins) }

// settle waits until the bot is in the room and both kinds of command are
// registered.
func (c *crash) settle(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, settleLimit)
	defer cancel()
	for _, name := range c.channels {
		if err := c.room.WaitUser(ctx, name, botName); err != nil {
			return fmt.Errorf("the bot did not come: %w (the logs are in %s)", err, c.Dir)
		}
	}
	for _, durable := range []string{"plugin-dice-roller", "plugin-quote-db"} {
		err := until(ctx, func() bool {
			_, err := c.streams.js.Consumer(ctx, streams.Plugin, durable)
			return err == nil
		})
		if err != nil {
			return fmt.Errorf("%s did not start: %w (the logs are in %s)", durable, err, c.Dir)
		}
	}
	return nil
}

// attack types and kills at the same time, for the Config's duration.
func (c *crash) attack(ctx context.Context, nc *nats.Conn) (*typist, *attacker) {
	ctx, cancel := context.WithTimeout(ctx, c.Duration)
	defer cancel()
	t := &typist{crash: c}
	a := &attacker{crash: c}
	var wg sync.WaitGroup
	wg.Go(func() { t.run(ctx) })
	wg.Go(func() { a.run(ctx) })
	if c.soak != nil {
		wg.Go(func() { c.soak.run(ctx, nc) })
	}
	if c.Cluster != "" {
		c.share = &share{nc: nc}
		wg.Go(func() { c.share.run(ctx) })
	}
	wg.Wait()
	return t, a
}

// drain waits until the room is quiet because there is nothing left to do. It
// returns what there was left at the end of its patience.
func (c *crash) drain(ctx context.Context) (stuck string) {
	ctx, cancel := context.WithTimeout(ctx, drainLimit)
	defer cancel()
	calm, last := 0, uint64(0)
	err := until(ctx, func() bool {
		c.streams.poll(ctx)
		if missing := len(commands(c.room.Heard())) - c.streams.recorded(); missing > 0 {
			stuck = fmt.Sprintf("%d commands were typed that no stream holds", missing)
			calm = 0
			return false
		}
		end, waiting, err := c.streams.work(ctx)
		if err != nil || waiting != "" || end != last {
			stuck = waiting
			if err != nil {
				stuck = err.Error()
			}
			calm, last = 0, end
			return false
		}
		calm++
		return calm > 10
	})
	if err == nil {
		return ""
	}
	return stuck
}

// freeAddress is an address that nobody listens on.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	return l.Addr().String(), l.Close()
}

func join(list []string, more ...string) []string {
	return append(append([]string(nil), list...), more...)
}

// until waits for a condition.
func until(ctx context.Context, ok func() bool) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// pause waits, for d or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// evidence gathers what the room heard and what the streams and the database
// hold.
func (c *crash) evidence(ctx context.Context, nc *nats.Conn, blows []Blow) (e evidence, err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	e = evidence{heard: c.room.Heard(), blows: blows}
	for _, p := range c.all() {
		e.exits = append(e.exits, p.exits()...)
	}
	var errs [3]error
	e.cytube, errs[0] = c.streams.all(ctx, streams.Cytube)
	e.plugin, errs[1] = c.streams.all(ctx, streams.Plugin)
	e.quotes, errs[2] = quotes(ctx, streams.NewBus(nc, c.streams.js))
	return e, errors.Join(errs[:]...)
}
