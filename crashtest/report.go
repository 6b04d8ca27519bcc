package crashtest

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// Report is what a run counted.
type Report struct {
	Mode     string
	Seed     uint64
	Duration time.Duration
	Held     time.Duration // how long the typist waited for what was typed to be recorded
	Drained  time.Duration // how long everything took to become quiet
	Stuck    string        // what did not

	Sent    int // commands that the site accepted
	Handled int // of these, those that reached their plugin
	Replies int // of these, those that were answered
	Heard   int // of these, those whose answer the channel heard

	Longest   time.Duration // that a command waited until its answer was heard
	LongestAt time.Time     // when it was typed

	Lost            []string
	DoubledInStream []string
	DoubledOnWire   int
	Explained       []string // by an attack between a line and the record of its echo
	Unexplained     []string
	False           []string // answers that were heard and are recorded as not delivered
	Strange         []string // whatever else should not be
	Exits           []string // processes that ended without being killed
	Kills           map[Kind]int

	Soaked *Soaked // nil unless it was a soak
}

// strange records what should not be.
func (r *Report) strange(format string, args ...any) {
	r.Strange = append(r.Strange, fmt.Sprintf(format, args...))
}

// Err returns what is wrong, or nil when each command was answered once.
func (r *Report) Err() error {
	var errs []error
	complain := func(what string, list []string) {
		if len(list) > 0 {
			errs = append(errs, fmt.Errorf("%s: %d", what, len(list)))
		}
	}
	complain("lost", r.Lost)
	complain("doubled in stream", r.DoubledInStream)
	complain("doubled on the wire without a crash between a line and its echo", r.Unexplained)
	complain("recorded falsely", r.False)
	complain("strange", r.Strange)
	complain("processes that ended by themselves", r.Exits)
	if r.Stuck != "" {
		errs = append(errs, fmt.Errorf("not done within %s: %s", drainLimit, r.Stuck))
	}
	if r.Soaked != nil {
		errs = append(errs, r.Soaked.Err())
	}
	if r.Sent == 0 {
		errs = append(errs, errors.New("no command was typed"))
	}
	return errors.Join(errs...)
}

// Print writes the report for people.
func (r *Report) Print(w io.Writer) {
	fmt.Fprintf(w, "%s, seed %d: %s of typing and killing, quiet after %s\n", r.Mode, r.Seed, r.Duration, r.Drained.Round(100*time.Millisecond))
	row := func(what string, n int, note string) {
		fmt.Fprintf(w, "  %-20s %5d  %s\n", what, n, note)
	}
	row("commands sent", r.Sent, fmt.Sprintf("accepted by the site; the typist held back for %s, with %d of them unrecorded or %d unanswered:\n%31sa channel sends those who join its last 15 lines, and no more can be recovered", r.Held.Round(100*time.Millisecond), ahead, behind, ""))
	row("commands handled", r.Handled, "given to their plugin")
	row("replies in stream", r.Replies, "")
	row("replies heard", r.Heard, "")
	row("lost", len(r.Lost), "")
	row("doubled in stream", len(r.DoubledInStream), "")
	row("doubled on the wire", r.DoubledOnWire, fmt.Sprintf("%d explained by a crash between a line and the record of its echo", len(r.Explained)))
	row("recorded falsely", len(r.False), "")
	var kills []string
	total := 0
	for _, k := range kinds {
		if n := r.Kills[k]; n > 0 {
			kills = append(kills, fmt.Sprintf("%s %d", k, n))
			total += n
		}
	}
	row("kills", total, strings.Join(kills, ", "))
	fmt.Fprintf(w, "  %-20s %5s  from the typing to the answer, of what was typed at %s\n", "longest wait", r.Longest.Round(100*time.Millisecond), r.LongestAt.Format(clock))
	list := func(what string, items []string) {
		for _, item := range items {
			fmt.Fprintf(w, "  %s: %s\n", what, item)
		}
	}
	list("lost", r.Lost)
	list("doubled in stream", r.DoubledInStream)
	list("explained", r.Explained)
	list("UNEXPLAINED", r.Unexplained)
	list("FALSE", r.False)
	list("strange", r.Strange)
	list("ended by itself", r.Exits)
	if r.Soaked != nil {
		r.Soaked.Print(w)
	}
	if err := r.Err(); err != nil {
		fmt.Fprintf(w, "  FAILED: %s\n", strings.ReplaceAll(err.Error(), "\n", "; "))
		return
	}
	fmt.Fprintln(w, "  PASSED: each command was answered once")
}
