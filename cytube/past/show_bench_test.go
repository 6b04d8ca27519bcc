package past

import (
	"testing"
	"time"
)

// BenchmarkShow shows a channel as it was in a store of ten million events: a day of a
// channel at its beginning, another at its end, and lines between them.
func BenchmarkShow(b *testing.B) {
	const total, chunk = 10_000_000, 250_000
	w := newWorld(b)
	w.ctx = b.Context() // as storing takes minutes
	d := newDay(w)
	aDay := func() {
		for n := range 86_400 {
			d.second(n)
		}
	}
	aDay()
	early := w.between()
	aDay()
	for stored := 2 * d.events; stored < total; stored += chunk {
		w.lines(chunk)
		if err := Save(w.ctx, w.bus.JetStream(), "lounge"); err != nil {
			b.Fatal(err)
		}
	}
	middle := w.between()
	aDay()
	for name, at := range map[string]time.Time{"early": early, "before the last day": middle, "late": w.between(), "now": {}} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				w.at(at)
			}
		})
	}
}
