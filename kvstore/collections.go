package kvstore

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
)

// Collection is a collection and its size.
type Collection struct {
	Name  string `json:"collection"`
	Count int    `json:"count"` // records
	Bytes uint64 `json:"bytes"` // on disk, history included
}

// Collections lists the collections by name.
func (s *Store) Collections(ctx context.Context) ([]Collection, error) {
	var out []Collection
	list := s.js.ListStreams(ctx, jetstream.WithStreamListSubject("$KV.>"))
	for info := range list.Info() {
		if name, ok := strings.CutPrefix(info.Config.Name, streamName("")); ok && checkCollection(name) == nil {
			out = append(out, Collection{Name: name, Bytes: info.State.Bytes})
		}
	}
	if err := list.Err(); err != nil {
		return nil, s.failure("list", "collections", err)
	}
	for i := range out {
		var err error
		if out[i].Count, err = s.count(ctx, out[i].Name); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// count returns the number of a collection's records, 0 for one that does not exist.
func (s *Store) count(ctx context.Context, collection string) (n int, err error) {
	err = s.with(ctx, "count", collection, false, func(b *bucket) error {
		if s, f := b.views.existing(); s != nil && f.catchUp(ctx) == nil {
			n = s.view.Len()
			return nil
		}
		revisions, err := b.revisions(ctx)
		n = len(revisions)
		return err
	})
	if errors.Is(err, errNoBucket) {
		return 0, nil // deleted since it was listed
	}
	return n, err
}

// Compact forgets the records that were deleted longer ago than age, history and
// all, and returns how many there were. Their numbers are still not given again.
func (s *Store) Compact(ctx context.Context, collection string, age time.Duration) (int, error) {
	removed := 0
	until := time.Now().Add(-age)
	err := s.with(ctx, "compact", collection, false, func(b *bucket) error {
		markers := map[event.ID]entry{}
		err := b.lastEntries(ctx, func() { clear(markers) }, func(e entry) {
			if e.deleted() && !e.time.After(until) {
				markers[e.id] = e
			} else {
				delete(markers, e.id)
			}
		})
		if err != nil {
			return err
		}
		for _, marker := range markers {
			purged, err := b.purge(ctx, marker)
			if err != nil {
				return err
			}
			if purged {
				removed++
			}
		}
		return nil
	})
	if errors.Is(err, errNoBucket) {
		return 0, nil
	}
	return removed, err
}

// purge removes a deleted record's entries up to its marker, for the record may exist
// again. The marker of a number that a client chose stays: an instance may have taken
// that number from the counter before, and not inserted with it yet. It is the marker
// that makes its insert fail then, however late it comes. A number is taken only once,
// so nobody holds one that was inserted with.
func (b *bucket) purge(ctx context.Context, marker entry) (purged bool, err error) {
	below := marker.revision + 1
	if _, isNumber := marker.id.Int(); isNumber && !marker.inserted() {
		first, err := b.next(ctx, b.subject(marker.id), 1)
		if err != nil {
			return false, err
		}
		if !first.inserted() {
			below = marker.revision
		}
		if first.revision == 0 || first.revision >= below {
			return false, nil
		}
	}
	return true, b.stream.Purge(ctx, jetstream.WithPurgeSubject(b.subject(marker.id)), jetstream.WithPurgeSequence(below))
}
