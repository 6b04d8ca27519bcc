package kvstore

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
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
// are there: each with the id that it has, or without one under a number that no line
// has. It reads r twice: nothing is written unless every line is a record that is as
// the fields say. An error names the line; what came before it is written. After each
// chunk Import calls progress, which may be nil, with the number of records so far.
func (s *Store) Import(ctx context.Context, collection string, r io.ReadSeeker, fields []event.Field, progress func(done int)) (done int, err error) {
	start, err := r.Seek(0, io.SeekCurrent)
	if err != nil {
		return 0, fmt.Errorf("read the records: %w", err)
	}
	var highest int64
	for l, err := range lines(collection, r, fields) {
		if err != nil {
			return 0, err
		}
		n, _ := l.id.Int()
		highest = max(highest, n)
	}
	if err := s.Reserve(ctx, collection, highest); err != nil {
		return 0, err
	}
	if _, err := r.Seek(start, io.SeekStart); err != nil {
		return 0, fmt.Errorf("read the records again: %w", err)
	}
	var chunk []line
	flush := func() error {
		n, err := s.importChunk(ctx, collection, chunk)
		if done, chunk = done+n, chunk[:0]; err == nil && progress != nil {
			progress(done)
		}
		return err
	}
	for l, err := range lines(collection, r, fields) {
		if err != nil {
			return done, errors.Join(flush(), err)
		}
		if chunk = append(chunk, l); len(chunk) == importChunk {
			if err := flush(); err != nil {
				return done, err
			}
		}
	}
	return done, flush()
}

type line struct {
	number int
	id     event.ID
	data   jsondoc.Value
}

// byteOrderMark is what some editors write in front of UTF-8.
const byteOrderMark = "\ufeff"

// lines yields the records of JSON lines, until one is none.
func lines(collection string, r io.Reader, fields []event.Field) iter.Seq2[line, error] {
	return func(yield func(line, error) bool) {
		in := bufio.NewScanner(r)
		in.Buffer(make([]byte, 0, 64<<10), maxLine)
		number := 1
		for ; in.Scan(); number++ {
			text := bytes.TrimSpace(bytes.TrimPrefix(in.Bytes(), []byte(byteOrderMark)))
			if len(text) == 0 {
				continue
			}
			id, data, err := importable(collection, text, fields)
			if err != nil {
				err = fmt.Errorf("line %d: %w", number, err)
			}
			if !yield(line{number, id, data}, err) || err != nil {
				return
			}
		}
		if in.Err() != nil {
			yield(line{}, fmt.Errorf("line %d: %w", number, in.Err()))
		}
	}
}

func importable(collection string, text []byte, fields []event.Field) (id event.ID, data jsondoc.Value, err error) {
	if data, err = jsondoc.ParseObject(text); err == nil {
		err = checkFields(&data, fields)
		if n := data.Member("id"); n != nil && err == nil {
			if err = id.UnmarshalJSON([]byte(n.String())); err != nil {
				err = fmt.Errorf("has an id that %w", err)
			}
		}
	}
	if err != nil {
		return "", data, event.Errorf(event.InvalidInput, "the record %w", err).With("collection", collection)
	}
	return id, data, checkID(collection, id)
}

// importChunk writes lines, those that have an id without waiting for each other. It
// repeats only writes that had no responder.
func (s *Store) importChunk(ctx context.Context, collection string, chunk []line) (done int, err error) {
	sent := make([]jetstream.PubAckFuture, len(chunk))
	failures := make([]error, len(chunk))
	for i, l := range chunk {
		failures[i] = s.with(ctx, "import", collection, true, func(b *bucket) (err error) {
			if l.id == "" {
				_, err = b.insert(ctx, &l.data)
			} else {
				sent[i], err = b.send(ctx, l.id, l.data.Document(l.id))
			}
			return err
		})
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
			return i, fmt.Errorf("line %d: %w", l.number, s.failure("import", collection, failures[i]))
		}
	}
	return len(chunk), nil
}

// send writes a record without waiting for the answer. It does not repeat a write
// without responder, which would come after what is sent next.
func (b *bucket) send(ctx context.Context, id event.ID, data []byte) (jetstream.PubAckFuture, error) {
	if err := b.checkSize(data); err != nil {
		return nil, err
	}
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
