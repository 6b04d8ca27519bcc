package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"slices"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/urfave/cli/v2"

	"github.com/rosey-bot/rosey/streams"
)

func benchCommand() *cli.Command {
	return &cli.Command{
		Name:  "bench",
		Usage: "measure this machine: what Rosey's layers cost beside bare NATS",
		Description: `Each row does one thing twice in the same process, on a fresh server with file
storage: by Rosey's own code and by bare nats.go calls. The ratio is what counts;
it stays the same where absolute figures drift. Memory and restarts are a whole
bot's beside a bare NATS server's, each a process of its own on the same store.
Exits with 1 when a goal is missed.

   rosey bench
   rosey bench --quick --output json`,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "quick", Usage: "a tenth of the work: a few seconds, less exact"},
			&cli.StringFlag{Name: "dir", Usage: "put the throw-away stores below `DIR` (default: the system's temporary directory)"},
			outputFlag(),
		},
		Action: func(c *cli.Context) error {
			ctx, stop := interruptible(c.Context, c.App.ErrWriter)
			defer stop()
			return runBench(ctx, c)
		},
		Subcommands: []*cli.Command{bareServerCommand()},
	}
}

// A measure is one row: the same work by ours and by raw. Each returns how much
// was done in a second, or with lower how long one took, in seconds.
type measure struct {
	name  string
	unit  string
	lower bool    // less is better
	goal  float64 // least ratio, or greatest with lower; 0 for none
	limit float64 // greatest figure of ours; 0 for none
	run   func(ctx context.Context, b *bench) (ours, raw float64, err error)
}

// row is what is printed of a measure.
type row struct {
	Name  string  `json:"name"`
	Unit  string  `json:"unit"`
	Ours  float64 `json:"ours"`
	Raw   float64 `json:"raw"`
	Ratio float64 `json:"ratio"`
	Goal  float64 `json:"goal,omitempty"`
	Limit float64 `json:"limit,omitempty"`
	OK    bool    `json:"ok"`
}

// bench is what measures work with.
type bench struct {
	n      int // how often to do a thing
	dir    string
	stderr io.Writer

	full string // a store of n*fullFactor events, once it was asked for
}

// rounds is how often ours and raw take turns; the median counts.
const rounds = 21

func measures() []measure {
	return []measure{
		{name: "publish", unit: "events/s", goal: 0.85, run: benchPublish(1)},
		{name: "publish_64", unit: "events/s", run: benchPublish(64)},
		{name: "request", unit: "requests/s", run: benchRequest},
		{name: "consume", unit: "events/s", run: benchConsume},
		{name: "chain_p50", unit: "s", lower: true, goal: 1.5, run: benchChainLatency(0.50)},
		{name: "chain_p99", unit: "s", lower: true, run: benchChainLatency(0.99)},
		{name: "chain", unit: "chains/s", run: benchChainThroughput},
		{name: "db_set", unit: "records/s", goal: 0.8, run: benchSet},
		{name: "db_get", unit: "records/s", goal: 0.8, run: benchGet},
		{name: "replay", unit: "events/s", goal: 0.8, run: benchReplay},
		{name: "stored_size", unit: "bytes", lower: true, run: benchStoredSize},
		{name: "idle_memory", unit: "MB", lower: true, limit: 60, run: benchIdleMemory},
		{name: "full_memory", unit: "MB", lower: true, limit: 200, run: benchFullMemory},
		{name: "full_restart", unit: "s", lower: true, run: benchRestart},
	}
}

func runBench(ctx context.Context, c *cli.Context) error {
	b := &bench{n: 21_000, dir: c.String("dir"), stderr: c.App.ErrWriter}
	defer b.close()
	if c.Bool("quick") {
		b.n = 2_100
	}
	started := time.Now()
	enc := json.NewEncoder(c.App.Writer)
	t := newTable("what", "ours", "raw", "ratio", "goal", "unit")
	var missed []string
	for _, m := range measures() {
		show, done := progressLine(c.App.ErrWriter, m.name+": round")
		show(1, rounds)
		ours, raw, err := m.run(ctx, b)
		done()
		if ctx.Err() != nil {
			return errors.New("interrupted")
		}
		if errors.Is(err, errNotMeasurable) {
			fmt.Fprintf(c.App.ErrWriter, "%s is left out: %s\n", m.name, err)
			continue
		}
		if err != nil {
			return fmt.Errorf("bench %s: %w", m.name, err)
		}
		r := row{Name: m.name, Unit: m.unit, Ours: ours, Raw: raw, Ratio: ours / raw, Goal: m.goal, Limit: m.limit, OK: true}
		if m.goal != 0 {
			r.OK = r.Ratio >= m.goal != m.lower || r.Ratio == m.goal
		}
		if m.limit != 0 {
			r.OK = r.OK && ours <= m.limit
		}
		if !r.OK {
			missed = append(missed, m.name)
		}
		if wantJSON(c) {
			if err := enc.Encode(r); err != nil {
				return fmt.Errorf("print figures: %w", err)
			}
			continue
		}
		t.AppendRow(table.Row{r.Name, figure(r.Ours, m.unit), figure(r.Raw, m.unit), fmt.Sprintf("%.2f", r.Ratio), goalText(m, r.OK), m.unit})
	}
	if wantJSON(c) {
		return errors.Join(enc.Encode(map[string]any{
			"name": "summary", "ok": len(missed) == 0, "missed": append([]string{}, missed...), "seconds": time.Since(started).Seconds(),
			"cpus": runtime.NumCPU(), "go": runtime.Version(), "version": version(),
		}), missedError(missed))
	}
	fmt.Fprintf(c.App.Writer, "%s\n\n%d CPUs, %s, %s, %s in all\n", t.Render(), runtime.NumCPU(), runtime.Version(), version(), time.Since(started).Round(time.Second))
	return missedError(missed)
}

