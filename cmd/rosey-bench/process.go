package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams/connect"
	"github.com/rosey-bot/rosey/streams/embedded"
	"github.com/rosey-bot/rosey/telemetry/propagation"
)

// errNotMeasurable is returned for what this machine does not allow to measure.
var errNotMeasurable = errors.New("not measurable on this machine")

// fullFactor is how many times the usual number of events a full store holds.
const fullFactor = 48

// fullStore fills a store once, as a bot that ran for long would have, with events that no consumer has pending.
func (b *bench) fullStore(ctx context.Context) (dir string, err error) {
	if b.full != "" {
		return b.full, nil
	}
	if b.full, err = os.MkdirTemp(b.dir, "rosey-bench-full-"); err != nil {
		return "", fmt.Errorf("make a store: %w", err)
	}
	on, err := b.nodeIn(ctx, b.full)
	if err != nil {
		return "", err
	}
	err = publishAll(ctx, on.bare, b.n*fullFactor, func(i int) (*nats.Msg, error) {
		e, err := event.New(event.SubjectUserJoin, event.UserJoin{User: "user" + strconv.Itoa(i%1000), Channel: "bench", Rank: 1, Time: int64(i)})
		if err != nil {
			return nil, err
		}
		e.CorrelationID = event.NewCorrelationID()
		e.Metadata = map[string]any{event.MetaSource: "cytube"}
		body, err := e.MarshalJSON()
		return &nats.Msg{Subject: e.Subject, Data: body, Header: nats.Header{propagation.HeaderCorrelation: {e.CorrelationID}}}, err
	})
	return b.full, errors.Join(err, b.cleanup())
}

func (b *bench) removeFullStore() error {
	if b.full == "" {
		return nil
	}
	return os.RemoveAll(b.full)
}

func measureIdleMemory(ctx context.Context, b *bench) (ours, raw float64, err error) {
	dir, err := b.tempDir()
	if err != nil {
		return 0, 0, err
	}
	return b.memory(ctx, dir)
}

func measureFullMemory(ctx context.Context, b *bench) (ours, raw float64, err error) {
	dir, err := b.fullStore(ctx)
	if err != nil {
		return 0, 0, err
	}
	return b.memory(ctx, dir)
}

// memory is the resident memory of a bot and of a bare server on the store, in MB.
func (b *bench) memory(ctx context.Context, dir string) (ours, raw float64, err error) {
	var resident [2]float64
	for i, start := range []func(context.Context, string) (*process, error){b.startBot, b.startBare} {
		p, err := start(ctx, dir)
		if err != nil {
			return 0, 0, err
		}
		resident[i], err = p.residentMB(ctx)
		if err := errors.Join(err, p.stop()); err != nil {
			return 0, 0, err
		}
	}
	return resident[0], resident[1], nil
}

// restarts is how often either is started; the median counts.
const restarts = 5

// measureRestart is the time from the start of the process until the bot is ready on a full store, and a bare server.
func measureRestart(ctx context.Context, b *bench) (ours, raw float64, err error) {
	dir, err := b.fullStore(ctx)
	if err != nil {
		return 0, 0, err
	}
	var took [2][]float64
	for range restarts {
		for i, start := range []func(context.Context, string) (*process, error){b.startBot, b.startBare} {
			p, err := start(ctx, dir)
			if err != nil {
				return 0, 0, err
			}
			took[i] = append(took[i], p.ready.Seconds())
			if err := p.stop(); err != nil {
				return 0, 0, err
			}
		}
	}
	return quantile(took[0], 0.5), quantile(took[1], 0.5), nil
}

// process is a program that runs until its standard input ends.
type process struct {
	cmd   *exec.Cmd
	stdin io.Closer
	ready time.Duration // from its start
}

// startBot starts a bot with a local room on a store and waits until it is ready.
func (b *bench) startBot(ctx context.Context, dir string) (*process, error) {
	// An empty settings file keeps the user's own out.
	settings := filepath.Join(dir, "bench.yaml")
	if err := os.WriteFile(settings, nil, 0o600); err != nil {
		return nil, fmt.Errorf("start a bot: %w", err)
	}
	ready := func(ctx context.Context, _ io.Reader) error {
		return poll(ctx, func() bool { return botReady(ctx, dir) })
	}
	return start(ctx, ready, b.rosey, "run", "--local", "--store", dir, "--config", settings)
}

func botReady(ctx context.Context, store string) bool {
	nc, err := connect.Await(ctx, connect.Remote{Store: store, Name: "rosey-bench"}, 0)
	if err != nil {
		return false
	}
	defer nc.Close()
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	reply, err := nc.RequestWithContext(ctx, "rosey.status", nil)
	var status struct{ Ready bool }
	return err == nil && json.Unmarshal(reply.Data, &status) == nil && status.Ready
}

const bareServer = "bare-server"

// startBare starts a bare server on a store and waits until it has recovered the streams.
func (b *bench) startBare(ctx context.Context, dir string) (*process, error) {
	ready := func(_ context.Context, stdout io.Reader) error {
		_, err := bufio.NewReader(stdout).ReadString('\n')
		return err
	}
	return start(ctx, ready, b.self, bareServer, dir)
}

// serveBare is the other process of startBare: a NATS server and nothing else.
func serveBare(store string) (err error) {
	server, err := embedded.Start(embedded.Config{Store: store, Listen: "127.0.0.1:0"})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Stop()) }()
	fmt.Println("ready")
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

func start(ctx context.Context, ready func(context.Context, io.Reader) error, program string, args ...string) (*process, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "ROSEY_") {
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
	p := &process{cmd: cmd, stdin: stdin}
	started := time.Now()
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", program, err)
	}
	limited, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	err = ready(limited, stdout)
	p.ready = time.Since(started)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("wait for %s: %w", program, err), p.stop())
	}
	return p, nil
}

// stop ends the process's input, upon which it exits.
func (p *process) stop() error {
	_ = p.stdin.Close()
	if err := p.cmd.Wait(); err != nil {
		return fmt.Errorf("%s: %w", p.cmd.Args[0], err)
	}
	return nil
}

// residentMB is the process's resident memory after it was left alone for a while.
func (p *process) residentMB(ctx context.Context) (float64, error) {
	select {
	case <-time.After(5 * time.Second):
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
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
