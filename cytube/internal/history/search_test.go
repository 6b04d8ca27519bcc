package history

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/cytube/channel"
	"github.com/rosey-bot/rosey/event"
)

// chat stores a line of alice's and returns it.
func (w world) chat(name, text string, at int64) (*channel.Line, event.Ref) {
	w.t.Helper()
	ref := w.publish(event.SubjectChat, event.Chat{User: "alice", Message: text, Channel: name, Time: at}, nil)
	return &channel.Line{User: "alice", Text: text, Time: at}, ref
}

// elsewhere stores n lines of another channel.
func (w world) elsewhere(n int) {
	w.t.Helper()
	for i := range n {
		body := fmt.Appendf(nil, `{"subject":"cytube.chat","data":{"user":"bob","message":"%d","channel":"busy","rank":1,"time":1}}`, i)
		if _, err := w.bus.JetStream().PublishAsync(event.SubjectChat, body, jetstream.WithStallWait(time.Minute)); err != nil {
			w.t.Fatal(err)
		}
	}
	select {
	case <-w.bus.JetStream().PublishAsyncComplete():
	case <-w.ctx.Done():
		w.t.Fatal("not published")
	}
}

// flaky is a JetStream that fails every third time.
type flaky struct {
	jetstream.JetStream
	calls int
}

func (f *flaky) Stream(ctx context.Context, name string) (jetstream.Stream, error) {
	if f.calls++; f.calls%3 == 0 {
		return nil, errors.New("the server is away")
	}
	return f.JetStream.Stream(ctx, name)
}

// A search through what others said for weeks goes on where it failed.
func TestSearchKeepsItsProgress(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	old, _ := w.chat("testchan", "old", 1)
	w.elsewhere(firstWindow * (1 + 4 + 16 + 1))
	bucket, err := w.checkpoints(w.ctx)
	if err != nil {
		t.Fatal(err)
	}
	r := New(&flaky{JetStream: w.bus.JetStream()}, "testchan")
	r.bucket = bucket
	s := r.NewSearch([]*channel.Line{old, {User: "alice", Text: "missed", Time: 2}})
	for range 30 {
		switch n, err := s.Run(w.ctx); {
		case err != nil:
		case n != 1 || !s.Joined:
			t.Fatalf("%d lines are recorded, joined before: %t", n, s.Joined)
		default:
			return
		}
	}
	t.Fatal("the search fails at the same place each time")
}

// A search reads what was stored since the checkpoint, however long ago the channel's
// latest line was.
func TestSearchEndsAtTheCheckpoint(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first, _ := w.chat("testchan", "first", 1)
	equal, ref := w.chat("testchan", "equal", 2)
	w.elsewhere(1000)
	if err := w.SaveCheckpoint(w.ctx, Checkpoint{Line: ref.Seq, Time: 2, N: 1}); err != nil {
		t.Fatal(err)
	}
	w.elsewhere(10)
	buffer := []*channel.Line{first, equal, equal}
	for _, want := range []int{2, 3} {
		s := w.NewSearch(buffer)
		if n, err := s.Run(w.ctx); n != want || err != nil || !s.Joined {
			t.Errorf("%d lines are recorded, not %d; %v", n, want, err)
		}
		if s.window.from <= ref.Seq+1000 {
			t.Errorf("the search reads from %d on", s.window.from)
		}
		w.chat("testchan", "equal", 2)
	}
}

// A line without a time does not make the search remember all that was ever said.
func TestLineWithoutATime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range 100 {
		w.chat("testchan", fmt.Sprint(i), int64(i))
	}
	s := w.NewSearch([]*channel.Line{{User: "alice", Text: "timeless"}})
	if n, err := s.Run(w.ctx); n != 0 || err != nil || len(s.counts) != 1 {
		t.Errorf("%d lines are recorded, %d are remembered; %v", n, len(s.counts), err)
	}
}
