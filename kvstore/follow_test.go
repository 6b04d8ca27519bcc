package kvstore

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// A request that holds a bucket which another one forgets does not follow it
// again, where nobody would ever stop that, but opens the collection anew.
func TestForgottenBucketIsNotFollowed(t *testing.T) {
	t.Parallel()
	ctx := streamstest.Context(t)
	held := openBucket(t, streamstest.Connect(t, streamstest.Server(t)))
	s := held.store
	if _, err := s.Set(ctx, event.Set{Collection: "c", ID: "r", Data: json.RawMessage(`{}`)}); err != nil {
		t.Fatal(err)
	}
	s.forget(ctx, held)
	if _, err := held.views.current(ctx); !isGone(err) {
		t.Errorf("a query of a forgotten bucket: %v", err)
	}
	info, err := held.info(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if view(held) != nil || info.State.Consumers != 0 {
		t.Errorf("a forgotten bucket has a view: %v, and %d consumers", view(held) != nil, info.State.Consumers)
	}

	var seen []*bucket
	err = s.with(ctx, "query", "c", false, func(b *bucket) error {
		if seen = append(seen, b); len(seen) == 1 {
			s.forget(ctx, b)
		}
		v, err := b.views.current(ctx)
		if err == nil && v.Len() != 1 {
			t.Errorf("%d records", v.Len())
		}
		return err
	})
	if err != nil || len(seen) != 2 || seen[0] == seen[1] {
		t.Fatalf("%d buckets were tried: %v", len(seen), err)
	}

	s.Close()
	if _, err := s.Query(ctx, event.Query{Collection: "c"}); event.CodeOf(err) != event.DatabaseError {
		t.Errorf("a query of a closed store: %v", err)
	}
	if _, err := seen[1].views.current(ctx); !isGone(err) || view(seen[1]) != nil {
		t.Errorf("a query of a closed store's bucket: %v", err)
	}
}

// Who waits for a view to catch up learns that nothing feeds it any more.
func TestStoppedViewIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	ctx := streamstest.Context(t)
	b := openBucket(t, streamstest.Connect(t, streamstest.Server(t)))
	if _, err := b.views.current(ctx); err != nil {
		t.Fatal(err)
	}
	_, f := b.views.existing()
	b.views.close()
	if _, err := b.store.Set(ctx, event.Set{Collection: "c", ID: "r", Data: json.RawMessage(`{}`)}); err != nil {
		t.Fatal(err)
	}
	if err := f.catchUp(ctx); !errors.Is(err, errLost) {
		t.Errorf("catching up with what does not come: %v", err)
	}
}

func view(b *bucket) *share {
	s, _ := b.views.existing()
	return s
}
