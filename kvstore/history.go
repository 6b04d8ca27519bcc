package kvstore

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

// Revision is a record as one write left it.
type Revision struct {
	Revision      uint64          `json:"revision"`
	Time          time.Time       `json:"time"`
	Deleted       bool            `json:"deleted"`
	Data          json.RawMessage `json:"data"` // null when deleted
	CorrelationID string          `json:"correlation_id"`
	MsgID         string          `json:"msg_id,omitempty"`
}

// History lists the revisions of a record that are kept, the oldest first, with
// the correlation ID of the request that made each. A record that never was is
// RECORD_NOT_FOUND; a deleted one has a history.
func (s *Store) History(ctx context.Context, collection string, id event.ID) ([]Revision, error) {
	if err := checkID(collection, id); err != nil {
		return nil, err
	}
	var out []Revision
	err := s.with(ctx, "history", collection, false, func(b *bucket) error {
		out = nil
		for from := uint64(1); ; {
			e, err := b.next(ctx, b.subject(id), from)
			if err != nil {
				return err
			}
			if e.revision == 0 {
				break
			}
			r := Revision{Revision: e.revision, Time: e.time, Deleted: e.deleted(), Data: json.RawMessage("null"),
				CorrelationID: e.header.Get(streams.HeaderCorrelation), MsgID: e.header.Get(jetstream.MsgIDHeader)}
			if !r.Deleted {
				if r.Data, err = canonical(e.data, id); err != nil {
					return corrupt(collection, id, err)
				}
			}
			out = append(out, r)
			from = e.revision + 1
		}
		if len(out) == 0 {
			return notFound(collection, id)
		}
		return nil
	})
	if errors.Is(err, errNoBucket) {
		err = notFound(collection, id)
	}
	return out, err
}

// count sets the number of a collection's records.
func (s *Store) count(ctx context.Context, c *Collection) error {
	err := s.with(ctx, "count", c.Name, false, func(b *bucket) error {
		if v := b.queries.current(); v != nil && v.catchUp(ctx, b) == nil {
			v.mu.RLock()
			c.Count = v.primary.tree.Len()
			v.mu.RUnlock()
			return nil
		}
		return b.scan(ctx, true, func(int) { c.Count = 0 }, func(_ event.ID, e entry) error {
			if !e.deleted() {
				c.Count++
			}
			return nil
		})
	})
	if errors.Is(err, errNoBucket) {
		return nil // deleted since it was listed
	}
	return err
}

// Export writes a collection's records, one JSON object a line, in the order in
// which they were last written: a snapshot. After each it calls progress, which
// may be nil, with the number so far and, deleted ones counted, of all. It
// returns the number of records.
func (s *Store) Export(ctx context.Context, collection string, w io.Writer, progress func(done, total int)) (int, error) {
	if progress == nil {
		progress = func(int, int) {}
	}
	written := 0
	err := s.with(ctx, "export", collection, false, func(b *bucket) error {
		done, total := 0, 0
		out := bufio.NewWriterSize(w, 64<<10)
		err := b.scan(ctx, false, func(n int) { total = n }, func(id event.ID, e entry) error {
			if done++; !e.deleted() {
				data, err := canonical(e.data, id)
				if err != nil {
					return corrupt(collection, id, err)
				}
				written++
				if _, err := out.Write(append(bytes.Clone(data), '\n')); err != nil {
					return fmt.Errorf("write: %w", err)
				}
			}
			progress(done, total)
			return nil
		})
		return errors.Join(err, out.Flush())
	})
	if errors.Is(err, errNoBucket) {
		return 0, event.Errorf(event.RecordNotFound, "collection %s does not exist", collection).With("collection", collection)
	}
	return written, err
}

// Lines of an import, and how many are written at a time.
const (
	maxLine     = 16 << 20
	importChunk = 1000
)

// Import writes records from JSON lines, as Export makes them, over those that
// are there: each with the id that it has, or the next number without one. After
// each chunk it calls progress, which may be nil, with the number of records so
// far. An error names the line; what came before it is written.
func (s *Store) Import(ctx context.Context, collection string, r io.Reader, progress func(done int)) (int, error) {
	if progress == nil {
		progress = func(int) {}
	}
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 64<<10), maxLine)
	done, number := 0, 0
	for more := true; more; {
		var chunk []line
		var bad error
		for len(chunk) < importChunk {
			if more = lines.Scan(); !more {
				break
			}
			number++
			if text := bytes.TrimSpace(lines.Bytes()); len(text) > 0 {
				l := line{number: number}
				if l.id, l.data, bad = importable(collection, text); bad != nil {
					bad = fmt.Errorf("line %d: %w", number, bad)
					more = false
					break
				}
				chunk = append(chunk, l)
			}
		}
		n, err := s.importChunk(ctx, collection, chunk)
		done += n
		if err == nil && bad == nil && lines.Err() != nil {
			bad = fmt.Errorf("line %d: %w", number+1, lines.Err())
		}
		if err == nil {
			err = bad
		}
		if err != nil {
			return done, err
		}
		progress(done)
	}
	return done, nil
}

