package cytube_test

import (
	"fmt"
	"log/slog"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rosey-bot/rosey/cytube"
	"github.com/rosey-bot/rosey/cytube/cytubetest"
	"github.com/rosey-bot/rosey/cytube/sender"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// What waits to be said is said, once and in order, when the settings go from two
// channels to one, from one to two, and back again.
func TestChannelsAreRearranged(t *testing.T) {
	streamstest.Slow(t, "restarts bots")
	t.Parallel()
	w := newWorld(t, func(site *cytubetest.Config, _ *cytube.Config) {
		site.Channels = append(site.Channels, cytubetest.Channel{Name: "one", Ranks: map[string]float64{"Rosey": 2}})
	})
	two := func() (stop func()) {
		one, other := w.start(in("one")), w.start(in("other"))
		dispatched := w.dispatch("one", "other")
		return func() { w.ok(one.stop()); w.ok(other.stop()); dispatched() }
	}
	single := func() (stop func()) {
		b := w.start(func(c *cytube.Config) { c.Channel = "one" })
		return func() { w.ok(b.stop()) }
	}
	var want []string
	say := func(text string) {
		w.sendTo("one", text)
		want = append(want, text)
	}
	spoken := func() {
		t.Helper()
		w.ok(until(w.ctx, func() bool { return len(w.said("one")) >= len(want) }))
		if diff := cmp.Diff(want, w.said("one")); diff != "" {
			t.Fatal(diff)
		}
	}
	// The site lets nobody in: what is sent meanwhile waits, some of it handed out
	// and some not.
	wait := func(start func() func(), outboxes int) {
		t.Helper()
		w.site.Refuse("Rate limit exceeded")
		stop := start()
		for range 3 {
			say(fmt.Sprint("while the site lets nobody in ", len(want)))
		}
		w.ok(until(w.ctx, func() bool { return len(w.stored("cytube.outbox.one")) == outboxes }))
		stop()
		say(fmt.Sprint("while no bot runs ", len(want)))
		w.site.Refuse("")
	}
	for i, step := range []struct {
		from, to func() func()
		outboxes int  // of the waiting sends, and those before them
		left     bool // the consumer of the channel's outbox, afterwards
	}{{two, single, 3, false}, {single, two, 3, true}, {two, single, 11, false}} {
		wait(step.from, step.outboxes)
		stop := step.to()
		say(fmt.Sprint("after change ", i))
		spoken()
		w.echoIn("one", want[len(want)-1])
		stop()
		if several := w.hasSender("one"); several != step.left {
			t.Errorf("after change %d, one has an outbox's consumer: %t", i, several)
		}
	}
}

// What is sent to a channel that the bot has left is refused where no other
// process may be in it, and kept for that one where it may.
func TestChannelIsLeft(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	left := w.join(in("left"))
	w.ok(until(w.ctx, func() bool { return w.hasSender("left") }))
	w.ok(left.stop())
	w.join(in("kept"))
	stop := w.dispatch("kept")
	w.sendTo("left", "for another process")
	w.ok(until(w.ctx, func() bool { return len(w.stored("cytube.outbox.left")) == 1 }))
	stop()
	d := sender.NewDispatcher(w.bus, []string{"kept"}, slog.New(w.logs), nil).Alone()
	w.runDispatcher(d)
	w.sendTo("left", "for nobody")
	refused := w.await("a refusal", func(s streams.Stored) bool { return s.Subject == event.SubjectDelivery })
	if channel, status := field[string](refused, "channel"), field[string](refused, "status"); channel != "left" || status != event.DeliveryRefused {
		t.Errorf("%s in %s", status, channel)
	}
	if n := len(w.stored("cytube.outbox.left")); n != 1 {
		t.Errorf("%d sends wait for nobody", n)
	}
}