func missedError(missed []string) error {
	if len(missed) == 0 {
		return nil
	}
	return fmt.Errorf("goals missed: %v (is the machine busy with something else?)", missed)
}

func figure(v float64, unit string) string {
	if unit == "s" {
		return time.Duration(v * float64(time.Second)).Round(100 * time.Nanosecond).String()
	}
	return fmt.Sprintf("%.0f", v)
}

func goalText(m measure, ok bool) string {
	word := "met"
	if !ok {
		word = "MISSED"
	}
	switch {
	case m.limit != 0:
		return fmt.Sprintf("ours ≤ %g %s", m.limit, word)
	case m.goal == 0:
		return ""
	case m.lower:
		return fmt.Sprintf("≤ %.2f %s", m.goal, word)
	default:
		return fmt.Sprintf("≥ %.2f %s", m.goal, word)
	}
}

// A bench node is a throw-away server with the streams open: bus is how Rosey uses
// it, and bare is a plain connection of nats.go's for what it is held against.
type benchNode struct {
	server *streams.Server
	dir    string
	bus    *streams.Bus
	bare   jetstream.JetStream
}

// node starts a throw-away server.
func (b *bench) node(ctx context.Context) (n *benchNode, err error) {
	dir, err := os.MkdirTemp(b.dir, "rosey-bench-")
	if err != nil {
		return nil, fmt.Errorf("make a store: %w", err)
	}
	n = &benchNode{dir: dir}
	if n.server, err = streams.StartServer(streams.ServerConfig{Store: dir}); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if err := n.open(ctx); err != nil {
		return nil, errors.Join(err, n.stop())
	}
	return n, nil
}

func (n *benchNode) open(ctx context.Context) error {
	js, err := n.connect()
	if err != nil {
		return err
	}
	if err := streams.Open(ctx, js, streams.Options{}); err != nil {
		return err
	}
	seal, err := streams.OpenSeal(ctx, js, 1)
	if err != nil {
		return err
	}
	n.bus = streams.NewBus(js.Conn(), js, streams.WithSeal(seal))
	n.bare, err = n.connect(nats.InProcessServer(bare{n.server}))
	return err
}

func (n *benchNode) connect(opts ...nats.Option) (jetstream.JetStream, error) {
	nc, err := n.server.Connect(opts...)
	if err != nil {
		return nil, err
	}
	return streams.JetStream(nc)
}

func (n *benchNode) stop() error {
	if n.bus != nil {
		n.bus.Conn().Close()
	}
	if n.bare != nil {
		n.bare.Conn().Close()
	}
	return errors.Join(n.server.Stop(), os.RemoveAll(n.dir))
}

// bare hands out connections as the server makes them, with nothing of ours in between.
type bare struct{ *streams.Server }

func (s bare) InProcessConn() (net.Conn, error) {
	c, err := s.Server.InProcessConn()
	if ours, ok := c.(interface{ NetConn() net.Conn }); ok {
		c = ours.NetConn()
	}
	return c, err
}

// inTurn does the same work by ours and by raw, in turns, and returns the median
// rate of each.
func inTurn(n int, ours, raw func(n int) error) (oursRate, rawRate float64, err error) {
	each := max(n/rounds, 1)
	works := []func(int) error{ours, raw}
	var rates [2][]float64
	for round := range rounds {
		for turn := range works {
			i := (round + turn) % 2 // whoever comes second finds the machine warm
			started := time.Now()
			if err := works[i](each); err != nil {
				return 0, 0, err
			}
			rates[i] = append(rates[i], float64(each)/time.Since(started).Seconds())
		}
	}
	return median(rates[0]), median(rates[1]), nil
}

func median(v []float64) float64 { return quantile(v, 0.5) }

func quantile(v []float64, q float64) float64 {
	slices.Sort(v)
	return v[min(int(q*float64(len(v))), len(v)-1)]
}
