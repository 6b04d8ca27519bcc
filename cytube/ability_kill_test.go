package cytube_test

import (
	"testing"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// A bot that dies between writing and confirmation does what was asked for once: what the
// server did is not done again, and what it did not do is.
func TestAbilitiesSurviveADeath(t *testing.T) {
	streamstest.Slow(t, "kills bots")
	t.Parallel()
	for name, done := range map[string]bool{"done": true, "not done": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachAbility(t, func(w *world, c abilityCase) { w.survives(c, done) })
		})
	}
}

// survives asks for an ability, kills the bot once it wrote that, and starts another.
func (w *world) survives(c abilityCase, done bool) {
	w.t.Helper()
	kill := w.mortal()
	w.joined("alice")
	for _, g := range c.given {
		w.ask(g.subject, g.payload)
	}
	before := w.written(c.frame)
	w.site.Refuse("Rate limit exceeded") // it must not come back before it is killed
	w.site.Cut(w.cfg.Channel, "Rosey", c.frame, done)
	ack := w.send(c.subject, c.payload)
	w.waitWritten(c.frame, before+1)
	kill()
	w.site.Refuse("")
	w.start()
	d := w.delivery(ack)
	if d.Status != event.DeliveryDone && d.Status != event.DeliveryAlready {
		w.t.Fatalf("the outcome: %+v", d)
	}
	want := 2
	if done && !c.repeats {
		want = 1
	}
	if n := w.written(c.frame) - before; n != want {
		w.t.Errorf("the bots wrote %s %d times, not %d", c.frame, n, want)
	}
	deliveries := 0
	for _, s := range w.stored(event.SubjectDelivery) {
		if field[string](s, "send") == ack.Ref.String() {
			deliveries++
		}
	}
	if deliveries != 1 {
		w.t.Errorf("%d deliveries", deliveries)
	}
}
