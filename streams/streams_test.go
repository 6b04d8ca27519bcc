package streams_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
	"github.com/rosey-bot/rosey/telemetry/propagation"
)

func TestMain(m *testing.M) { streamstest.Main(m) }

func TestOpenIsIdempotentAndUpdatesInPlace(t *testing.T) {
	t.Parallel()
	bus := streamstest.Bus(t, streamstest.Server(t))
	ctx, js := streamstest.Context(t), bus.JetStream()
	streamstest.Publish(t, bus, event.SubjectSendChat, event.SendChat{Message: "hi"})
	limits := map[string]streams.Limits{streams.Cytube: {MaxAge: 48 * time.Hour, MaxBytes: 1 << 20}}
	if err := streams.Open(ctx, js, streams.Options{Limits: limits}); err != nil {
		t.Fatal(err)
	}
	s, err := js.Stream(ctx, streams.Cytube)
	if err != nil {
		t.Fatal(err)
	}
	info := s.CachedInfo()
	if info.Config.MaxAge != 48*time.Hour || info.Config.MaxBytes != 1<<20 || info.State.Msgs != 1 {
		t.Errorf("after the update: max age %s, max bytes %d, %d messages", info.Config.MaxAge, info.Config.MaxBytes, info.State.Msgs)
	}
	for _, c := range []struct {
		limits map[string]streams.Limits
		says   string
	}{
		{map[string]streams.Limits{"CHAT": {}}, `unknown stream "CHAT"`},
		{map[string]streams.Limits{streams.Plugin: {MaxAge: time.Minute}}, "duplicate window"},
	} {
		if err := streams.Open(ctx, js, streams.Options{Limits: c.limits}); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("limits %v: error %v, want one that says %q", c.limits, err, c.says)
		}
	}
}

func TestOpenRefusesWhatCannotChangeAndDeletesNothing(t *testing.T) {
	t.Parallel()
	nc := streamstest.Connect(t, streamstest.Server(t))
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	ctx := streamstest.Context(t)
	if _, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: streams.Cytube, Subjects: []string{"cytube.>"}, Storage: jetstream.MemoryStorage}); err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish(ctx, "cytube.chat", []byte("{}")); err != nil {
		t.Fatal(err)
	}
	err = streams.Open(ctx, js, streams.Options{})
	if err == nil || !strings.Contains(err.Error(), "cannot be changed in place") {
		t.Errorf("error %v, want one that says what cannot change", err)
	}
	s, err := js.Stream(ctx, streams.Cytube)
	if err != nil || s.CachedInfo().State.Msgs != 1 {
		t.Errorf("the stream was touched: %v", err)
	}
}

func TestPublish(t *testing.T) {
	t.Parallel()
	bus := streamstest.Bus(t, streamstest.Server(t), streams.WithSource("test"))
	ctx := streamstest.Context(t)
	ctx = propagation.WithCause(ctx, "corr-1", event.Ref{Stream: "CYTUBE", Seq: 7})
	e, err := event.New(event.SubjectSendChat, event.SendChat{Message: "hi"})
	if err != nil {
		t.Fatal(err)
	}
	first, err := bus.Publish(ctx, e, streams.WithMsgID("a"))
	if err != nil || first.Duplicate || first.Ref != (event.Ref{Stream: streams.Cytube, Seq: 1}) {
		t.Fatalf("first publish: %+v, %v", first, err)
	}
	again, err := bus.Publish(ctx, e, streams.WithMsgID("a"))
	if err != nil || !again.Duplicate || again.Ref != first.Ref {
		t.Fatalf("second publish: %+v, %v", again, err)
	}
	s, err := bus.JetStream().Stream(ctx, streams.Cytube)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := s.GetMsg(ctx, 1)
	if err != nil {
		t.Fatal(err)
	}
	got, err := streams.ReadRaw(streams.Cytube, raw)
	if err != nil {
		t.Fatal(err)
	}
	if got.CorrelationID != "corr-1" || got.Header.Get(propagation.HeaderCorrelation) != "corr-1" {
		t.Errorf("correlation %q, header %q", got.CorrelationID, got.Header.Get(propagation.HeaderCorrelation))
	}
	if diff := cmp.Diff(map[string]any{"source": "test", "causation_id": "CYTUBE:7"}, got.Metadata); diff != "" {
		t.Error(diff)
	}
}