type line struct {
	number int
	id     event.ID
	data   node
}

func importable(collection string, text []byte) (event.ID, node, error) {
	invalid := func(err error) error {
		return event.Errorf(event.InvalidInput, "the record %w", err).With("collection", collection)
	}
	data, err := parseRecord(text)
	if err != nil {
		return "", node{}, invalid(err)
	}
	var id event.ID
	if n := data.member("id"); n != nil {
		if err := id.UnmarshalJSON([]byte(n.String())); err != nil {
			return "", node{}, invalid(fmt.Errorf("has an id that %w", err))
		}
	}
	return id, data, checkID(collection, id)
}

// importChunk writes lines, those that have an id without waiting for each other.
// One that nobody was there to answer is written again, and no other.
func (s *Store) importChunk(ctx context.Context, collection string, chunk []line) (done int, err error) {
	var highest int64
	for _, l := range chunk {
		if n, ok := l.id.Int(); ok {
			highest = max(highest, n)
		}
	}
	var b *bucket
	err = s.with(ctx, "import", collection, true, func(opened *bucket) error {
		b = opened
		return b.counter.raise(ctx, b, highest)
	})
	if err != nil {
		return 0, err
	}
	sent := make([]jetstream.PubAckFuture, len(chunk))
	failures := make([]error, len(chunk))
	for i, l := range chunk {
		if l.id == "" {
			failures[i] = s.with(ctx, "import", collection, true, func(b *bucket) error {
				_, err := b.insert(ctx, &l.data)
				return err
			})
		} else {
			sent[i], failures[i] = b.send(ctx, l.id, l.data.record(l.id))
		}
		if failures[i] != nil {
			break
		}
	}

	written := map[event.ID]int{} // the last line of a record that is
	for i, ack := range sent {
		if ack == nil {
			continue
		}
		if failures[i] = acknowledged(ctx, ack); failures[i] == nil {
			written[chunk[i].id] = i
		} else if !unheard(failures[i]) {
			break
		}
	}
	for i, l := range chunk {
		if sent[i] != nil && unheard(failures[i]) {
			failures[i] = nil
			if written[l.id] <= i { // else the record is what a later line made it
				_, failures[i] = s.Set(ctx, event.Set{Collection: collection, ID: l.id, Data: l.data.record(l.id)})
			}
		}
		if failures[i] != nil {
			return i, fmt.Errorf("line %d: %w", l.number, s.failure(ctx, "import", collection, failures[i]))
		}
	}
	return len(chunk), nil
}

// send writes a record without waiting for the answer, and does not write it again
// where nobody is there to give one: that would be behind what is sent next.
func (b *bucket) send(ctx context.Context, id event.ID, data []byte) (jetstream.PubAckFuture, error) {
	msg := &nats.Msg{Subject: b.subject(id), Data: data}
	if correlation := event.Correlation(ctx); correlation != "" {
		msg.Header = nats.Header{streams.HeaderCorrelation: {correlation}}
	}
	return b.store.js.PublishMsgAsync(msg, jetstream.WithStallWait(requestTimeout), jetstream.WithRetryAttempts(0))
}

// acknowledged waits for the answer to what was sent: one that was lost never comes.
func acknowledged(ctx context.Context, ack jetstream.PubAckFuture) error {
	doubt := time.NewTimer(requestTimeout)
	defer doubt.Stop()
	select {
	case <-ack.Ok():
		return nil
	case err := <-ack.Err():
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-doubt.C:
		return nats.ErrTimeout
	}
}

// Compact forgets the records that were deleted longer ago than age, history and
// all. Their numbers are still not given again. It returns how many there were.
func (s *Store) Compact(ctx context.Context, collection string, age time.Duration) (int, error) {
	removed := 0
	err := s.with(ctx, "compact", collection, false, func(b *bucket) error {
		var markers []entry
		err := b.scan(ctx, true, func(int) { markers = nil }, func(_ event.ID, e entry) error {
			if e.deleted() && time.Since(e.time) >= age {
				markers = append(markers, e)
			}
			return nil
		})
		if err != nil {
			return err
		}
		for _, e := range markers {
			// Only up to the marker: the record may exist again.
			if err := b.stream.Purge(ctx, jetstream.WithPurgeSubject(e.subject), jetstream.WithPurgeSequence(e.revision+1)); err != nil {
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
