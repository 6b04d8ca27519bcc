package consumers

import (
	"context"
	"sync"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

// maxOverlapping limits how many events of a consumer are handled, or wait for their turn,
// at a time: each of them counts as attempted when the process dies.
const maxOverlapping = 32

// InTurn handles events of different keys beside each other, and those of one key in the
// order of their delivery. A nil key handles all events one after the other.
func InTurn(key func(streams.Stored) string) Middleware {
	return func(next Handler) Handler {
		if key == nil {
			return next
		}
		q := queues{last: map[string]chan struct{}{}}
		slots := make(chan struct{}, maxOverlapping)
		return func(ctx context.Context, d streams.Stored) ([]event.Envelope, error) {
			before, leave := q.enter(key(d)) // before the next event is read
			defer leave()
			select {
			case slots <- struct{}{}:
				defer func() { <-slots }()
			case <-ctx.Done():
			}
			ReadNext(ctx)
			select {
			case <-before:
			case <-ctx.Done():
			}
			if ctx.Err() != nil {
				return nil, &retryError{ErrStopping, 0}
			}
			return next(ctx, d)
		}
	}
}

// queues hold, by key, a channel that is closed when the last event that entered has left.
type queues struct {
	mu   sync.Mutex
	last map[string]chan struct{}
}

// enter returns a channel that is closed when the event before has left, and the function
// by which this one leaves.
func (q *queues) enter(key string) (before <-chan struct{}, leave func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	ahead, ok := q.last[key]
	if !ok {
		ahead = make(chan struct{})
		close(ahead)
	}
	own := make(chan struct{})
	q.last[key] = own
	return ahead, func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		close(own)
		if q.last[key] == own {
			delete(q.last, key)
		}
	}
}
