package crashtest

import (
	"testing"
	"time"
)

func TestGrowth(t *testing.T) {
	t.Parallel()
	soaked := func(change func(i int, m *Sample)) []Sample {
		list := make([]Sample, 40)
		for i := range list {
			list[i] = Sample{Up: time.Minute, Goroutines: 100, Memory: 50 << 20, Stored: float64(400 * (i + 1)), Events: uint64(i + 1)}
			change(i, &list[i])
		}
		return list
	}
	for name, c := range map[string]struct {
		samples []Sample
		grew    string
		unknown bool
	}{
		"flat":         {samples: soaked(func(int, *Sample) {})},
		"goroutines":   {samples: soaked(func(i int, m *Sample) { m.Goroutines += 2 * float64(i) }), grew: "goroutines"},
		"caches fill":  {samples: soaked(func(i int, m *Sample) { m.Memory *= min(1+float64(i)/20, 1.65) })},
		"memory":       {samples: soaked(func(i int, m *Sample) { m.Memory *= 1 + float64(i)/20 }), grew: "resident memory, MB"},
		"store":        {samples: soaked(func(i int, m *Sample) { m.Stored *= 1 + float64(i)/20 }), grew: "store, bytes an event"},
		"just started": {samples: soaked(func(i int, m *Sample) { m.Up, m.Goroutines = time.Duration(i)*time.Second, float64(i) }), grew: "goroutines"},
		"start is left": {samples: soaked(func(i int, m *Sample) {
			if i < 20 {
				m.Up, m.Memory = time.Second, 1
			}
		})},
		"too short": {samples: soaked(func(i int, m *Sample) { m.Up = time.Second }), unknown: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			list, err := growth(c.samples)
			if (err != nil) != c.unknown {
				t.Fatal(err)
			}
			for _, g := range list {
				if g.OK() == (g.What == c.grew) {
					t.Errorf("%+v: OK is %v", g, g.OK())
				}
			}
			r := &Soaked{Growth: list, Measured: err}
			if (r.Err() == nil) != (c.grew == "" && !c.unknown) {
				t.Error(r.Err())
			}
		})
	}
}
