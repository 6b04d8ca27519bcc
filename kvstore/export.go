package kvstore

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/rosey-bot/rosey/event"
)

// Export writes a collection's records, one JSON object a line, in the order in
// which they were last written: each that there was when it was called, once, at that
// revision or a newer one. As it writes it calls progress, which may be nil, with the
// number so far and of all. It returns the number of records. Records are written
// before an error is found; w then has those in front of it.
func (s *Store) Export(ctx context.Context, collection string, w io.Writer, progress func(done, total int)) (records int, err error) {
	out := bufio.NewWriterSize(w, 64<<10)
	var revisions map[event.ID]uint64 // of the records that are left to write
	total := 0
	err = s.with(ctx, "export", collection, false, func(b *bucket) (err error) {
		if revisions == nil {
			if revisions, err = b.revisions(ctx); err != nil {
				return err
			}
			total = len(revisions)
		}
		return b.scan(ctx, revisions, func(e entry) error {
			data, err := e.document()
			if err != nil {
				return corrupt(collection, e.id, err)
			}
			if _, err := out.Write(append(data, '\n')); err != nil {
				return fmt.Errorf("write: %w", err)
			}
			if records++; progress != nil {
				progress(records, total)
			}
			return nil
		})
	})
	if errors.Is(err, errNoBucket) {
		return 0, event.Errorf(event.RecordNotFound, "collection %s does not exist", collection).With("collection", collection)
	}
	if err == nil {
		err = out.Flush()
	}
	if err != nil {
		return 0, s.failure("export", collection, err)
	}
	return records, nil
}
