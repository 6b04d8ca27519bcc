package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// sameStop is how long after a signal to stop another is part of it: timeout(1)
// and service managers send theirs to a process and at once to its group again.
const sameStop = time.Second

// interruptible returns a context that ends at the first Ctrl-C or SIGTERM, which
// it says on stderr. A later one ends the process at once.
func interruptible(ctx context.Context, stderr io.Writer) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	done := make(chan struct{})
	go func() {
		defer close(done)
		handleSignals(ctx, signals, stderr, cancel, func() { os.Exit(exitFailed) })
	}()
	return ctx, func() {
		signal.Stop(signals)
		cancel()
		close(signals)
		<-done
	}
}

// errInterrupted makes the command exit with 1 when a signal ended it, of which the
// user knows.
var errInterrupted = errors.New("interrupted")

// quietly, deferred, makes as of an error that says no more than that a signal
// ended ctx. The database's answers are errors in their words alone.
func suppressCanceled(ctx context.Context, err *error, as error) {
	if ctx.Err() != nil && *err != nil && strings.Contains((*err).Error(), context.Canceled.Error()) {
		*err = as
	}
}

// obey calls stop at the first signal, and exit at one that is not part of the
// first, until ctx ends without a signal or there are no more signals.
func handleSignals(ctx context.Context, signals <-chan os.Signal, stderr io.Writer, stop, exit func()) {
	select {
	case _, open := <-signals:
		if !open {
			return // the command has ended, which also ended ctx
		}
	case <-ctx.Done():
		return
	}
	first := time.Now()
	fmt.Fprintln(stderr, "rosey: stopping; once more to stop at once")
	stop()
	for range signals {
		if time.Since(first) >= sameStop {
			exit()
		}
	}
}
