package kvstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/retry"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/jsapi"
)

// failure returns err as a contract error.
func (s *Store) failure(op, collection string, err error) error {
	if _, ok := errors.AsType[*event.Error](err); ok {
		return err
	}
	code := event.DatabaseError
	switch err = jsapi.WrapFull(err); {
	case errors.Is(err, jsapi.ErrFull):
		return event.Errorf(code, "%s %s: %w", op, collection, err).With("collection", collection).With("reason", jsapi.ReasonFull)
	case errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) || errors.Is(err, nats.ErrTimeout):
		code = event.Timeout
	case errors.Is(err, jetstream.ErrJetStreamNotEnabled):
		err = fmt.Errorf("%w: start the server with JetStream", err)
	case jsapi.IsUnavailable(err) || errors.Is(err, nats.ErrConnectionClosed) || errors.Is(err, nats.ErrConnectionDraining):
		code = event.NATSError
	case errors.Is(err, nats.ErrMaxPayload):
		return event.Errorf(event.InvalidInput, "%s %s: the record is too large for the server's max_payload: %w", op, collection, err).
			With("collection", collection)
	}
	return event.Errorf(code, "%s %s: %w", op, collection, err).With("collection", collection)
}

// isGone reports whether err says that the bucket's stream does not exist (any
// more), or that the store has forgotten the bucket.
func isGone(err error) bool {
	return errors.Is(err, errForgotten) || errors.Is(err, jetstream.ErrStreamNotFound)
}

// noResponders reports whether nobody answers requests to the bucket's stream, which
// does not exist any more or has no leader for the moment: the request had no effect.
func noResponders(err error) bool {
	return errors.Is(err, nats.ErrNoResponders) || errors.Is(err, jetstream.ErrNoStreamResponse) || errors.Is(err, jetstream.ErrJetStreamNotEnabled)
}

// RequestTimeout bounds the handling of one request; it is longer than the 10 s
// that the contract advises requesters to wait for a complex query.
const RequestTimeout = 15 * time.Second

// outage returns how long a bucket that is there may be without a leader before that
// is a failure: less than requesters wait, so that they still learn that nothing was
// written, and longer than an election takes where nobody waits for an answer.
func outage(ctx context.Context) time.Duration {
	if end, limited := ctx.Deadline(); limited && time.Until(end) <= RequestTimeout {
		return streams.DefaultTimeout - time.Second
	}
	return RequestTimeout
}

// settling is the wait between two questions to a cluster that is not settled.
const settling = 20 * time.Millisecond

// leaderlessError wraps the error of a request that had no effect, since the bucket's
// stream had no leader or was deleted and made again.
type leaderlessError struct{ error }

func (e leaderlessError) Unwrap() error { return e.error }

func isLeaderless(err error) bool {
	_, ok := errors.AsType[leaderlessError](err)
	return ok
}

// untilLeader returns the policy that retries what had no effect while a stream had no leader.
func untilLeader(ctx context.Context, hadNone func(error) bool) retry.Policy {
	return retry.Policy{Initial: settling, Max: 10 * settling, MaxElapsed: outage(ctx), If: hadNone}
}

// with calls f with a collection's bucket. It calls f once more, with a new bucket,
// where the bucket was deleted behind the store's back, and again while the stream has
// no leader. So f must end with its first write, unless earlier ones may be repeated: a
// write without responder had no effect.
func (s *Store) with(ctx context.Context, op, collection string, create bool, f func(*bucket) error) error {
	reopened := false
	attempt := func(ctx context.Context) error {
		b, err := s.open(ctx, collection, create)
		if err != nil {
			return err
		}
		if err = f(b); err == nil {
			return nil
		}
		lost := isGone(err)
		if !lost && noResponders(err) {
			var unknown error
			if lost, unknown = b.replaced(ctx); unknown != nil {
				return err
			}
		}
		switch {
		case lost && !reopened:
			reopened = true
			s.forget(ctx, b)
			return retry.After(leaderlessError{err}, 0)
		case lost || !noResponders(err):
			return err
		}
		return leaderlessError{err}
	}
	// By far the most need no second attempt, and no policy for it.
	err := attempt(ctx)
	if isLeaderless(err) {
		err = retry.Do(ctx, untilLeader(ctx, isLeaderless), attempt)
	}
	if err == nil || errors.Is(err, errNoBucket) {
		return err
	}
	return s.failure(op, collection, err)
}

// replaced reports whether the bucket's stream was deleted, or deleted and made again.
// It refreshes the cached configuration, such as the number of replicas.
func (b *bucket) replaced(ctx context.Context) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, outage(ctx))
	defer cancel()
	info, err := b.info(ctx)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return true, nil
	}
	return err == nil && !info.Created.Equal(b.created), err
}
