package kvstore_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/kvstore/query"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// Any limit will do, and none leaves out records without a word.
func TestLargeLimit(t *testing.T) {
	t.Parallel()
	s, js := newStore(t)
	ctx := streamstest.Context(t)
	set(t, s, "c", "1", `{}`)
	limit, all := 1_000_000, query.MaxLimit+1
	if r, err := s.Query(ctx, event.Query{Collection: "c", Limit: &limit}); err != nil || len(r.Rows) != 1 {
		t.Errorf("of one record it found %d, %v", len(r.Rows), err)
	}
	for i := 2; i <= all; i++ {
		if _, err := js.PublishAsync(fmt.Sprintf("$KV.db_c.%d", i), []byte(`{}`), jetstream.WithStallWait(time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	<-js.PublishAsyncComplete()
	one := 1
	for _, c := range []struct {
		query event.Query
		found int
		code  event.Code
	}{
		{event.Query{Limit: &limit}, 0, event.InvalidInput},
		{event.Query{Limit: &all}, 0, event.InvalidInput},
		{event.Query{Limit: &limit, Offset: &one}, query.MaxLimit, ""},
		{event.Query{Limit: &limit, Filter: json.RawMessage(`{"id":{"$lt":100}}`)}, 99, ""},
	} {
		c.query.Collection = "c"
		if r, err := s.Query(ctx, c.query); event.CodeOf(err) != c.code || len(r.Rows) != c.found {
			t.Errorf("limit %d offset %v filter %s: %d records, %v", *c.query.Limit, c.query.Offset, c.query.Filter, len(r.Rows), err)
		}
	}
}
