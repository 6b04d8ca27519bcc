package kvstore_test

import (
	"encoding/json"
	"log/slog"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/kvstore"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// newStore opens a store on a server of its own.
func newStore(t testing.TB, opts ...kvstore.Option) (*kvstore.Store, jetstream.JetStream) {
	t.Helper()
	js := jetStream(t, streamstest.Connect(t, streamstest.Server(t)))
	return openStore(t, js, opts...), js
}

func openStore(t testing.TB, js jetstream.JetStream, opts ...kvstore.Option) *kvstore.Store {
	t.Helper()
	s, err := kvstore.NewStore(js, append([]kvstore.Option{kvstore.WithLogger(quiet)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func revision(n uint64) *uint64 { return &n }

func set(t testing.TB, s *kvstore.Store, collection string, id event.ID, data string) kvstore.Written {
	t.Helper()
	w, err := s.Set(streamstest.Context(t), event.Set{Collection: collection, ID: id, Data: json.RawMessage(data)})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func get(t testing.TB, s *kvstore.Store, collection string, id event.ID) string {
	t.Helper()
	r, err := s.Get(streamstest.Context(t), event.Get{Collection: collection, ID: id})
	if event.CodeOf(err) == event.RecordNotFound {
		return ""
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(r.Data)
}

// The order of the server's checks that the store relies on: a write's expected
// sequence, its message id, the expected last message id. Should a server have
// another, this test fails.
func TestOrderOfTheServersChecks(t *testing.T) {
	t.Parallel()
	_, js := newStore(t)
	ctx := streamstest.Context(t)
	if _, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "S", Subjects: []string{"s"}}); err != nil {
		t.Fatal(err)
	}
	publish := func(id string, opts ...jetstream.PublishOpt) (*jetstream.PubAck, error) {
		return js.Publish(ctx, "s", nil, append(opts, jetstream.WithMsgID(id))...)
	}
	if _, err := publish("m", jetstream.WithExpectLastSequencePerSubject(0)); err != nil {
		t.Fatal(err)
	}
	if ack, err := publish("m", jetstream.WithExpectLastSequencePerSubject(0)); err == nil {
		t.Errorf("repeated with the first's expectation: %+v", ack)
	}
	if ack, err := publish("m", jetstream.WithExpectLastSequencePerSubject(1)); err != nil || !ack.Duplicate || ack.Sequence != 1 {
		t.Errorf("repeated with the right expectation: %+v, %v", ack, err)
	}
	if ack, err := publish("m", jetstream.WithExpectLastMsgID("nonsense")); err != nil || !ack.Duplicate || ack.Sequence != 1 {
		t.Errorf("repeated with a wrong last message id: %+v, %v", ack, err)
	}
	if ack, err := publish("n", jetstream.WithExpectLastMsgID("nonsense")); err == nil {
		t.Errorf("a wrong last message id: %+v", ack)
	}
	if ack, err := publish("n"); err != nil || ack.Duplicate {
		t.Errorf("the id of a write that failed: %+v, %v", ack, err)
	}
}

func TestRevisions(t *testing.T) {
	t.Parallel()
	s, _ := newStore(t)
	ctx := streamstest.Context(t)
	setIf := func(rev uint64) error {
		_, err := s.Set(ctx, event.Set{Collection: "c", ID: "x", Data: json.RawMessage(`{}`), IfRevision: &rev})
		return err
	}
	isConflict := func(what string, err error, expected, actual uint64) {
		t.Helper()
		e := event.AsError(err, "")
		if e == nil || e.Code != event.DatabaseError || e.Details["if_revision"] != expected || e.Details["revision"] != actual || e.Details["id"] != event.ID("x") {
			t.Errorf("%s: got %v %+v, want a conflict of %d with %d", what, err, e, expected, actual)
		}
	}
	isConflict("replace what does not exist", setIf(7), 7, 0)
	if err := setIf(0); err != nil {
		t.Fatal(err)
	}
	r, err := s.Get(ctx, event.Get{Collection: "c", ID: "x"})
	if err != nil {
		t.Fatal(err)
	}
	isConflict("create what exists", setIf(0), 0, r.Revision)
	isConflict("replace another revision", setIf(r.Revision+9), r.Revision+9, r.Revision)
	if err := setIf(r.Revision); err != nil {
		t.Error(err)
	}
	_, err = s.Set(ctx, event.Set{Collection: "c", ID: "x", Data: json.RawMessage(`{"m":1}`), Merge: true, IfRevision: &r.Revision})
	isConflict("merge into another revision", err, r.Revision, r.Revision+1)
	_, err = s.Delete(ctx, event.Delete{Collection: "c", ID: "x", IfRevision: &r.Revision})
	isConflict("delete another revision", err, r.Revision, r.Revision+1)
	if _, err = s.Delete(ctx, event.Delete{Collection: "c", ID: "x", IfRevision: revision(r.Revision + 1)}); err != nil {
		t.Error(err)
	}
	isConflict("replace what was deleted", setIf(r.Revision+1), r.Revision+1, 0)
	if err := setIf(0); err != nil {
		t.Errorf("create what was deleted: %v", err)
	}
}

var quiet = slog.New(slog.DiscardHandler)

func TestMain(m *testing.M) { streamstest.Main(m) }

func jetStream(t testing.TB, nc *nats.Conn) jetstream.JetStream {
	t.Helper()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	js := jetStream(t, streamstest.Connect(t, streamstest.Server(t)))
	if _, err := kvstore.NewStore(js, kvstore.WithReplicas(6)); err == nil {
		t.Error("6 replicas were accepted")
	}
}
