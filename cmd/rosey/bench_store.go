package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/urfave/cli/v2"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

// errNotMeasurable is what a measure returns that this machine does not allow.
var errNotMeasurable = errors.New("not measurable on this machine")

// fullFactor is how many times the usual number of events a full store holds.
const fullFactor = 48

// fullStore fills a store as a bot that ran for long would have, with events
// that no consumer waits for. It is made once.
func (b *bench) fullStore(ctx context.Context) (dir string, err error) {
	if b.full != "" {
		return b.full, nil
	}
	if dir, err = os.MkdirTemp(b.dir, "rosey-bench-full-"); err != nil {
		return "", fmt.Errorf("make a store: %w", err)
	}
	b.full = dir
	server, err := streams.StartServer(streams.ServerConfig{Store: dir})
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, server.Stop()) }()
	nc, err := server.Connect()
	if err != nil {
		return "", err
	}
	defer nc.Close()
	js, err := streams.JetStream(nc)
	if err != nil {
		return "", err
	}
	if err := streams.Open(ctx, js, streams.Options{}); err != nil {
		return "", err
	}
	show, done := progressLine(b.stderr, "filling a store: event")
	defer done()
	n := b.n * fullFactor
	for i := range n {
		e, err := event.New(event.SubjectUserJoin, event.UserJoin{User: "user" + strconv.Itoa(i%1000), Channel: "bench", Rank: 1, Time: int64(i)})
		if err != nil {
			return "", err
		}
		e.CorrelationID = event.NewCorrelationID()
		e.Metadata = map[string]any{event.MetaSource: "cytube"}
		body, err := e.MarshalJSON()
		if err != nil {
			return "", err
		}
		msg := &nats.Msg{Subject: e.Subject, Data: body, Header: nats.Header{streams.HeaderCorrelation: {e.CorrelationID}}}
		if _, err := js.PublishMsgAsync(msg, jetstream.WithStallWait(10*time.Second)); err != nil {
			return "", fmt.Errorf("fill a store: %w", err)
		}
		if i%10_000 == 0 {
			show(i, n)
		}
	}
	select {
	case <-js.PublishAsyncComplete():
		return dir, nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

func (b *bench) close() {
	if b.full != "" {
		_ = os.RemoveAll(b.full)
	}
}

// benchStoredSize measures what one chat line takes in the store: as the event
// that the bot keeps, and as its bare payload.
func benchStoredSize(ctx context.Context, b *bench) (ours, raw float64, err error) {
	on, err := b.node(ctx)
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, on.stop()) }()
	e, err := chatEnvelope(strings.Repeat("words ", 12))
	if err != nil {
		return 0, 0, err
	}
	const lines = 1000
	stored := func(publish func() error) (float64, error) {
		stream, err := on.bare.Stream(ctx, streams.Cytube)
		if err != nil {
			return 0, err
		}
		before := stream.CachedInfo().State.Bytes
		for range lines {
			if err := publish(); err != nil {
				return 0, err
			}
		}
		info, err := stream.Info(ctx)
		if err != nil {
			return 0, err
		}
		return float64(info.State.Bytes-before) / lines, nil
	}
	if ours, err = stored(func() error { _, err := on.bus.Publish(ctx, e); return err }); err != nil {
		return 0, 0, err
	}
	raw, err = stored(func() error { _, err := on.bare.Publish(ctx, e.Subject, e.Data); return err })
	return ours, raw, err
}

