package main

import (
	"bytes"
	"context"
	"os"
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
		go obey(ctx, signals, &stderr, cancel, func() { exits++ })
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
		go obey(ctx, make(chan os.Signal), &stderr, func() { t.Error("stopped") }, func() { t.Error("ended") })
		cancel()
		synctest.Wait()
		if stderr.Len() > 0 {
			t.Errorf("%q", stderr.String())
		}
	})
}
