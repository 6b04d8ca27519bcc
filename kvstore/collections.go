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
		return nil, s.failure(ctx, "list", "collections", err)
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
		if v, f := b.views.existing(); v != nil && f.catchUp(ctx) == nil {
			n = v.Len()
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

// insertTime is what an insert takes at the most, unless its server is away.
const insertTime = 200 * time.Millisecond

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Compact forgets the records that were deleted longer ago than age, history and
// all. Their numbers are still not given again. It returns how many there were.
func (s *Store) Compact(ctx context.Context, collection string, age time.Duration) (int, error) {
	removed := 0
	until := time.Now().Add(-age)
	err := s.with(ctx, "compact", collection, false, func(b *bucket) error {
		markers := map[event.ID]uint64{}
		err := b.lastEntries(ctx, func() { clear(markers) }, func(e entry) {
			if e.deleted() && !e.time.After(until) {
				markers[e.id] = e.revision
			} else {
				delete(markers, e.id)
			}
		})
		if err != nil {
			return err
		}
		if len(markers) == 0 {
			return nil
		}
		// An insert may be under way with a number that a client used and deleted since;
		// it fails, and takes the next, as long as the marker is there.
		if err := pause(ctx, insertTime); err != nil {
			return err
		}
		for id, revision := range markers {
			// Only up to the marker: the record may exist again.
			if err := b.stream.Purge(ctx, jetstream.WithPurgeSubject(b.subject(id)), jetstream.WithPurgeSequence(revision+1)); err != nil {
				return err
			}
			removed++
		}
		return nil
	})
	if errors.Is(err, errNoBucket) {
		return 0, nil
	}
	return removed, err
}
