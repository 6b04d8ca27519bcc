// Command rosey-bench measures what Rosey's layers cost beside bare NATS. Each row does the same work twice in one
// process, on a fresh server with file storage: through Rosey's code and through bare nats.go calls. The ratio counts;
// it holds where absolute figures drift. Memory and restarts compare a whole bot with a bare NATS server, each a process
// of its own on the same store. It exits with 1 when a goal is missed.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"syscall"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"golang.org/x/term"
)

// A measurement is one row: the same work done by ours and by raw. Both figures are in unit, a rate unless lower is set.
type measurement struct {
	name  string
	unit  string
	lower bool    // less is better
	goal  float64 // least ratio, or greatest with lower; 0 for none
	limit float64 // greatest figure of ours; 0 for none
	run   func(b *bench) (ours, raw float64)
}

var measurements = []measurement{
	{name: "publish", unit: "events/s", goal: 0.85, run: measurePublish(1)},
	{name: "publish_64", unit: "events/s", run: measurePublish(64)},
	{name: "request", unit: "requests/s", run: measureRequest},
	{name: "consume", unit: "events/s", run: measureConsume},
	{name: "chain_p50", unit: "s", lower: true, goal: 1.5, run: measureChainLatency(0.50)},
	{name: "chain_p99", unit: "s", lower: true, run: measureChainLatency(0.99)},
	{name: "chain", unit: "chains/s", run: measureChainThroughput},
	{name: "db_set", unit: "records/s", goal: 0.8, run: measureSet},
	{name: "db_get", unit: "records/s", goal: 0.8, run: measureGet},
	{name: "replay", unit: "events/s", goal: 0.8, run: measureReplay},
	{name: "stored_size", unit: "bytes", lower: true, run: measureStoredSize},
	{name: "idle_memory", unit: "MB", lower: true, limit: 60, run: measureIdleMemory},
	{name: "full_memory", unit: "MB", lower: true, limit: 200, run: measureFullMemory},
	{name: "full_restart", unit: "s", lower: true, run: measureRestart},
}

// row is the printed form of a measurement.
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

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := command(ctx); err != nil {
		fmt.Fprintf(os.Stderr, "rosey-bench: %s\n", err)
		os.Exit(1)
	}
}

func command(ctx context.Context) error {
	if len(os.Args) == 3 && os.Args[1] == bareServer {
		return serveBare(os.Args[2])
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	quick := flag.Bool("quick", false, "do a tenth of the work: a few seconds, less exact")
	dir := flag.String("dir", "", "put the throw-away stores below `DIR` instead of the system's temporary directory")
	output := flag.String("output", "text", "text or json")
	only := flag.String("only", "", "make only the measurements whose names match the regular expression `RE`")
	profile := flag.String("cpuprofile", "", "write a CPU profile to `FILE`")
	rosey := flag.String("rosey", filepath.Join(filepath.Dir(self), "rosey"), "the bot's program `FILE`, whose memory and restarts are measured")
	flag.Parse()
	if flag.NArg() > 0 || *output != "text" && *output != "json" {
		flag.Usage()
		os.Exit(2)
	}
	names, err := regexp.Compile(*only)
	if err != nil {
		return fmt.Errorf("-only: %w", err)
	}
	if *profile != "" {
		stop, err := profileTo(*profile)
		if err != nil {
			return err
		}
		defer stop()
	}
	b := &bench{ctx: ctx, n: 21_000, dir: *dir, rosey: *rosey, self: self, only: names}
	if *quick {
		b.n = 2_100
	}
	return b.run(os.Stdout, *output == "json")
}

// profileTo starts a CPU profile, which stop completes.
func profileTo(file string) (stop func(), err error) {
	f, err := os.Create(file)
	if err != nil {
		return nil, fmt.Errorf("write a CPU profile: %w", err)
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, fmt.Errorf("write a CPU profile: %w", err)
	}
	return func() { pprof.StopCPUProfile(); _ = f.Close() }, nil
}

// run makes every measurement and prints its row as it is done, as JSON, or a table at the end.
func (b *bench) run(w io.Writer, asJSON bool) (err error) {
	defer func() { err = errors.Join(err, b.removeFullStore()) }()
	started := time.Now()
	enc := json.NewEncoder(w)
	t := table.NewWriter()
	t.AppendHeader(table.Row{"what", "ours", "raw", "ratio", "goal", "unit"})
	missed := []string{}
	for _, m := range measurements {
		if !b.only.MatchString(m.name) {
			continue
		}
		if term.IsTerminal(int(os.Stderr.Fd())) {
			fmt.Fprintf(os.Stderr, "\r%s\x1b[K\r", m.name)
		}
		ours, raw, err := b.do(m.run)
		if errors.Is(err, errNotMeasurable) {
			fmt.Fprintf(os.Stderr, "%s is left out: %s\n", m.name, err)
			continue
		}
		if err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		r := m.row(ours, raw)
		if !r.OK {
			missed = append(missed, m.name)
		}
		if asJSON {
			if err := enc.Encode(r); err != nil {
				return fmt.Errorf("print figures: %w", err)
			}
		}
		t.AppendRow(table.Row{r.Name, figure(r.Ours, m.unit), figure(r.Raw, m.unit), fmt.Sprintf("%.2f", r.Ratio), m.verdict(r.OK), m.unit})
	}
	if asJSON {
		err = enc.Encode(map[string]any{
			"name": "summary", "ok": len(missed) == 0, "missed": missed, "seconds": time.Since(started).Seconds(),
			"cpus": runtime.NumCPU(), "go": runtime.Version(), "version": version(),
		})
	} else {
		_, err = fmt.Fprintf(w, "%s\n\n%d CPUs, %s, %s, %s in all\n", t.Render(), runtime.NumCPU(), runtime.Version(), version(), time.Since(started).Round(time.Second))
	}
	if err == nil && len(missed) > 0 {
		err = fmt.Errorf("goals missed: %v (is the machine busy with something else?)", missed)
	}
	return err
}

func (m measurement) row(ours, raw float64) row {
	r := row{Name: m.name, Unit: m.unit, Ours: ours, Raw: raw, Ratio: ours / raw, Goal: m.goal, Limit: m.limit, OK: true}
	switch {
	case m.limit != 0:
		r.OK = ours <= m.limit
	case m.goal != 0 && m.lower:
		r.OK = r.Ratio <= m.goal
	case m.goal != 0:
		r.OK = r.Ratio >= m.goal
	}
	return r
}

// verdict is the goal and whether it is met, or "" without a goal.
func (m measurement) verdict(ok bool) string {
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

func figure(v float64, unit string) string {
	if unit == "s" {
		return time.Duration(v * float64(time.Second)).Round(100 * time.Nanosecond).String()
	}
	return fmt.Sprintf("%.0f", v)
}

func version() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		return cmp.Or(info.Main.Version, "(devel)")
	}
	return "(devel)"
}
