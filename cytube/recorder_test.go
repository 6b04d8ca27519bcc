package cytube

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"github.com/rosey-bot/rosey/cytube/channel"
	"github.com/rosey-bot/rosey/cytube/sender"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

func testRecorder(t testing.TB) (*Connector, *recorder) {
	c := New(streamstest.Bus(t, streamstest.Server(t)), Config{Config: sender.Config{Channel: "testchan"}})
	return c, c.newRecorder(c.newSender())
}

func chatFrame(n int) item {
	return item{frame: channel.Frame{Name: "chatMsg", Args: []json.RawMessage{
		fmt.Appendf(nil, `{"username":"alice","msg":"line %d &amp; <strong>more</strong>","meta":{},"time":%d}`, n, 1000+n/4),
	}}}
}

// A line that the history does not show yet is dropped by its message ID.
func TestLineIDsKeepRepeatsOut(t *testing.T) {
	t.Parallel()
	ctx := streamstest.Context(t)
	c, first := testRecorder(t)
	for range 2 { // twice the same words in one millisecond
		first.take(ctx, chatFrame(1))
	}
	second := c.newRecorder(c.newSender())
	for range 3 {
		second.take(ctx, chatFrame(1))
	}
	s, err := c.bus.JetStream().Stream(ctx, streams.Cytube)
	if err != nil {
		t.Fatal(err)
	}
	if n := s.CachedInfo().State.Msgs; n != 3 || c.Stats().Repeated != 2 {
		t.Errorf("%d lines are recorded, %d were repeated", n, c.Stats().Repeated)
	}
}

// BenchmarkRecord measures a chat line from the frame to the PubAck.
func BenchmarkRecord(b *testing.B) {
	c, r := testRecorder(b)
	ctx := b.Context()
	n := 0
	for b.Loop() {
		r.take(ctx, chatFrame(n))
		n++
	}
	if got := c.Stats().Recorded; got != int64(n) {
		b.Fatalf("%d of %d lines are recorded", got, n)
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "lines/s")
}

// A server that sends without end while the bot joins does not fill its memory.
func TestEntryIsBounded(t *testing.T) {
	t.Parallel()
	for name, frame := range map[string]channel.Frame{
		"many frames":  {Name: "usercount", Args: []json.RawMessage{[]byte("1")}},
		"large frames": {Name: "playlist", Args: []json.RawMessage{make([]byte, 1<<20)}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var e entry
			var err error
			for i := 0; err == nil && i < 10_000; i++ {
				err = e.take(frame)
			}
			_, ok := errors.AsType[*slowError](err)
			if !ok || e.frames < 50 {
				t.Errorf("%v after %d frames", err, e.frames)
			}
		})
	}
}

// FuzzEntry gives a bot that joins whatever a server might send: it never panics.
func FuzzEntry(f *testing.F) {
	for _, name := range []string{"login", "kick", "errorMsg", "userlist"} {
		f.Add(name, []byte(`{"success":false,"error":"x","reason":"y"}`))
	}
	f.Fuzz(func(_ *testing.T, name string, arg []byte) {
		var e entry
		_ = e.take(channel.Frame{Name: name, Args: []json.RawMessage{arg}})
	})
}
