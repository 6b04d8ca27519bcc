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
		one, other := w.start(in("one", "one", "other")), w.start(in("other", "one", "other"))
		return func() { w.ok(one.stop()); w.ok(other.stop()) }
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
	// The site lets nobody in: what is sent meanwhile waits.
	wait := func(start func() func()) {
		t.Helper()
		w.site.Refuse("Rate limit exceeded")
		stop := start()
		for range 3 {
			say(fmt.Sprint("while the site lets nobody in ", len(want)))
		}
		stop()
		say(fmt.Sprint("while no bot runs ", len(want)))
		w.site.Refuse("")
	}
	for i, step := range []struct {
		from, to func() func()
		left     bool // the channel's own consumer, afterwards
	}{{two, single, false}, {single, two, true}, {two, single, false}} {
		wait(step.from)
		stop := step.to()
		say(fmt.Sprint("after change ", i))
		spoken()
		w.echoIn("one", want[len(want)-1])
		stop()
		if several := w.hasSender("one"); several != step.left {
			t.Errorf("after change %d, one has a consumer of its own: %t", i, several)
		}
	}
}

// What is sent to a channel that the bot has left is kept for another process while the
// channel has a consumer, and refused when that is gone.
func TestChannelIsLeft(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	left := w.join(in("left"))
	w.ok(until(w.ctx, func() bool { return w.hasSender("left") }))
	w.ok(left.stop())
	w.join(in("kept"))
	kept := w.sendTo("left", "for another process")
	w.sendTo("kept", "here")
	w.echoIn("kept", "here")
	if n := len(w.stored(event.SubjectDelivery)); n != 0 {
		t.Errorf("%d deliveries", n)
	}
	w.ok(sender.Vacate(w.ctx, w.bus, "left", slog.New(w.logs)))
	late := w.sendTo("left", "for nobody")
	w.delivery(late)
	var refused []string
	for _, s := range w.stored(event.SubjectDelivery) {
		refused = append(refused, field[string](s, "status")+" "+field[string](s, "send"))
	}
	if diff := cmp.Diff([]string{"refused " + kept.Ref.String(), "refused " + late.Ref.String()}, refused); diff != "" {
		t.Error(diff)
	}
}
