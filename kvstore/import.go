package kvstore

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/kvstore/jsondoc"
	"github.com/rosey-bot/rosey/telemetry/propagation"
)

// Lines of an import, and how many are written at a time.
const (
	maxLine     = 16 << 20
	importChunk = 1000
)

// Import writes records from JSON lines, as Export makes them, over those that
// are there: each with the id that it has, or the next number without one. A record
// whose number a later line has as its id moves to another number. After
// each chunk it calls progress, which may be nil, with the number of records so
// far. An error names the line; what came before it is written.
func (s *Store) Import(ctx context.Context, collection string, r io.Reader, progress func(done int)) (int, error) {
	if progress == nil {
		progress = func(int) {}
	}
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 64<<10), maxLine)
	done, number := 0, 0
	given := map[event.ID]bool{}
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
		n, err := s.importChunk(ctx, collection, chunk, given)
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
	data   jsondoc.Value
}

func importable(collection string, text []byte) (event.ID, jsondoc.Value, error) {
	invalid := func(err error) error {
		return event.Errorf(event.InvalidInput, "the record %w", err).With("collection", collection)
	}
	data, err := jsondoc.ParseObject(text)
	if err != nil {
		return "", jsondoc.Value{}, invalid(err)
	}
	var id event.ID
	if n := data.Member("id"); n != nil {
		if err := id.UnmarshalJSON([]byte(n.String())); err != nil {
			return "", jsondoc.Value{}, invalid(fmt.Errorf("has an id that %w", err))
		}
	}
	return id, data, checkID(collection, id)
}

// importChunk writes lines, those that have an id without waiting for each other. It
// repeats only writes that had no responder. Given has the numbers that the import gave
// to lines without an id.
func (s *Store) importChunk(ctx context.Context, collection string, chunk []line, given map[event.ID]bool) (done int, err error) {
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
	for _, l := range chunk {
		if given[l.id] {
			if err := s.moveGiven(ctx, collection, l.id, given); err != nil {
				return 0, fmt.Errorf("line %d: %w", l.number, err)
			}
		}
	}
	sent := make([]jetstream.PubAckFuture, len(chunk))
	failures := make([]error, len(chunk))
	for i, l := range chunk {
		if l.id == "" {
			failures[i] = s.with(ctx, "import", collection, true, func(b *bucket) error {
				w, err := b.insert(ctx, &l.data)
				given[w.ID] = err == nil
				return err
			})
		} else {
			sent[i], failures[i] = b.send(ctx, l.id, l.data.Document(l.id))
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
		} else if !noResponders(failures[i]) {
			break
		}
	}
	for i, l := range chunk {
		if sent[i] != nil && noResponders(failures[i]) {
			failures[i] = nil
			if written[l.id] <= i { // else the record is what a later line made it
				_, failures[i] = s.Set(ctx, event.Set{Collection: collection, ID: l.id, Data: l.data.Document(l.id)})
			}
		}
		if failures[i] != nil {
			return i, fmt.Errorf("line %d: %w", l.number, s.failure(ctx, "import", collection, failures[i]))
		}
	}
	return len(chunk), nil
}

// moveGiven gives a record that the import gave a number the next one instead.
func (s *Store) moveGiven(ctx context.Context, collection string, id event.ID, given map[event.ID]bool) error {
	return s.with(ctx, "import", collection, true, func(b *bucket) error {
		e, err := b.last(ctx, b.subject(id))
		if err != nil {
			return err
		}
		if e.live() != 0 {
			record, err := jsondoc.ParseObject(e.data)
			if err != nil {
				return corrupt(collection, id, err)
			}
			w, err := b.insert(ctx, &record)
			if err != nil {
				return err
			}
			given[w.ID] = true
		}
		delete(given, id)
		return nil
	})
}

// send writes a record without waiting for the answer. It does not repeat a write
// without responder, which would come after what is sent next.
func (b *bucket) send(ctx context.Context, id event.ID, data []byte) (jetstream.PubAckFuture, error) {
	msg := &nats.Msg{Subject: b.subject(id), Data: data}
	if correlation := propagation.Correlation(ctx); correlation != "" {
		msg.Header = nats.Header{propagation.HeaderCorrelation: {correlation}}
	}
	return b.store.js.PublishMsgAsync(msg, jetstream.WithStallWait(RequestTimeout), jetstream.WithRetryAttempts(0))
}

// acknowledged waits for the answer to what was sent: one that was lost never comes.
func acknowledged(ctx context.Context, ack jetstream.PubAckFuture) error {
	select {
	case <-ack.Ok():
		return nil
	case err := <-ack.Err():
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(RequestTimeout):
		return nats.ErrTimeout
	}
}
