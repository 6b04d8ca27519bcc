package kvstore_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/kvstore"
	"github.com/rosey-bot/rosey/streams/streamstest"
	"github.com/rosey-bot/rosey/telemetry/propagation"
)

// Changes are all revisions in the order in which they were written, and those
// of a record that was written too often are its last.
func TestChanges(t *testing.T) {
	t.Parallel()
	ctx := streamstest.Context(t)
	js, err := jetstream.New(streamstest.Connect(t, streamstest.Server(t)))
	if err != nil {
		t.Fatal(err)
	}
	store, err := kvstore.NewStore(js, kvstore.WithHistory(3))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	read := func() (all []string, kept int) {
		t.Helper()
		kept, err := kvstore.Changes(ctx, js, "c", func(c kvstore.Change) error {
			all = append(all, fmt.Sprintf("%s %s %s", c.ID, c.Data, c.MsgID))
			if c.Deleted != (string(c.Data) == "null") || c.Time.IsZero() || c.CorrelationID != "corr" {
				t.Errorf("%+v", c)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return all, kept
	}
	if all, kept := read(); all != nil || kept != 0 {
		t.Errorf("of no collection: %v, %d", all, kept)
	}
	write := propagation.WithCorrelation(ctx, "corr")
	for i, id := range []event.ID{"", "a b", "", "a b", "a b", "a b"} {
		if _, err := store.Set(kvstore.WithMsgID(write, fmt.Sprint("id/", i)), event.Set{Collection: "c", ID: id, Data: fmt.Appendf(nil, `{"n":%d}`, i)}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := store.Delete(write, event.Delete{Collection: "c", ID: "1"}); err != nil {
		t.Fatal(err)
	}
	all, kept := read()
	want := []string{
		`1 {"id":1,"n":0} id/0`, `2 {"id":2,"n":2} id/2`,
		`a b {"id":"a b","n":3} id/3`, `a b {"id":"a b","n":4} id/4`, `a b {"id":"a b","n":5} id/5`, `1 null `,
	}
	if diff := cmp.Diff(want, all); diff != "" || kept != 3 {
		t.Errorf("%d revisions kept: %s", kept, diff)
	}
	if err := store.Reserve(ctx, "c", 40); err != nil {
		t.Fatal(err)
	}
	if err := store.Reserve(ctx, "c", 7); err != nil {
		t.Fatal(err)
	}
	if w, err := store.Set(ctx, event.Set{Collection: "c", Data: []byte(`{}`)}); err != nil || w.ID != "41" {
		t.Errorf("the next number is %s, %v; want 41", w.ID, err)
	}
}
