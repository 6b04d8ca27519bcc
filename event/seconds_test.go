package event

import (
	"math/rand/v2"
	"strconv"
	"testing"
)

// A timestamp is written as encoding/json writes the number of seconds, and read
// back to the microsecond.
func TestAppendSeconds(t *testing.T) {
	t.Parallel()
	micros := []int64{0, 1, 10, 999_999, 1e6, 1e6 + 1, 1_732_645_200_000_000, 1_732_645_200_123_456, 1_732_645_200_120_000, 1_732_645_200_000_001, -1, -1_500_000, 1<<33*1e6 - 1}
	for range 10_000 {
		micros = append(micros, rand.Int64N(1<<33*1e6))
	}
	for _, n := range micros {
		want := strconv.FormatFloat(float64(n)/1e6, 'f', -1, 64)
		if got := string(appendSeconds(nil, n)); got != want {
			t.Fatalf("%d us: %s, want %s", n, got, want)
		}
		if got, ok := microseconds([]byte(want)); n >= 0 && (!ok || got != n) {
			t.Fatalf("%s is read as %d us, %v", want, got, ok)
		}
	}
}
