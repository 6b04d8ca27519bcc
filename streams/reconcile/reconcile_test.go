package reconcile_test

import (
	"fmt"
	"log/slog"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/monitor"
	"github.com/rosey-bot/rosey/streams/msgid"
	"github.com/rosey-bot/rosey/streams/reconcile"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

func TestReconcile(t *testing.T) {
	t.Parallel()
	line := event.Chat{User: "alice", Message: "!roll", Channel: "main"}
	command := event.Command{Command: "roll", User: "alice"}
	for name, c := range map[string]struct {
		ids    []string // of commands, after two lines
		cytube uint64   // the stream's last sequence then
	}{
		"all is there":         {[]string{"router/CYTUBE:1/1", "router/CYTUBE:2/1"}, 2},
		"two lines are gone":   {[]string{"router/CYTUBE:2/1", "router/CYTUBE:4/1", "router/CYTUBE:3/1"}, 4},
		"an id of another":     {[]string{"CYTUBE:9", "router/CYTUBE:9", "/CYTUBE:x/1", "router/OTHER:9/1", "router/PLATFORM:9/x"}, 2},
		"an invention":         {[]string{"x/CYTUBE:18446744073709551615/1", "x/CYTUBE:1000000/1", "router/CYTUBE:3/1"}, 3},
		"a plugin's own names": {[]string{"plugin-x/CYTUBE:7/timer/soon/1"}, 7},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bus := streamstest.Bus(t, streamstest.Server(t))
			ctx := streamstest.Context(t)
			for range 2 {
				streamstest.Publish(t, bus, event.SubjectChat, line)
			}
			for _, id := range c.ids {
				streamstest.Publish(t, bus, event.CommandSubject("roll"), command, streams.WithMsgID(id))
			}
			held := func() map[string]uint64 {
				states, err := monitor.Streams(ctx, bus.JetStream())
				if err != nil {
					t.Fatal(err)
				}
				m := map[string]uint64{}
				for _, s := range states {
					m[s.Name] = s.Messages
				}
				return m
			}
			before := held()
			for range 2 {
				reconcile.Run(ctx, bus.JetStream(), slog.New(slog.NewTextHandler(t.Output(), nil)))
			}
			if diff := cmp.Diff(before, held()); diff != "" {
				t.Errorf("the streams hold something else: %s", diff)
			}
			if next := streamstest.Publish(t, bus, event.SubjectChat, line); next.Ref.Seq != c.cytube+1 {
				t.Errorf("the next line is %s, want sequence %d", next.Ref, c.cytube+1)
			}
		})
	}
}

// What takes up sequences takes no room from events, in a stream that may hold only
// so much.
func TestReconcileKeepsEvents(t *testing.T) {
	t.Parallel()
	bus := streamstest.Bus(t, streamstest.Server(t))
	ctx := streamstest.Context(t)
	if err := streams.Open(ctx, bus.JetStream(), streams.Options{Limits: map[string]streams.Limits{streams.Cytube: {MaxBytes: 1 << 20}}}); err != nil {
		t.Fatal(err)
	}
	const lines, cause = 100, 20_000
	for range lines {
		streamstest.Publish(t, bus, event.SubjectChat, event.Chat{User: "alice", Message: "hello", Channel: "main"})
	}
	streamstest.Publish(t, bus, event.EventSubject("x", "y"), map[string]any{}, streams.WithMsgID(fmt.Sprintf("x/CYTUBE:%d/1", cause)))
	reconcile.Run(ctx, bus.JetStream(), slog.New(slog.NewTextHandler(t.Output(), nil)))
	s, err := bus.JetStream().Stream(ctx, streams.Cytube)
	if err != nil {
		t.Fatal(err)
	}
	if state := s.CachedInfo().State; state.Msgs != lines || state.LastSeq != cause {
		t.Errorf("of %d lines %d are left, and the last sequence is %d; want %d", lines, state.Msgs, state.LastSeq, cause)
	}
}

// A stream of somebody else's in the account, such as a work queue, which cannot be
// read, does not keep ours from being reconciled.
func TestReconcileBesideOthers(t *testing.T) {
	t.Parallel()
	bus := streamstest.Bus(t, streamstest.Server(t))
	ctx := streamstest.Context(t)
	if _, err := bus.JetStream().CreateStream(ctx, jetstream.StreamConfig{Name: "JOBS", Subjects: []string{"jobs"}, Retention: jetstream.WorkQueuePolicy}); err != nil {
		t.Fatal(err)
	}
	line := event.Chat{User: "alice", Message: "!roll", Channel: "main"}
	streamstest.Publish(t, bus, event.SubjectChat, line)
	streamstest.Publish(t, bus, event.CommandSubject("roll"), event.Command{Command: "roll", User: "alice"}, streams.WithMsgID("router/CYTUBE:3/1"))
	if _, err := bus.JetStream().Publish(ctx, "jobs", nil); err != nil {
		t.Fatal(err)
	}
	reconcile.Run(ctx, bus.JetStream(), slog.New(slog.NewTextHandler(t.Output(), nil)))
	if next := streamstest.Publish(t, bus, event.SubjectChat, line); next.Ref.Seq != 4 {
		t.Errorf("the next line is %s, want sequence 4", next.Ref)
	}
}

// An ID that is not signed with the store's secret takes few sequences only.
func TestReconcileVerifiesIDs(t *testing.T) {
	t.Parallel()
	ctx := streamstest.Context(t)
	plain := streamstest.Bus(t, streamstest.Server(t))
	signer, err := msgid.OpenSigner(ctx, plain.JetStream(), 1)
	if err != nil {
		t.Fatal(err)
	}
	signed := streams.NewBus(plain.Conn(), plain.JetStream(), streams.WithMessageIDSigner(signer))
	publish := func(bus *streams.Bus, id string) {
		streamstest.Publish(t, bus, event.EventSubject("x", "y"), map[string]any{}, streams.WithMsgID(id))
	}
	reconciled := func() uint64 {
		reconcile.Run(ctx, plain.JetStream(), slog.New(slog.NewTextHandler(t.Output(), nil)))
		stream, err := plain.JetStream().Stream(ctx, streams.Cytube)
		if err != nil {
			t.Fatal(err)
		}
		return stream.CachedInfo().State.LastSeq
	}
	publish(plain, "x/CYTUBE:150000/1")
	publish(plain, "x/CYTUBE:150000/1~AAAAAAAAAAAAAAAA")
	if last := reconciled(); last != 0 {
		t.Errorf("a forged ID advances the stream to %d", last)
	}
	publish(plain, "plugin-x/CYTUBE:7/1~AAAAAAAAAAAAAAAA") // as with credentials of its own
	if last := reconciled(); last != 7 {
		t.Errorf("the last sequence is %d, want 7", last)
	}
	publish(signed, "router/CYTUBE:12000/1")
	if last := reconciled(); last != 12_000 {
		t.Errorf("the last sequence is %d, want 12,000", last)
	}
}