func TestPublishRefusesWhatTheContractForbids(t *testing.T) {
	t.Parallel()
	bus := streamstest.Bus(t, streamstest.Server(t))
	for _, c := range []struct{ subject, data, says string }{
		{"cytube.chat", `{"user":"a"}`, "message"},
		{"cytube.send.chat", `{"message":5}`, "message must be a string"},
		{"cytube.nonsense", `{}`, "not in the contract"},
		{"other.thing", `{}`, "not in the contract"},
		{"cytube.>", `{}`, "each part"},
		{"database.get", `{"collection":"a","id":1}`, "use Request"},
		{"plugin.a.request", `{}`, "use Request"},
	} {
		_, err := bus.Publish(t.Context(), event.Envelope{Subject: c.subject, Data: []byte(c.data)})
		if event.CodeOf(err) != event.InvalidInput || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s %s: error %v, want INVALID_INPUT that says %q", c.subject, c.data, err, c.says)
		}
	}
}

// The contract's wildcard section reads cytube.* as all CyTube events; in NATS
// it would miss those with more tokens.
func TestContractWildcardsMeanTheWholeNamespace(t *testing.T) {
	t.Parallel()
	bus := streamstest.Bus(t, streamstest.Server(t))
	ctx := streamstest.Context(t)
	defer respond(t, bus, "database.get", func(context.Context, event.Envelope) (any, error) {
		return map[string]any{"success": true}, nil
	})()
	for _, c := range []struct {
		pattern string
		send    func()
		want    string
	}{
		{"cytube.*", func() { streamstest.Publish(t, bus, "cytube.user.leave", event.UserLeave{User: "a", Channel: "c"}) }, "cytube.user.leave"},
		{"plugin.*.command", func() { streamstest.Publish(t, bus, "plugin.x.command", event.Command{Command: "c", User: "u"}) }, "plugin.x.command"},
		{"platform.*", func() { streamstest.Publish(t, bus, "platform.shutdown", event.Shutdown{Reason: "r"}) }, "platform.shutdown"},
		{"database.*", func() {
			if _, err := bus.Request(ctx, "database.get", event.Get{Collection: "c", ID: "1"}); err != nil {
				t.Error(err)
			}
		}, "database.get"},
	} {
		got := make(chan streams.Stored, 1)
		sub, err := bus.Subscribe(ctx, c.pattern, func(_ context.Context, s streams.Stored) { got <- s })
		if err != nil {
			t.Fatal(err)
		}
		c.send()
		select {
		case s := <-got:
			if s.Subject != c.want {
				t.Errorf("%s: got %s, want %s", c.pattern, s.Subject, c.want)
			}
		case <-ctx.Done():
			t.Errorf("%s: nothing came", c.pattern)
		}
		sub.Stop()
	}
}

func TestSubscribersPublishInTheSameConversation(t *testing.T) {
	t.Parallel()
	bus := streamstest.Bus(t, streamstest.Server(t))
	ctx := streamstest.Context(t)
	replies := make(chan streams.Stored, 1)
	for pattern, h := range map[string]func(context.Context, streams.Stored){
		event.SubjectChat: func(ctx context.Context, _ streams.Stored) {
			e, err := event.New(event.SubjectSendChat, event.SendChat{Message: "Done!"})
			if err == nil {
				_, err = bus.Publish(ctx, e)
			}
			if err != nil {
				t.Error(err)
			}
		},
		event.AllSends: func(_ context.Context, s streams.Stored) { replies <- s },
	} {
		sub, err := bus.Subscribe(ctx, pattern, h)
		if err != nil {
			t.Fatal(err)
		}
		defer sub.Stop()
	}
	e, err := event.New(event.SubjectChat, event.Chat{User: "alice", Message: "!roll", Channel: "main"})
	if err != nil {
		t.Fatal(err)
	}
	e.CorrelationID = "550e8400-e29b-41d4-a716-446655440000"
	ack, err := bus.Publish(ctx, e)
	if err != nil {
		t.Fatal(err)
	}
	select {
	case s := <-replies:
		if cause, _ := s.Causation(); s.CorrelationID != e.CorrelationID || cause != ack.Ref {
			t.Errorf("reply has correlation %s and cause %s", s.CorrelationID, cause)
		}
	case <-ctx.Done():
		t.Fatal("no reply came")
	}
}
