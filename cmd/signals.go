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

// sameStop is how long after the first signal another is part of the same stop: timeout(1)
// and service managers signal a process and then its group.
const sameStop = time.Second

// interruptible returns a context that ends at the first Ctrl-C or SIGTERM, which it
// prints on stderr. A later signal ends the process at once.
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

// onHangup calls do at each SIGHUP, which no longer ends the process, until the function
// that it returns is called.
func onHangup(do func()) (stop func()) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGHUP)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range signals {
			do()
		}
	}()
	return func() {
		signal.Stop(signals)
		close(signals)
		<-done
	}
}

// onBrokenPipe makes a write to a pipe that nobody reads fail, as head leaves one, until the
// function that it returns is called. Otherwise the process would end at once, and leave its
// store as a crash does.
func onBrokenPipe() (stop func()) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGPIPE)
	return func() { signal.Stop(signals) }
}

// errInterrupted makes the command exit with 1 without a message, after a signal.
var errInterrupted = errors.New("interrupted")

// suppressCanceled, deferred, replaces an error that only says that a signal ended ctx.
// The database's errors are canceled in their text alone.
func suppressCanceled(ctx context.Context, err *error, as error) {
	if ctx.Err() != nil && *err != nil && strings.Contains((*err).Error(), context.Canceled.Error()) {
		*err = as
	}
}

// handleSignals calls stop at the first signal, and exit at one that is not part of the
// same stop, until ctx ends without a signal or signals is closed.
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
