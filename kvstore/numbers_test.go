package kvstore_test

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
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
	streamstest.Slow(t, "writes thousands of records")
	server := streamstest.Server(t)
	ctx := streamstest.Context(t)
	stores := make([]*kvstore.Store, 3)
	for i := range stores {
		stores[i] = openStore(t, jetStream(t, streamstest.Connect(t, server)))
	}
	numbers := numbers{given: map[event.ID]int{}, own: map[event.ID]bool{}}
	var wait sync.WaitGroup
	for w := range 9 {
		random := rand.New(rand.NewPCG(1, uint64(w)))
		wait.Go(func() {
			for range 40 {
				numbers.use(t, stores[w%len(stores)], random)
			}
		})
	}
	wait.Wait()
	highest := int64(0)
	for id, times := range numbers.given {
		if times != 1 {
			t.Errorf("%s was given %d times", id, times)
		}
		n, _ := id.Int()
		highest = max(highest, n)
	}
	if len(numbers.given) != 9*40 {
		t.Errorf("%d numbers were given", len(numbers.given))
	}

	// A fresh instance goes on above everything that ever was.
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
}

// No id that a client uses ends the numbering, also where an earlier release went on
// from it.
func TestNumbersSurviveAnyID(t *testing.T) {
	t.Parallel()
	s, js := newStore(t)
	ctx := streamstest.Context(t)
	set(t, s, "c", "41", `{}`)
	for i, id := range []event.ID{"9223372036854775807", "9223372036854775806", "-9223372036854775808", "9007199254740993"} {
		set(t, s, "c", id, `{}`)
		if w := set(t, s, "c", "", `{}`); w.ID != event.IntID(int64(42+i)) {
			t.Errorf("after %s comes %s", id, w.ID)
		}
	}
	_, err := s.Set(ctx, event.Set{Collection: "c", ID: "\xed\xa0\x80", Data: json.RawMessage(`{}`)}) // half of a surrogate pair
	if event.CodeOf(err) != event.InvalidInput || !strings.Contains(err.Error(), "is not valid UTF-8") {
		t.Errorf("half of a surrogate pair as an id: %v", err)
	}
	if w := set(t, s, "c", "", `{}`); w.ID != "46" {
		t.Errorf("after a refused id comes %s", w.ID)
	}
	set(t, s, "c", "4503599627370496", `{}`)
	for i := range 2 {
		if w := set(t, s, "c", "", `{}`); w.ID != event.IntID(4503599627370497+int64(i)) {
			t.Errorf("after 1<<52 comes %s", w.ID)
		}
	}

	set(t, s, "old", "", `{}`)
	set(t, s, "old", "5", `{}`)
	kv, err := js.KeyValue(ctx, "db_old")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kv.PutString(ctx, "=counter", "9223372036854775807"); err != nil {
		t.Fatal(err)
	}
	if w := set(t, openStore(t, js), "old", "", `{}`); w.ID != "6" {
		t.Errorf("after a counter at its end comes %s", w.ID)
	}
}

// numbers are those that were given, and those that clients used.
type numbers struct {
	mu    sync.Mutex
	given map[event.ID]int
	own   map[event.ID]bool
}

// use inserts a record, and deletes it, uses a number of the client's own or compacts
// the collection, as random says.
func (n *numbers) use(t *testing.T, s *kvstore.Store, random *rand.Rand) {
	ctx := streamstest.Context(t)
	w, err := s.Set(ctx, event.Set{Collection: "c", Data: json.RawMessage(`{}`)})
	if err != nil {
		t.Error(err)
		return
	}
	n.mu.Lock()
	if n.given[w.ID]++; n.own[w.ID] {
		t.Errorf("%s was given after a client had used it", w.ID)
	}
	n.mu.Unlock()
	switch random.IntN(6) {
	case 0:
		if _, err := s.Delete(ctx, event.Delete{Collection: "c", ID: w.ID}); err != nil {
			t.Error(err)
		}
	case 1:
		given, _ := w.ID.Int()
		n.useOwn(t, s, event.IntID(given+int64(random.IntN(5))))
	case 2:
		if random.IntN(8) > 0 {
			return
		}
		if _, err := s.Compact(ctx, "c", 0); err != nil {
			t.Error(err)
		}
	}
}

// useOwn has a client use and delete a number that is about to be given.
func (n *numbers) useOwn(t *testing.T, s *kvstore.Store, id event.ID) {
	ctx := streamstest.Context(t)
	_, err := s.Set(ctx, event.Set{Collection: "c", ID: id, Data: json.RawMessage(`{}`), IfRevision: revision(0)})
	if err == nil {
		n.mu.Lock()
		n.own[id] = true
		n.mu.Unlock()
		_, err = s.Delete(ctx, event.Delete{Collection: "c", ID: id})
	}
	if err != nil && event.CodeOf(err) != event.DatabaseError && event.CodeOf(err) != event.RecordNotFound {
		t.Error(err)
	}
}
