package streams

import (
	"context"
	"time"
)

// moment is what a cluster is given to know the outcome of what it has just begun.
const moment = 50 * time.Millisecond

// settled is what do returns, called again after each moment in which its error is
// one of a cluster that has not made up its mind. When ctx ends it is the last.
func settled[T any](ctx context.Context, unsettled func(error) bool, do func() (T, error)) (T, error) {
	for {
		v, err := do()
		if err == nil || !unsettled(err) {
			return v, err
		}
		select {
		case <-time.After(moment):
		case <-ctx.Done():
			return v, err
		}
	}
}
