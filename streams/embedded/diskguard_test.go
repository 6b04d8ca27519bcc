package embedded_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/embedded"
	"github.com/rosey-bot/rosey/streams/jsapi"
	"github.com/rosey-bot/rosey/streams/monitor"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// said is what a server logs.
type said struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *said) Write(p []byte) (int, error) { s.mu.Lock(); defer s.mu.Unlock(); return s.b.Write(p) }
func (s *said) String() string              { s.mu.Lock(); defer s.mu.Unlock(); return s.b.String() }

// smallStore starts a server with little room, and a Bus on it.
func smallStore(t *testing.T, c embedded.Config, opts ...streams.BusOption) (*embedded.Server, *streams.Bus, *said) {
	t.Helper()
	log := &said{}
	if c.Logger == nil {
		c.Logger = slog.New(slog.NewTextHandler(log, nil))
	}
	s := streamstest.Start(t, c)
	return s, streamstest.Bus(t, s, opts...), log
}

// chats are the lines that were acknowledged.
type chats struct {
	t     *testing.T
	bus   *streams.Bus
	acked map[uint64]string
	n     int
}

func (c *chats) publish(ctx context.Context) error {
	text := fmt.Sprintf("%d %s", c.n, strings.Repeat("x", 10_000))
	c.n++
	e, err := event.New(event.SubjectChat, event.Chat{User: "alice", Message: text, Channel: "main"})
	if err != nil {
		c.t.Fatal(err)
	}
	ack, err := c.bus.Publish(ctx, e)
	if err == nil {
		c.acked[ack.Ref.Seq] = text
	}
	return err
}

// until publishes until it fails in the way that is wanted.
func (c *chats) until(ctx context.Context, ok func(error) bool) error {
	for ctx.Err() == nil {
		within, cancel := context.WithTimeout(ctx, time.Second)
		err := c.publish(within)
		cancel()
		if ok(err) {
			return err
		}
	}
	c.t.Fatal(ctx.Err())
	return nil
}

// kept counts the acknowledged lines that can be read.
func (c *chats) kept(ctx context.Context) (n int) {
	s, err := c.bus.JetStream().Stream(ctx, streams.Cytube)
	if err != nil {
		c.t.Fatal(err)
	}
	for seq, text := range c.acked {
		m, err := s.GetMsg(ctx, seq)
		if err != nil {
			c.t.Errorf("line %d, which was acknowledged: %v", seq, err)
			continue
		}
		got, err := streams.ReadRaw(streams.Cytube, m)
		if err != nil {
			c.t.Fatal(err)
		}
		if chat, err := event.As[event.Chat](got.Envelope); err != nil || chat.Message != text {
			c.t.Errorf("line %d is not as it was acknowledged: %v", seq, err)
		}
		n++
	}
	return n
}

func isFull(err error) bool { return errors.Is(err, jsapi.ErrFull) }
func isNil(err error) bool  { return err == nil }

// wait waits for the server to say that it is full, or that it is not.
func awaitFull(ctx context.Context, t *testing.T, s *embedded.Server, full bool) error {
	t.Helper()
	for {
		err := s.Full()
		if isFull(err) == full {
			return err
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			t.Fatalf("full should be %t: %v", full, err)
		}
	}
}

// A store that has reached its limit refuses what is new with an error that says
// so, keeps what it acknowledged, and takes events again when there is room.
func TestStoreMax(t *testing.T) {
	streamstest.Slow(t, "fills a store")
	t.Parallel()
	ctx := streamstest.Context(t)
	capacity := &monitor.Capacity{Observer: streams.NoObserver{}}
	s, bus, log := smallStore(t, embedded.Config{Store: t.TempDir(), MaxStore: 6 << 20}, streams.WithObserver(capacity))
	c := &chats{t: t, bus: bus, acked: map[uint64]string{}}
	refusal := c.until(ctx, isFull)
	if event.CodeOf(refusal) != event.NATSError || !strings.Contains(refusal.Error(), "the store is full") {
		t.Errorf("refused with %v", refusal)
	}
	if problem := awaitFull(ctx, t, s, true); !strings.Contains(problem.Error(), "raise store_max") {
		t.Errorf("the server says %v", problem)
	}
	if err := capacity.Full(); !isFull(err) || !strings.Contains(err.Error(), streams.Cytube) {
		t.Errorf("the observer says %v", err)
	}
	// Buckets are refused in the same way, and reading goes on.
	if _, err := bus.JetStream().CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: "b"}); err == nil {
		kv, err := bus.JetStream().KeyValue(ctx, "b")
		if err == nil {
			_, err = kv.Put(ctx, "k", make([]byte, 100))
		}
		if !isFull(jsapi.WrapFull(err)) {
			t.Errorf("a bucket takes a value: %v", err)
		}
	} else if !isFull(jsapi.WrapFull(err)) {
		t.Errorf("a bucket is refused with %v", err)
	}
	before := c.kept(ctx)
	if before != len(c.acked) {
		t.Errorf("%d of %d acknowledged lines are kept", before, len(c.acked))
	}
	// Room returns as it does with retention: what is old goes.
	stream, err := bus.JetStream().Stream(ctx, streams.Cytube)
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Purge(ctx, jetstream.WithPurgeKeep(10)); err != nil {
		t.Fatal(err)
	}
	info, err := stream.Info(ctx)
	if err != nil {
		t.Fatal(err)
	}
	maps.DeleteFunc(c.acked, func(seq uint64, _ string) bool { return seq < info.State.FirstSeq })
	awaitFull(ctx, t, s, false)
	_ = c.until(ctx, isNil)
	if err := capacity.Full(); err != nil {
		t.Errorf("the observer still says %v", err)
	}
	if n := c.kept(ctx); n != len(c.acked) {
		t.Errorf("%d of %d lines are kept afterwards", n, len(c.acked))
	}
	if n := strings.Count(log.String(), "raise store_max"); n != 1 {
		t.Errorf("the log tells of it %d times:\n%s", n, log)
	}
	t.Logf("store_max 6 MiB: %d lines acknowledged, all kept; then refused with %q; took events again without a restart", before, refusal)
}

