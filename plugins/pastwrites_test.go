package plugins

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

// A record keeps which events of the batch changed it and the last before, so that it does not
// grow with the past; what live events did stays.
func TestRecordForgetsEarlierBatches(t *testing.T) {
	t.Parallel()
	now := time.Now().UnixMilli()
	s := stored{record: json.RawMessage(`{}`), handled: map[string]handled{}}
	for n := range 200 {
		s.handled[fmt.Sprintf("past-x/CYTUBE:%d/1", n)] = handled{At: now - 1000 + int64(n)}
	}
	for n := range 5 {
		s.handled[fmt.Sprintf("x/CYTUBE:%d/1", n)] = handled{At: now - 2000}
	}
	for n := range PastBatch {
		key := fmt.Sprintf("past-x/CYTUBE:%d/1", 200+n)
		s.handled[key], s.batch = handled{At: now}, append(s.batch, key)
	}
	if _, err := s.set("things", "1"); err != nil {
		t.Fatal(err)
	}
	past := 0
	for key := range s.handled {
		if strings.HasPrefix(key, "past-x/") {
			past++
		}
	}
	if past != PastBatch+minHandled || len(s.handled) != past+5 {
		t.Errorf("%d of the past and %d others are kept", past, len(s.handled)-past)
	}
	for _, n := range []int{200 - minHandled, 199, 200, 200 + PastBatch - 1} {
		if _, kept := s.handled[fmt.Sprintf("past-x/CYTUBE:%d/1", n)]; !kept {
			t.Errorf("event %d is not kept", n)
		}
	}
}
