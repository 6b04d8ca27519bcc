package telemetry_test

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rosey-bot/rosey/telemetry"
)

// systemd's side of the protocol, as it speaks it: a datagram socket named by
// the environment, which is why these tests do not run beside others.
func systemd(t *testing.T) (next func() string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	return func() string {
		t.Helper()
		if err := c.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 4096)
		n, err := c.Read(b)
		if err != nil {
			t.Fatalf("systemd heard nothing: %v", err)
		}
		return string(b[:n])
	}
}

func TestSystemdIsNotified(t *testing.T) {
	next := systemd(t)
	t.Setenv("WATCHDOG_USEC", "20000") // looks are as often as 10 ms then
	var ready, dead atomic.Bool
	ctx, stop := context.WithCancel(testContext(t))
	defer stop()
	var lines buffer
	log, err := telemetry.NewLogger(&lines, "info", "text")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		ended <- telemetry.Supervised{
			Logger: log,
			Ready: func(context.Context) error {
				if !ready.Load() {
					return errors.New("joining the channel\nREADY=1")
				}
				return nil
			},
			Alive: func(context.Context) error {
				if dead.Load() {
					return errors.New("NATS does not answer")
				}
				return nil
			},
		}.Run(ctx)
	}()
	if got := next(); got != "STATUS=starting" {
		t.Fatalf("first came %q", got)
	}
	if got := next(); got != "STATUS=waiting: joining the channel READY=1\nWATCHDOG=1" {
		t.Fatalf("then came %q", got)
	}
	if got := next(); got != "WATCHDOG=1" {
		t.Fatalf("what did not change was told again: %q", got)
	}
	ready.Store(true)
	until(t, next, "READY=1\nSTATUS=ready\nWATCHDOG=1")
	ready.Store(false)
	until(t, next, "STATUS=waiting: joining the channel READY=1\nWATCHDOG=1")

	dead.Store(true)
	ready.Store(true)
	until(t, next, "READY=1\nSTATUS=ready") // and from here on no WATCHDOG=1
	stop()
	if got := next(); got != "STOPPING=1\nSTATUS=stopping" {
		t.Errorf("at the end came %q", got)
	}
	if err := <-ended; err != nil {
		t.Errorf("it ended with %v", err)
	}
	if got := lines.String(); !strings.Contains(got, "NATS does not answer") {
		t.Errorf("the log does not say why systemd will act: %s", got)
	}
}

// until passes over the watchdog's beats that were under way.
func until(t *testing.T, next func() string, want string) {
	t.Helper()
	for {
		switch got := next(); got {
		case want:
			return
		case "WATCHDOG=1":
		default:
			t.Fatalf("%q came, want %q", got, want)
		}
	}
}

func TestWithoutSystemdNothingIsNotified(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	ctx, stop := context.WithCancel(testContext(t))
	stop()
	s := telemetry.Supervised{Ready: func(context.Context) error { panic("asked") }, Alive: func(context.Context) error { panic("asked") }}
	if err := s.Run(ctx); err != nil {
		t.Errorf("it ended with %v", err)
	}
}

func TestSystemdsVariablesMayBeWrong(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "absent"))
	if err := (telemetry.Supervised{}).Run(testContext(t)); err == nil || !strings.Contains(err.Error(), "notify systemd") {
		t.Errorf("an absent socket gave: %v", err)
	}
	systemd(t)
	t.Setenv("WATCHDOG_USEC", "soon")
	if err := (telemetry.Supervised{}).Run(testContext(t)); err == nil || !strings.Contains(err.Error(), "WATCHDOG_USEC") {
		t.Errorf("a bad interval gave: %v", err)
	}
}
