package kvstore_test

import (
	"encoding/json"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/kvstore"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// No number is given twice: not with several instances, not across deletes and
// compactions, not when clients use numbers of their own.
func TestNumbersAreNeverGivenTwice(t *testing.T) {
	t.Parallel()
	server := streamstest.Server(t)
	ctx := streamstest.Context(t)
	stores := make([]*kvstore.Store, 3)
	for i := range stores {
		stores[i] = openStore(t, jetStream(t, streamstest.Connect(t, server)))
	}
	var mu sync.Mutex
	given := map[event.ID]int{}
	own := map[event.ID]bool{}
	var wait sync.WaitGroup
	for w := range 9 {
		s := stores[w%len(stores)]
		random := rand.New(rand.NewPCG(1, uint64(w)))
		wait.Go(func() {
			for range 40 {
				wr, err := s.Set(ctx, event.Set{Collection: "c", Data: json.RawMessage(`{}`)})
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				if given[wr.ID]++; own[wr.ID] {
					t.Errorf("%s was given after a client had used it", wr.ID)
				}
				mu.Unlock()
				switch random.IntN(6) {
				case 0:
					if _, err := s.Delete(ctx, event.Delete{Collection: "c", ID: wr.ID}); err != nil {
						t.Error(err)
					}
				case 1: // a number that is about to be given
					n, _ := wr.ID.Int()
					id := event.IntID(n + int64(random.IntN(5)))
					_, err := s.Set(ctx, event.Set{Collection: "c", ID: id, Data: json.RawMessage(`{}`), IfRevision: revision(0)})
					if err == nil {
						mu.Lock()
						own[id] = true
						mu.Unlock()
						_, err = s.Delete(ctx, event.Delete{Collection: "c", ID: id})
					}
					if err != nil && event.CodeOf(err) != event.DatabaseError && event.CodeOf(err) != event.RecordNotFound {
						t.Error(err)
					}
				case 2:
					if random.IntN(8) == 0 {
						if _, err := s.Compact(ctx, "c", 0); err != nil {
							t.Error(err)
						}
					}
				}
			}
		})
	}
	wait.Wait()
	for id, n := range given {
		if n != 1 {
			t.Errorf("%s was given %d times", id, n)
		}
	}
	if len(given) != 9*40 {
		t.Errorf("%d numbers were given", len(given))
	}

	// A fresh instance goes on above everything that ever was.
	highest := int64(0)
	for id := range given {
		n, _ := id.Int()
		highest = max(highest, n)
	}
	set(t, stores[0], "c", event.IntID(highest+1000), `{}`)
	if _, err := stores[1].Delete(ctx, event.Delete{Collection: "c", ID: event.IntID(highest + 1000)}); err != nil {
		t.Fatal(err)
	}
	if _, err := stores[2].Compact(ctx, "c", 0); err != nil {
		t.Fatal(err)
	}
	fresh := openStore(t, jetStream(t, streamstest.Connect(t, server)))
	if w := set(t, fresh, "c", "", `{}`); w.ID != event.IntID(highest+1001) {
		t.Errorf("after %d was used and forgotten comes %s", highest+1000, w.ID)
	}
	set(t, fresh, "c", "9223372036854775807", `{}`)
	if _, err := fresh.Set(ctx, event.Set{Collection: "c", Data: json.RawMessage(`{}`)}); event.CodeOf(err) != event.DatabaseError {
		t.Errorf("after the last number: %v", err)
	}
}
