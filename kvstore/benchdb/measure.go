package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"syscall"
	"time"
)

// A contender does one thing; i counts what it has done before.
type contender struct {
	name string
	do   func(ctx context.Context, i int) error
}

// A comparison holds contenders against the first of them.
type comparison struct {
	what       string
	ops        int // of each contender in a round
	contenders []contender
}

// minRounds are made whatever time they take.
const minRounds = 5

// A figure is what one contender took, compared with the first.
type figure struct {
	name   string
	took   time.Duration // of one operation, median of the rounds
	cpu    time.Duration // the same of processor time, the server's included
	speed  float64       // the first's time by this one's, median of the rounds
	lo, hi float64       // the middle half of the speeds
	thrift float64       // speed by processor time
}

// run has the contenders take turns, another one first in each round, and
// compares each with the first of the list in the same round: other work on the
// machine slows down both.
func (c comparison) run(ctx context.Context, s settings) ([]figure, error) {
	took, cpu := make([][]float64, len(c.contenders)), make([][]float64, len(c.contenders)) // s, by contender and round
	began := time.Now()
	for round := range s.rounds {
		if round >= minRounds && time.Since(began) > s.budget {
			break
		}
		for turn := range c.contenders {
			k := (round + turn) % len(c.contenders)
			used, started := processorTime(), time.Now()
			for i := range c.ops {
				if err := c.contenders[k].do(ctx, round*c.ops+i); err != nil {
					return nil, fmt.Errorf("%s, %s: %w", c.what, c.contenders[k].name, err)
				}
			}
			took[k] = append(took[k], time.Since(started).Seconds()/float64(c.ops))
			cpu[k] = append(cpu[k], (processorTime()-used).Seconds()/float64(c.ops))
		}
	}
	figures := make([]figure, len(c.contenders))
	for k, contender := range c.contenders {
		speeds, thrifts := paired(took[0], took[k]), paired(cpu[0], cpu[k])
		figures[k] = figure{
			name: contender.name, took: time.Duration(quantile(took[k], 0.5) * 1e9), cpu: time.Duration(quantile(cpu[k], 0.5) * 1e9),
			speed: quantile(speeds, 0.5), lo: quantile(speeds, 0.25), hi: quantile(speeds, 0.75), thrift: quantile(thrifts, 0.5),
		}
	}
	s.progress("%s: %d rounds in %s", c.what, len(took[0]), time.Since(began).Round(100*time.Millisecond))
	return figures, nil
}

// paired divides what was measured in the same round.
func paired(a, b []float64) []float64 {
	out := make([]float64, len(a))
	for i := range a {
		out[i] = a[i] / b[i]
	}
	return out
}

func quantile(v []float64, q float64) float64 {
	sorted := slices.Sorted(slices.Values(v))
	return sorted[int(q*float64(len(sorted)-1)+0.5)]
}

// processorTime is what this process has used so far.
func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func micros(d time.Duration) string { return fmt.Sprintf("%.1f", float64(d.Nanoseconds())/1e3) }

func printHead(w io.Writer) {
	fmt.Fprintln(w, "| what | by | us | processor us | speed | middle half | speed by processor time |\n|---|---|---|---|---|---|---|")
}

func printFigures(w io.Writer, what string, figures []figure) {
	for i, f := range figures {
		if i > 0 {
			what = ""
		}
		fmt.Fprintf(w, "| %s | %s | %s | %s | %.2f | %.2f to %.2f | %.2f |\n", what, f.name, micros(f.took), micros(f.cpu), f.speed, f.lo, f.hi, f.thrift)
	}
}
