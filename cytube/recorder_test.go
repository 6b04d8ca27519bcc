package cytube

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"

	"github.com/rosey-bot/rosey/cytube/socketio"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

func testRecorder(t testing.TB) *recorder {
	bus := streamstest.Bus(t, streamstest.Server(t))
	cfg := Config{Channel: "testchan"}.withDefaults()
	r := &recorder{cfg: cfg, bus: bus, room: testRoom(), voice: newVoice(flood{}), log: slog.New(slog.DiscardHandler), stats: &counters{}, recent: newRecentLines(),
		history: &history{js: bus.JetStream(), channel: cfg.Channel}}
	r.room.joining = false
	return r
}

func chatFrame(n int) item {
	return item{event: socketio.Event{Name: "chatMsg", Args: []json.RawMessage{
		fmt.Appendf(nil, `{"username":"alice","msg":"line %d &amp; <strong>more</strong>","meta":{},"time":%d}`, n, 1000+n/4),
	}}}
}

// JetStream is a second fence: where the lookup of what is recorded missed a
// line, as it may on a replica that lags, the line's ID gives it away.
func TestLineIDsKeepRepeatsOut(t *testing.T) {
	t.Parallel()
	ctx := streamstest.Context(t)
	first := testRecorder(t)
	for range 2 { // twice the same words in one millisecond
		first.take(ctx, chatFrame(1))
	}
	second := *first
	second.recent, second.stats = newRecentLines(), &counters{}
	for range 3 {
		second.take(ctx, chatFrame(1))
	}
	s, err := first.bus.JetStream().Stream(ctx, streams.Cytube)
	if err != nil {
		t.Fatal(err)
	}
	if n := s.CachedInfo().State.Msgs; n != 3 || second.stats.repeated.Load() != 2 {
		t.Errorf("%d lines are recorded, %d were repeated", n, second.stats.repeated.Load())
	}
}

// BenchmarkRecord measures a chat line from the frame to the PubAck.
func BenchmarkRecord(b *testing.B) {
	r := testRecorder(b)
	ctx := b.Context()
	n := 0
	for b.Loop() {
		r.take(ctx, chatFrame(n))
		n++
	}
	if got := r.stats.recorded.Load(); got != int64(n) {
		b.Fatalf("%d of %d lines are recorded", got, n)
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "lines/s")
}

// BenchmarkTranslate measures a chat line from the frame to the event.
func BenchmarkTranslate(b *testing.B) {
	r := testRoom()
	ev := chatFrame(1).event
	for b.Loop() {
		facts, err := r.apply(ev.Name, ev.Args)
		if err != nil || facts[0].Subject != event.SubjectChat {
			b.Fatal(err)
		}
	}
}
