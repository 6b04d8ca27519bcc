package cmd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// timeout(1) sends SIGTERM to a process and to its group: that is one stop. What
// comes later means it.
func TestOneStopMayBeTwoSignals(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		signals, exits := make(chan os.Signal, 2), 0
		var stderr bytes.Buffer
		go handleSignals(ctx, signals, &stderr, cancel, func() { exits++ })
		signals <- syscall.SIGTERM
		signals <- syscall.SIGTERM
		synctest.Wait()
		if ctx.Err() == nil || exits != 0 || strings.Count(stderr.String(), "once more to stop at once\n") != 1 {
			t.Errorf("after two signals at once: context %v, %d exits, %q", ctx.Err(), exits, stderr.String())
		}
		time.Sleep(sameStop)
		signals <- syscall.SIGTERM
		synctest.Wait()
		if exits != 1 {
			t.Errorf("after another one: %d exits", exits)
		}
		close(signals)
	})
}

func TestNoSignalNoStop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var stderr bytes.Buffer
		go handleSignals(ctx, make(chan os.Signal), &stderr, func() { t.Error("stopped") }, func() { t.Error("ended") })
		cancel()
		synctest.Wait()
		if stderr.Len() > 0 {
			t.Errorf("%q", stderr.String())
		}
	})
}

// A command that ends by itself, and so ends its context and its signals, was not
// told to stop.
func TestEndIsNoSignal(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	signals := make(chan os.Signal)
	close(signals)
	var stderr bytes.Buffer
	for range 100 { // which of the two is seen first is up to chance
		handleSignals(ctx, signals, &stderr, func() {}, func() {})
	}
	if stderr.Len() > 0 {
		t.Errorf("%q", stderr.String())
	}
}

// That a signal ended it is no error of a command, and what went wrong before is.
func TestStoppedQuietly(t *testing.T) {
	t.Parallel()
	running, cancel := context.WithCancel(t.Context())
	defer cancel()
	stopped, stop := context.WithCancel(t.Context())
	stop()
	canceled, other := fmt.Errorf("open stream TIMER: %w", context.Canceled), errors.New("disk full")
	for _, c := range []struct {
		ctx       context.Context
		err, want error
	}{
		{stopped, canceled, errInterrupted}, {stopped, errors.New("list collections: context canceled"), errInterrupted}, {stopped, other, other}, {stopped, nil, nil}, {running, canceled, canceled},
	} {
		err := c.err
		if suppressCanceled(c.ctx, &err, errInterrupted); err != c.want {
			t.Errorf("%v becomes %v, want %v", c.err, err, c.want)
		}
	}
	// Ends as soon as it can after the store is made, with whatever it is at.
	store := filepath.Join(t.TempDir(), "store")
	p := start(t, "run", "--local", "--store", store)
	if err := until(soon(t), func() bool { _, err := os.Stat(filepath.Join(store, "jetstream")); return err == nil }); err != nil {
		t.Fatal(err)
	}
	if code := p.interrupt(); code != exitOK || strings.Contains(p.stderr.String(), "cancel") {
		t.Errorf("a bot that is stopped as it starts ends with %d, %s", code, p.stderr.String())
	}
}