func benchIdleMemory(ctx context.Context, b *bench) (ours, raw float64, err error) {
	dir, err := os.MkdirTemp(b.dir, "rosey-bench-idle-")
	if err != nil {
		return 0, 0, fmt.Errorf("make a store: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	return b.memory(ctx, dir)
}

func benchFullMemory(ctx context.Context, b *bench) (ours, raw float64, err error) {
	dir, err := b.fullStore(ctx)
	if err != nil {
		return 0, 0, err
	}
	return b.memory(ctx, dir)
}

// memory is what a bot and what a bare server on the store hold resident, in MB.
func (b *bench) memory(ctx context.Context, dir string) (ours, raw float64, err error) {
	for _, m := range []struct {
		into  *float64
		start func(context.Context, string) (*child, error)
	}{{&ours, startBot}, {&raw, startBare}} {
		c, err := m.start(ctx, dir)
		if err != nil {
			return 0, 0, err
		}
		*m.into, err = c.resident(ctx)
		if err := errors.Join(err, c.stop()); err != nil {
			return 0, 0, err
		}
	}
	return ours, raw, nil
}

// restarts is how often either is started; the median counts.
const restarts = 5

// benchRestart measures how long it takes from the start of the process until
// the bot is ready, on a store that is full, and a bare server likewise.
func benchRestart(ctx context.Context, b *bench) (ours, raw float64, err error) {
	dir, err := b.fullStore(ctx)
	if err != nil {
		return 0, 0, err
	}
	var took [2][]float64
	for range restarts {
		for i, start := range []func(context.Context, string) (*child, error){startBot, startBare} {
			c, err := start(ctx, dir)
			if err != nil {
				return 0, 0, err
			}
			took[i] = append(took[i], c.ready.Seconds())
			if err := c.stop(); err != nil {
				return 0, 0, err
			}
		}
	}
	return median(took[0]), median(took[1]), nil
}

// child is this program as another process, until its standard input ends.
type child struct {
	cmd   *exec.Cmd
	stdin io.Closer
	ready time.Duration // from its start
}

// startBot starts a bot with a local room on a store and waits until it is ready.
func startBot(ctx context.Context, dir string) (*child, error) {
	// An empty file keeps the user's own configuration out.
	settings := filepath.Join(dir, "bench.yaml")
	if err := os.WriteFile(settings, nil, 0o600); err != nil {
		return nil, fmt.Errorf("start a bot: %w", err)
	}
	return startChild(ctx, func(ctx context.Context, _ io.Reader) error {
		return until(ctx, func() bool {
			c, err := connect(ctx, config{Store: dir}, "rosey bench", slog.New(slog.DiscardHandler))
			if err != nil {
				return false
			}
			status, err := askStatus(ctx, c)
			return errors.Join(err, c.close()) == nil && status.Ready
		})
	}, "run", "--local", "--store", dir, "--config", settings)
}

// startBare starts a bare server on a store and waits until it has its streams.
func startBare(ctx context.Context, dir string) (*child, error) {
	return startChild(ctx, func(_ context.Context, stdout io.Reader) error {
		_, err := bufio.NewReader(stdout).ReadString('\n')
		return err
	}, "bench", bareServerCommand().Name, "--store", dir)
}

func startChild(ctx context.Context, ready func(context.Context, io.Reader) error, args ...string) (*child, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	cmd := exec.CommandContext(ctx, exe, args...)
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "ROSEY_") || strings.HasPrefix(v, "ROSEY_TEST") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	c := &child{cmd: cmd, stdin: stdin}
	started := time.Now()
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", args[0], err)
	}
	limited, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	err = ready(limited, stdout)
	c.ready = time.Since(started)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("wait for %s: %w", args[0], err), c.stop())
	}
	return c, nil
}

// stop ends the child's input, upon which it ends by itself.
func (c *child) stop() error {
	_ = c.stdin.Close()
	if err := c.cmd.Wait(); err != nil {
		return fmt.Errorf("%s: %w", strings.Join(c.cmd.Args[1:3], " "), err)
	}
	return nil
}

// settleTime is how long a process is left alone before its memory is read.
const settleTime = 5 * time.Second

// resident is the child's resident memory in MB.
func (c *child) resident(ctx context.Context) (float64, error) {
	select {
	case <-time.After(settleTime):
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.cmd.Process.Pid))
	if err != nil {
		return 0, errNotMeasurable
	}
	for line := range strings.Lines(string(status)) {
		var kB float64
		if _, err := fmt.Sscanf(line, "VmRSS: %f kB", &kB); err == nil {
			return kB / 1024, nil
		}
	}
	return 0, errNotMeasurable
}

// bareServerCommand is what the bot is held against: a NATS server and nothing else.
func bareServerCommand() *cli.Command {
	return &cli.Command{
		Name:   "bare-server",
		Usage:  "serve a store until standard input ends, for bench itself",
		Hidden: true,
		Action: func(c *cli.Context) (err error) {
			server, err := streams.StartServer(streams.ServerConfig{Store: c.String("store"), Listen: "127.0.0.1:0"})
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, server.Stop()) }()
			fmt.Fprintln(c.App.Writer, "ready")
			_, err = io.Copy(io.Discard, c.App.Reader)
			return err
		},
	}
}
