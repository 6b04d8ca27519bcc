package plugins

import (
	"context"
	"errors"
	"time"

	"github.com/rosey-bot/rosey/consumers"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/retry"
	"github.com/rosey-bot/rosey/streams"
)

// PastBatch is how many events of the past are handled before what they changed is stored.
// Each record keeps which of them changed it (see pruneEarlier), so that a batch that a
// crash repeats changes nothing twice.
const PastBatch = 100

const (
	// maxFlush is about how many bytes of records are stored by one request.
	maxFlush = 256 << 10
	// flushTimeout is how long an outage of the database may last before the plugin restarts.
	flushTimeout = time.Minute
)

// pastWrites holds the records that Change changes while a batch of events of the
// past is handled: a record that many of them change is stored once.
type pastWrites struct {
	publisher consumers.Publisher
	records   map[recordKey]stored
	changed   []recordKey // in the order of their first change
}

type recordKey struct {
	collection string
	id         event.ID
}

func newPastWrites(p consumers.Publisher) *pastWrites {
	return &pastWrites{publisher: p, records: map[recordKey]stored{}}
}

// get returns a record that was changed.
func (w *pastWrites) get(collection string, id event.ID) (stored, bool) {
	if w == nil {
		return stored{}, false
	}
	r, ok := w.records[recordKey{collection, id}]
	return r, ok
}

// put keeps a record that was changed.
func (w *pastWrites) put(collection string, id event.ID, s stored) {
	key := recordKey{collection, id}
	if _, again := w.records[key]; !again {
		w.changed = append(w.changed, key)
	}
	w.records[key] = s
}

// flush stores the changed records. If others have changed one since it was read, it
// returns consumers.ErrRepeatBatch. It keeps no record: those that it has stored know
// which events have changed them.
func (w *pastWrites) flush(ctx context.Context) error {
	var batch event.Batch
	size := 0
	send := func() error {
		if len(batch.Operations) == 0 {
			return nil
		}
		policy := retry.Policy{Initial: 100 * time.Millisecond, Max: 5 * time.Second, MaxElapsed: flushTimeout, If: func(err error) bool { return !refused(err) }}
		err := retry.Do(ctx, policy, func(ctx context.Context) error {
			_, err := w.publisher.Request(ctx, event.SubjectBatch, batch, streams.WithRetry(flushTimeout))
			return err
		})
		batch.Operations, size = nil, 0
		return err
	}
	defer func() { clear(w.records); w.changed = nil }()
	for _, key := range w.changed {
		set, err := w.records[key].set(key.collection, key.id)
		if err != nil {
			return err
		}
		op, err := event.Encode(struct {
			Op string `json:"op"`
			event.Set
		}{"set", set})
		if err != nil {
			return err
		}
		batch.Operations = append(batch.Operations, op)
		if size += len(op); size > maxFlush || len(batch.Operations) == event.MaxBatch {
			if err := send(); err != nil {
				return repeat(err)
			}
		}
	}
	return repeat(send())
}

// refused reports whether the database answered that operations of a batch failed.
func refused(err error) bool {
	e, ok := errors.AsType[*event.Error](err)
	if !ok {
		return false
	}
	_, ok = e.Details["failed"]
	return ok || e.Code == event.InvalidInput || e.Code == event.PermissionDenied
}

func repeat(err error) error {
	if err == nil {
		return nil
	}
	return errors.Join(consumers.ErrRepeatBatch, err)
}
