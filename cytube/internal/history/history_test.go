package history

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rosey-bot/rosey/cytube/channel"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

func TestMain(m *testing.M) { streamstest.Main(m) }

// world is a Reader and the streams that it reads.
type world struct {
	*Reader
	t   *testing.T
	ctx context.Context
	bus *streams.Bus
}

func newWorld(t *testing.T) world {
	t.Helper()
	bus := streamstest.Bus(t, streamstest.Server(t))
	return world{t: t, ctx: streamstest.Context(t), bus: bus, Reader: New(bus.JetStream(), "testchan")}
}

func (w world) publish(subject string, payload any, meta map[string]any) event.Ref {
	w.t.Helper()
	e, err := event.New(subject, payload)
	if err != nil {
		w.t.Fatal(err)
	}
	e.Metadata = meta
	ack, err := w.bus.Publish(w.ctx, e)
	if err != nil {
		w.t.Fatal(err)
	}
	return ack.Ref
}

// Events of other subjects, and malformed ones, are passed over.
func TestEvents(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var want []uint64
	for i := range 5 {
		w.publish(event.SubjectUserJoin, event.UserJoin{User: fmt.Sprint(i), Channel: "testchan"}, nil)
		want = append(want, w.publish(event.SubjectUserLeave, event.UserLeave{User: fmt.Sprint(i), Channel: "testchan"}, nil).Seq)
		if _, err := w.bus.JetStream().Publish(w.ctx, event.SubjectUserLeave, []byte("no event")); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		from, to uint64
		want     []uint64
	}{
		{0, 0, want}, {1, 100, want}, {want[1], want[3], want[1:4]}, {want[4] + 1, 0, nil}, {5, 4, nil},
	} {
		var got []uint64
		for s, err := range w.Events(w.ctx, event.SubjectUserLeave, test.from, test.to) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, s.Ref.Seq)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("from %d to %d: %s", test.from, test.to, diff)
		}
	}
}

// A retried dead letter, which is stored a second time, counts once.
func TestRetriesCountOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	retry := map[string]any{event.MetaRetryFor: "router"}
	chat := event.Chat{User: "alice", Message: "!roll", Channel: "testchan", Time: 1}
	w.publish(event.SubjectChat, chat, nil)
	w.publish(event.SubjectChat, chat, retry)
	line := &channel.Line{User: "alice", Text: "!roll", Time: 1}
	search := w.NewSearch([]*channel.Line{line, line})
	if n, err := search.Run(w.ctx); err != nil || n != 1 || search.Count(line.Key()) != 1 {
		t.Errorf("%d lines of the buffer are recorded, the line %d times, %v", n, search.Count(line.Key()), err)
	}
}

// The latest connection is that of the channel, however many others came since.
func TestLastConnection(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if c, _, err := w.LastConnection(w.ctx); err != nil || c.State != "" {
		t.Errorf("without one: %+v, %v", c, err)
	}
	w.publish(event.SubjectConnection, event.Connection{Channel: "testchan", State: event.StateUp}, nil)
	w.publish(event.SubjectConnection, event.Connection{Channel: "testchan", State: event.StateDown, Reason: "kicked"}, nil)
	for range 3 * firstWindow {
		w.publish(event.SubjectConnection, event.Connection{Channel: "elsewhere", State: event.StateUp}, nil)
	}
	if c, _, err := w.LastConnection(w.ctx); err != nil || c.State != event.StateDown || c.Reason != "kicked" {
		t.Errorf("%+v, %v", c, err)
	}
}
