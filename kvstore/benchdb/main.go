// Benchdb measures the database service beside raw NATS KV and SQLite, in one
// process and on the same data. It is a module of its own, so that SQLite is not
// among the bot's dependencies. Tables in Markdown go to stdout, progress to
// stderr.
package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"
)

type settings struct {
	sizes  []int
	ops    int           // of one contender in one round
	rounds int           // at most
	budget time.Duration // for one comparison, once it has had minRounds
	dir    string
	log    io.Writer
}

func (s settings) progress(format string, args ...any) {
	fmt.Fprintf(s.log, "%s "+format+"\n", append([]any{time.Now().Format(time.TimeOnly)}, args...)...)
}

func main() {
	s := settings{log: os.Stderr}
	sizes := flag.String("sizes", "1000,100000,1000000", "numbers of `RECORDS` to query, in ascending order")
	flag.IntVar(&s.ops, "ops", 300, "`N` operations of each contender in a round")
	flag.IntVar(&s.rounds, "rounds", 25, "at most `N` rounds of each comparison")
	flag.DurationVar(&s.budget, "budget", 20*time.Second, "begin no round of a comparison after this `TIME`")
	flag.StringVar(&s.dir, "dir", "", "put the throw-away stores below `DIR` (default: the system's temporary directory)")
	flag.Parse()
	for size := range strings.SplitSeq(*sizes, ",") {
		n, err := strconv.Atoi(size)
		if err != nil || n < matching || flag.NArg() > 0 {
			fmt.Fprintf(os.Stderr, "benchdb: -sizes takes numbers of %d or more, with commas between them, not %q\n", matching, size)
			os.Exit(2)
		}
		s.sizes = append(s.sizes, n)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, s, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "benchdb:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, s settings, w io.Writer) error {
	fmt.Fprintf(w, "%s\n\n", machine())
	if err := records(ctx, s, w); err != nil {
		return err
	}
	var grown []growth
	for _, n := range s.sizes {
		g, err := queries(ctx, s, n, w)
		if err != nil {
			return fmt.Errorf("%d records: %w", n, err)
		}
		grown = append(grown, g)
		debug.FreeOSMemory()
	}
	printGrowth(w, grown)
	fmt.Fprintf(w, "Load average at the end: %s.\n", loadAverage())
	return nil
}

func machine() string {
	model := "unknown CPU"
	if f, err := os.Open("/proc/cpuinfo"); err == nil {
		defer f.Close()
		for lines := bufio.NewScanner(f); lines.Scan(); {
			if name, value, _ := strings.Cut(lines.Text(), ":"); strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	return fmt.Sprintf("%d cores (%s), %s/%s, %s. Load average at the start: %s.", runtime.NumCPU(), model, runtime.GOOS, runtime.GOARCH, runtime.Version(), loadAverage())
}

func loadAverage() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	first, _, _ := strings.Cut(string(text), " ")
	return first
}
