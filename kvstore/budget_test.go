package kvstore

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// The views of all collections share one limit. Those that were least recently queried
// make room, and are made again when they are queried.
func TestViewsShareTheMemoryLimit(t *testing.T) {
	t.Parallel()
	const collections, records, limit = 6, 20, 50_000 // a view takes some 22 kB
	s := openBucket(t, streamstest.Connect(t, streamstest.Server(t)), WithMemoryLimit(limit)).store
	for c := range collections {
		for range records {
			data := fmt.Sprintf(`{"text":%q}`, strings.Repeat("x", 1000))
			if _, err := s.Set(streamstest.Context(t), event.Set{Collection: name(c), Data: json.RawMessage(data)}); err != nil {
				t.Fatal(err)
			}
		}
	}
	for round := range 2 {
		for c := range collections {
			queryAll(t, s, name(c), records)
			queryAll(t, s, name(0), records) // stays, since it is used most
			if cached(s, name(0)) == 0 || cached(s, name(c)) == 0 {
				t.Errorf("round %d: %s and %s have %d and %d bytes", round, name(0), name(c), cached(s, name(0)), cached(s, name(c)))
			}
			if s.memory.total > limit || len(s.memory.shares) > 2 {
				t.Errorf("round %d: %d views take %d bytes", round, len(s.memory.shares), s.memory.total)
			}
		}
	}
	s.Close()
	if s.memory.total != 0 || len(s.memory.shares) != 0 {
		t.Errorf("a closed store has %d views of %d bytes", len(s.memory.shares), s.memory.total)
	}
}

func name(c int) string { return fmt.Sprint("c", c) }

func queryAll(t *testing.T, s *Store, collection string, records int) {
	t.Helper()
	r, err := s.Query(streamstest.Context(t), event.Query{Collection: collection, Explain: true})
	if err != nil || r.Count != records || r.Explain.Plan != "scan" {
		t.Errorf("%s has %d records by %s: %v", collection, r.Count, r.Explain.Plan, err)
	}
}

// cached returns how many bytes of the budget the collection's view takes.
func cached(s *Store, collection string) int64 {
	of, _ := s.buckets[collection].views.existing()
	s.memory.mu.Lock()
	defer s.memory.mu.Unlock()
	if slices.Contains(s.memory.shares, of) {
		return of.bytes
	}
	return 0
}
