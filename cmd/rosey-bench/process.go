package main

import (
	"bufio"
	"bytes"
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
	"github.com/rosey-bot/rosey/internal/retry"
	"github.com/rosey-bot/rosey/streams/connect"
	"github.com/rosey-bot/rosey/streams/embedded"
	"github.com/rosey-bot/rosey/telemetry/propagation"
)

// errNotMeasurable is returned for what this machine does not allow to measure.
var errNotMeasurable = errors.New("not measurable on this machine")

// fullFactor is how many times the usual number of events a full store holds.
const fullFactor = 48

// fullStore fills a store once, as a bot that ran for long would have, with events that no consumer reads.
func (b *bench) fullStore() string {
	if b.full != "" {
		return b.full
	}
	b.full = must(os.MkdirTemp(b.dir, "rosey-bench-full-"))
	on := b.node(b.full)
	b.publishAll(on.bare, b.n*fullFactor, func(i int) *nats.Msg {
		e, _ := envelope(event.SubjectUserRank, event.UserRank{User: "user" + strconv.Itoa(i%1000), Channel: "bench", Rank: 1, Time: int64(i)})
		e.Metadata = map[string]any{event.MetaSource: "cytube"}
		return &nats.Msg{Subject: e.Subject, Data: must(e.MarshalJSON()), Header: nats.Header{propagation.HeaderCorrelation: {e.CorrelationID}}}
	})
	check(b.cleanup())
	return b.full
}

func (b *bench) removeFullStore() error {
	if b.full == "" {
		return nil
	}
	return os.RemoveAll(b.full)
}

func measureIdleMemory(b *bench) (ours, raw float64) { return b.memory(b.tempDir()) }

func measureFullMemory(b *bench) (ours, raw float64) { return b.memory(b.fullStore()) }

// memory is the resident memory of a bot and of a bare server on the store, in MB.
func (b *bench) memory(dir string) (ours, raw float64) {
	var resident [2]float64
	for i, start := range b.both() {
		p := start(dir)
		resident[i] = p.residentMB(b.ctx)
		check(p.stop())
	}
	return resident[0], resident[1]
}

// both start a bot and a bare server on a store.
func (b *bench) both() [2]func(store string) *process {
	return [...]func(string) *process{b.startBot, b.startBare}
}

// restarts is how often either is started; the median counts.
const restarts = 5

// measureRestart is the time from the start of the process until the bot is ready on a full store, and a bare server.
func measureRestart(b *bench) (ours, raw float64) {
	dir := b.fullStore()
	var took [2][]float64
	for range restarts {
		for i, start := range b.both() {
			p := start(dir)
			took[i] = append(took[i], p.ready.Seconds())
			check(p.stop())
		}
	}
	return quantile(took[0], 0.5), quantile(took[1], 0.5)
}

// process is a program that runs until its standard input ends.
type process struct {
	cmd   *exec.Cmd
	stdin io.Closer
	log   bytes.Buffer
	ready time.Duration // from its start
}

// startBot starts a bot with a local room on a store and waits until it is ready.
func (b *bench) startBot(dir string) *process {
	// An empty settings file keeps the user's own out.
	settings := filepath.Join(dir, "bench.yaml")
	check(os.WriteFile(settings, nil, 0o600))
	ready := func(ctx context.Context, _ io.Reader) error {
		return poll(ctx, func() bool { return botReady(ctx, dir) })
	}
	return b.start(ready, b.rosey, "run", "--local", "--store", dir, "--config", settings)
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
func (b *bench) startBare(dir string) *process {
	ready := func(_ context.Context, stdout io.Reader) error {
		_, err := bufio.NewReader(stdout).ReadString('\n')
		return err
	}
	return b.start(ready, b.self, bareServer, dir)
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

func (b *bench) start(ready func(context.Context, io.Reader) error, program string, args ...string) *process {
	cmd := exec.CommandContext(b.ctx, program, args...)
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "ROSEY_") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	p := &process{cmd: cmd, stdin: must(cmd.StdinPipe())}
	cmd.Stderr = &p.log
	stdout := must(cmd.StdoutPipe())
	started := time.Now()
	check(cmd.Start())
	limited, cancel := context.WithTimeout(b.ctx, time.Minute)
	defer cancel()
	err := ready(limited, stdout)
	p.ready = time.Since(started)
	if err != nil {
		check(errors.Join(fmt.Errorf("wait for %s: %w", program, err), p.stop()))
	}
	return p
}

// stop ends the process's input, upon which it exits.
func (p *process) stop() error {
	_ = p.stdin.Close()
	if err := p.cmd.Wait(); err != nil {
		return fmt.Errorf("%s: %w\n%s", p.cmd.Args[0], err, p.log.String())
	}
	return nil
}

// residentMB is the process's resident memory after it was left alone for a while.
func (p *process) residentMB(ctx context.Context) (mb float64) {
	check(retry.Sleep(ctx, 5*time.Second))
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	for line := range strings.Lines(string(status)) {
		if _, err := fmt.Sscanf(line, "VmRSS: %f kB", &mb); err == nil {
			return mb / 1024
		}
	}
	_ = p.stop()
	panic(failure{errNotMeasurable})
}