// Others fill the disk: below the reserve, and then wholly, so that a write fails.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		free int64 // bytes that others leave
	}{
		"below the reserve": {6 << 20},
		"to the last byte":  {0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := streamstest.Context(t)
			disk := streamstest.SmallDisk(t, 48<<20)
			s, bus, log := smallStore(t, embedded.Config{Store: disk.Dir, Reserve: 8 << 20})
			c := &chats{t: t, bus: bus, acked: map[uint64]string{}}
			for range 200 {
				if err := c.publish(ctx); err != nil {
					t.Fatal(err)
				}
			}
			disk.Fill(tt.free)
			began := len(c.acked)
			if tt.free == 0 {
				_ = c.until(ctx, func(err error) bool { return err != nil })
			}
			err := c.until(ctx, isFull)
			if problem := awaitFull(ctx, t, s, true); !strings.Contains(problem.Error(), "lower store_reserve") {
				t.Errorf("the server says %v", problem)
			}
			full := len(c.acked)
			disk.Clear()
			awaitFull(ctx, t, s, false)
			_ = c.until(ctx, isNil)
			for range 100 {
				if err := c.publish(ctx); err != nil {
					t.Fatal(err)
				}
			}
			n := c.kept(ctx)
			if n != len(c.acked) {
				t.Errorf("%d of %d acknowledged lines are kept", n, len(c.acked))
			}
			if !strings.Contains(log.String(), "store has capacity again") {
				t.Errorf("the log does not say that there is room:\n%s", log)
			}
			t.Logf("%d lines acknowledged before, %d while others filled the disk, %d after, %d kept; JetStream started anew %d times; refused with %v",
				began, full-began, len(c.acked)-full, n, strings.Count(log.String(), "restarting JetStream"), err)
			if testing.Verbose() {
				t.Log(log)
			}
		})
	}
}

// ringing is a log that hands on which timer is about to be set anew.
type ringing struct{ timers func(subject string) }

func (ringing) Enabled(context.Context, slog.Level) bool { return true }
func (r ringing) WithAttrs([]slog.Attr) slog.Handler     { return r }
func (r ringing) WithGroup(string) slog.Handler          { return r }
func (r ringing) Handle(_ context.Context, l slog.Record) error {
	l.Attrs(func(a slog.Attr) bool {
		if a.Key == "timer" {
			r.timers(a.Value.String())
		}
		return true
	})
	return nil
}

// A timer that is due while the store is full fires when there is room, be it due
// long before that or only just, and whatever is cancelled at that moment.
func TestTimerWaitsForRoom(t *testing.T) {
	streamstest.Slow(t, "fills a store")
	t.Parallel()
	ctx := streamstest.Context(t)
	var cancel func(timer string)
	var cancelled atomic.Int64
	log := slog.New(ringing{func(subject string) {
		if strings.Contains(subject, ".gone-") {
			cancelled.Add(1)
			cancel(strings.Split(subject, ".")[3])
		}
	}})
	s, bus, _ := smallStore(t, embedded.Config{Store: t.TempDir(), MaxStore: 6 << 20, Logger: log})
	cancel = func(timer string) {
		if err := bus.CancelTimer(ctx, "alarm", timer, math.MaxUint64); err != nil && ctx.Err() == nil {
			t.Error(err)
		}
	}
	c := &chats{t: t, bus: bus, acked: map[uint64]string{}}
	for range 400 {
		if err := c.publish(ctx); err != nil {
			t.Fatal(err)
		}
	}
	const seconds, each = 6, 4
	due := time.Now().Add(3 * time.Second)
	set := func(kind string, at time.Time, n int) {
		t.Helper()
		streamstest.Publish(t, bus, event.EventSubject("alarm", kind), map[string]any{"event_type": kind, "n": n}, streams.At(at, fmt.Sprint(kind, "-", n)))
	}
	for i := range seconds * each {
		set("rings", due.Add(time.Duration(i/each)*time.Second), i)
		set("gone", due, i)
	}
	_ = c.until(ctx, isFull)
	awaitFull(ctx, t, s, true)
	rung := func() int { return stored(ctx, t, bus, event.EventSubject("alarm", "rings")) }
	early := rung()
	<-time.After(time.Until(due.Add(3 * time.Second))) // due events are to be refused more than once
	stream, err := bus.JetStream().Stream(ctx, streams.Cytube)
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Purge(ctx); err != nil {
		t.Fatal(err)
	}
	awaitFull(ctx, t, s, false)
	for rung() < seconds*each {
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			t.Fatalf("%d of %d timers fired", rung(), seconds*each)
		}
	}
	t.Logf("%d timers, %d of them due before the store was full: all fired once there was room, and %d were cancelled as they were set anew",
		seconds*each, early, cancelled.Load())
}

// stored counts the events of a subject in the stream PLUGIN.
func stored(ctx context.Context, t *testing.T, bus *streams.Bus, subject string) int {
	t.Helper()
	plugin, err := bus.JetStream().Stream(ctx, streams.Plugin)
	if err != nil {
		t.Fatal(err)
	}
	info, err := plugin.Info(ctx, jetstream.WithSubjectFilter(subject))
	if err != nil {
		t.Fatal(err)
	}
	return int(info.State.Subjects[subject])
}
