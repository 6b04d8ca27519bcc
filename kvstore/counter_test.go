package kvstore

import (
	"encoding/json"
	"log/slog"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// A number that an instance has taken and not used yet may be used by a client
// in the meantime. The client's record stays.
func TestInsertDoesNotReplaceARecord(t *testing.T) {
	t.Parallel()
	ctx := streamstest.Context(t)
	server := streamstest.Server(t)
	var stores []*Store
	for range 2 {
		js, err := jetstream.New(streamstest.Connect(t, server))
		if err != nil {
			t.Fatal(err)
		}
		s, err := NewStore(js, WithLogger(slog.New(slog.DiscardHandler)))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Close)
		stores = append(stores, s)
	}
	b, err := stores[0].open(ctx, "c", true)
	if err != nil {
		t.Fatal(err)
	}
	for want := int64(1); want <= 2; want++ {
		n, err := b.counter.take(ctx, b)
		if err != nil || n != want {
			t.Fatal(n, err)
		}
	}
	b.counter.give(1)
	b.counter.give(2)
	if _, err := stores[1].Set(ctx, event.Set{Collection: "c", ID: "1", Data: json.RawMessage(`{"client":true}`)}); err != nil {
		t.Fatal(err)
	}
	w, err := stores[0].Set(ctx, event.Set{Collection: "c", Data: json.RawMessage(`{}`)})
	if err != nil || w.ID != "2" {
		t.Errorf("inserted as %s, %v", w.ID, err)
	}
	if r, err := stores[0].Get(ctx, event.Get{Collection: "c", ID: "1"}); err != nil || string(r.Data) != `{"id":1,"client":true}` {
		t.Errorf("the client's record is %s, %v", r.Data, err)
	}
}
