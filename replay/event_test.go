package replay

import (
	"strings"
	"testing"
)

func TestDeepNestingIsRefused(t *testing.T) {
	t.Parallel()
	deep := []byte(`{"a":` + strings.Repeat("[", 1<<20) + strings.Repeat("]", 1<<20) + `}`)
	if (Event{Body: deep}).fields().valid {
		t.Error("a million levels of nesting were accepted")
	}
	if !(Event{Body: []byte(`{"a":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `}`)}).fields().valid {
		t.Error("5000 levels were refused")
	}
}

// BenchmarkMembers shows whether the scan of a body allocates. No test says so: with the
// race detector a sync.Pool drops some of what is put into it.
func BenchmarkMembers(b *testing.B) {
	body := []byte(`{"subject":"cytube.chat","data":{"user":"alice","message":"!roll 2d6","channel":"main","rank":2,"time":1732645200000},"timestamp":1732645200.123,"priority":1,"correlation_id":"550e8400-e29b-41d4-a716-446655440000","metadata":{"source":"cytube"}}`)
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		for _, value := range members(body) {
			n += len(value)
		}
	}
}
