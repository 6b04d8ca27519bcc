package cytube_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rosey-bot/rosey/cytube"
	"github.com/rosey-bot/rosey/cytube/cytubetest"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/lease"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// leased starts a bot that is in the channel while it holds the channel's lease. It
// leaves after it has lost the lease and the test has called leave, which is for bots
// that must first hear what the test says, however long that takes.
func (w *world) leased(bus *streams.Bus) (b *bot, leave func()) {
	w.t.Helper()
	mayLeave, leave := context.WithCancel(w.t.Context())
	leases, err := lease.Open(w.ctx, bus.Conn(), bus.JetStream(), max(w.replicas, 1), "test", 2*time.Second, slog.New(w.logs))
	w.ok(err)
	l := leases.New("channel." + lounge)
	cfg := w.cfg
	cfg.MaySpeak = l.Valid
	cfg.Hold = func(ctx context.Context, do func(context.Context) error) error {
		return l.Hold(ctx, func(held context.Context) error {
			in, out := context.WithCancel(context.WithoutCancel(held))
			defer context.AfterFunc(held, func() { <-mayLeave.Done(); out() })()
			return do(in)
		})
	}
	return w.run(cytube.New(bus, cfg)), leave
}

// smallBuffer is a site whose chat buffer repeats one line.
func smallBuffer(s *cytubetest.Config, _ *cytube.Config) { s.Buffer = 1 }

// connections gives the states of the recorded connections.
func (w *world) connections() (states []string) {
	w.t.Helper()
	for _, s := range w.stored(event.SubjectConnection) {
		states = append(states, field[string](s, "state"))
	}
	return states
}

// What a bot heard before it lost its lease, because no server answered, is recorded
// when one answers again.
func TestHeardIsRecordedAfterTheLeaseIsLost(t *testing.T) {
	streamstest.Slow(t, "waits for the end of a lease")
	t.Parallel()
	w := newWorld(t, smallBuffer)
	bus, cable := w.wired()
	b, leave := w.leased(bus)
	w.connection(event.StateUp)
	alice := w.joined("alice")

	cable.setCut(true)
	var want []string
	for i := range 20 {
		want = append(want, fmt.Sprint(i))
		w.say(alice, i, i)
	}
	w.ok(until(w.ctx, func() bool { return b.Stats().Queue >= len(want)-1 }))
	leave()
	w.ok(w.site.WaitGone(w.ctx, lounge, w.cfg.User))
	for range 2 { // is logged every 5 s: longer than a bot that stops records
		w.logged("record channel failed, retrying")()
	}
	cable.setCut(false)

	w.connection(event.StateDown)
	w.connection(event.StateUp)
	if diff := cmp.Diff(want, w.lines()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{event.StateUp, event.StateDown, event.StateUp}, w.connections()); diff != "" {
		t.Error(diff)
	}
	if s := b.Stats(); s.Unrecorded != 0 {
		t.Errorf("got %+v", s)
	}
	w.echo(w.chat("and it speaks"), 1)
}

// When another bot has taken the channel over meanwhile, each line is recorded once, and
// the last word on the connection is that of the bot that is in the channel.
func TestHeardIsRecordedAfterAnotherBotJoined(t *testing.T) {
	streamstest.Slow(t, "waits for the end of a lease")
	t.Parallel()
	w := newWorld(t, smallBuffer)
	bus, cable := w.wired()
	first, leave := w.leased(bus)
	w.connection(event.StateUp)
	_, leaveSecond := w.leased(w.bus)
	leaveSecond()
	alice := w.joined("alice")

	cable.setCut(true)
	w.say(alice, 1, 5)
	w.ok(until(w.ctx, func() bool { return first.Stats().Queue >= 4 }))
	leave()
	w.connection(event.StateUp) // of the second, which read the last line from the buffer
	recovered := w.logged("event already recorded")
	cable.setCut(false)
	recovered()
	w.ok(first.stop())

	if diff := cmp.Diff([]string{"5 m", "1", "2", "3", "4"}, w.lines()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{event.StateUp, event.StateUp}, w.connections()); diff != "" {
		t.Error(diff)
	}
}

// What is heard and cannot be recorded before the bot stops is counted and logged.
func TestUnrecordedIsCounted(t *testing.T) {
	streamstest.Slow(t, "waits for NATS while it stops")
	t.Parallel()
	w := newWorld(t)
	bus, cable := w.wired()
	b := w.run(cytube.New(bus, w.cfg))
	w.connection(event.StateUp)
	alice := w.joined("alice")
	cable.setCut(true)
	w.say(alice, 1, 5)
	w.ok(until(w.ctx, func() bool { return b.Stats().Queue >= 4 }))
	logged := w.logged("frames not recorded before the bot stopped")
	w.ok(b.stop())
	logged()
	if n := b.Stats().Unrecorded; n < 5 {
		t.Errorf("%d are counted", n)
	}
}
