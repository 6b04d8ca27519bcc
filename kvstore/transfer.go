package kvstore

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/telemetry/propagation"
)

// Export writes a collection's records, one JSON object a line, in the order in
// which they were last written: a snapshot. It reads them all before it writes the
// first, into a temporary file. As it reads it calls progress, which may be nil,
// with the number so far and, deleted ones counted, of all; both begin again where
// the reading has to. It returns the number of records.
func (s *Store) Export(ctx context.Context, collection string, w io.Writer, progress func(done, total int)) (records int, err error) {
	if progress == nil {
		progress = func(int, int) {}
	}
	lines, err := newSpool()
	if err != nil {
		return 0, s.failure(ctx, "export", collection, err)
	}
	defer func() { err = errors.Join(err, lines.remove()) }()
	err = s.with(ctx, "export", collection, false, func(b *bucket) error {
		done, total := 0, 0
		return b.scan(ctx, false, func(n int) {
			done, total, records = 0, n, 0
			lines.restart()
		}, func(id event.ID, e entry) error {
			if done++; !e.deleted() {
				data, err := canonical(e.data, id)
				if err != nil {
					return corrupt(collection, id, err)
				}
				records++
				if err := lines.add(data); err != nil {
					return err
				}
			}
			progress(done, total)
			return nil
		})
	})
	if errors.Is(err, errNoBucket) {
		return 0, event.Errorf(event.RecordNotFound, "collection %s does not exist", collection).With("collection", collection)
	}
	if err == nil {
		err = lines.copyTo(w)
	}
	if err != nil {
		return 0, s.failure(ctx, "export", collection, err)
	}
	return records, nil
}

// A spool keeps lines in a temporary file until it is certain that they are right:
// a scan that has to start again has read some that it reads again, and some of
// records that are deleted by then.
type spool struct {
	file *os.File
	out  *bufio.Writer
	err  error // of the last restart
}

func newSpool() (*spool, error) {
	file, err := os.CreateTemp("", "rosey-export-")
	if err != nil {
		return nil, spooled(err)
	}
	return &spool{file: file, out: bufio.NewWriterSize(file, 64<<10)}, nil
}

// restart forgets the lines.
func (s *spool) restart() {
	s.out.Reset(s.file)
	_, err := s.file.Seek(0, io.SeekStart)
	s.err = errors.Join(err, s.file.Truncate(0))
}

func (s *spool) add(line []byte) error {
	err := s.err
	if err == nil {
		_, err = s.out.Write(line)
	}
	if err == nil {
		err = s.out.WriteByte('\n')
	}
	return spooled(err)
}

func spooled(err error) error {
	if err != nil {
		return fmt.Errorf("keep the records in a temporary file (set TMPDIR to put it elsewhere): %w", err)
	}
	return nil
}

func (s *spool) copyTo(w io.Writer) error {
	err := errors.Join(s.err, s.out.Flush())
	if err == nil {
		_, err = s.file.Seek(0, io.SeekStart)
	}
	if err != nil {
		return spooled(err)
	}
	if _, err := io.Copy(w, s.file); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	return nil
}

func (s *spool) remove() error {
	return errors.Join(s.file.Close(), os.Remove(s.file.Name()))
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
	if correlation := propagation.Correlation(ctx); correlation != "" {
		msg.Header = nats.Header{propagation.HeaderCorrelation: {correlation}}
	}
	return b.store.js.PublishMsgAsync(msg, jetstream.WithStallWait(requestTimeout), jetstream.WithRetryAttempts(0))
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
	case <-time.After(requestTimeout):
		return nats.ErrTimeout
	}
}
