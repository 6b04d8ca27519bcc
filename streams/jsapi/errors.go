package jsapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/retry"
)

// Error codes of JetStream's API that nats.go does not name; the comments are
// nats-server's names.
const (
	codeAccountResources jetstream.ErrorCode = 10002 // JSAccountResourcesExceededErr
	codeClusterNoPeers   jetstream.ErrorCode = 10005 // JSClusterNoPeersErrF
	codeInsufficient     jetstream.ErrorCode = 10023 // JSInsufficientResourcesErr
	codeMemoryResources  jetstream.ErrorCode = 10028 // JSMemoryResourcesExceededErr
	codeStorageResources jetstream.ErrorCode = 10047 // JSStorageResourcesExceededErr
	codeStreamCreate     jetstream.ErrorCode = 10049 // JSStreamCreateErrF
	codeStoreFailed      jetstream.ErrorCode = 10077 // JSStreamStoreFailedF
	codeHeaderTooLarge   jetstream.ErrorCode = 10097 // JSStreamHeaderExceedsMaximumErr
	codeMsgInProcess     jetstream.ErrorCode = 10158 // JSStreamDuplicateMessageConflict
)

// ErrFull is wrapped by errors about what was not stored for lack of capacity: on
// the disk, below the store's limit, or in what an account may keep.
var ErrFull = errors.New("the store is full: nothing new is stored until there is room (see rosey doctor)")

// ReasonFull is the reason in the details of a database error that is about the
// lack of capacity.
const ReasonFull = "store_full"

// WrapFull returns err wrapped with ErrFull if it is JetStream's refusal for lack of
// capacity, and else err.
func WrapFull(err error) error {
	api, ok := errors.AsType[*jetstream.APIError](err)
	if !ok || errors.Is(err, ErrFull) || !refusedForCapacity(api) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrFull, err)
}

func refusedForCapacity(err *jetstream.APIError) bool {
	switch err.ErrorCode {
	case codeAccountResources, codeStorageResources, codeMemoryResources, codeInsufficient:
		return true
	case codeStoreFailed: // of a stream with discard=new that has reached its limits
		return strings.Contains(err.Description, "maximum bytes") || strings.Contains(err.Description, "maximum messages exceeded")
	case codeClusterNoPeers: // of a stream that too few servers of the cluster have capacity for
		return strings.Contains(err.Description, "insufficient storage")
	case codeStreamCreate: // of a stream whose first files could not be written
		return err.Description == "error creating store for stream"
	}
	return false
}

// IsFull reports whether an error is about the lack of capacity, also when a
// database reports it.
func IsFull(err error) bool {
	reply, ok := errors.AsType[*event.Error](err)
	return errors.Is(err, ErrFull) || ok && reply.Details["reason"] == ReasonFull
}

// IsTooLarge reports whether an error says that a message is larger than the server
// or the stream takes.
func IsTooLarge(err error) bool {
	api, ok := errors.AsType[*jetstream.APIError](err)
	return errors.Is(err, nats.ErrMaxPayload) || ok && api.ErrorCode == codeHeaderTooLarge || IsOverMaxMsgSize(err)
}

// IsOverMaxMsgSize reports whether an error is about the max_msg_size of a stream. The
// topology sets none; a streams.Maintainer removes one that somebody sets.
func IsOverMaxMsgSize(err error) bool {
	api, ok := errors.AsType[*jetstream.APIError](err)
	return ok && api.ErrorCode == jetstream.JSErrCodeStreamMessageExceedsMaximum
}

func isInProcess(err error) bool {
	api, ok := errors.AsType[*jetstream.APIError](err)
	return ok && api.ErrorCode == codeMsgInProcess
}

// IsRetryable reports whether a failed publish or request may succeed a moment later:
// NATS did not answer or has no capacity, and the event itself is fine.
func IsRetryable(err error) bool {
	code := event.CodeOf(err)
	return code == event.Timeout || code == event.NATSError
}

// IsUnavailable reports whether a request got no answer, as when the server crashed
// or is away, or a cluster has no leader for the stream.
func IsUnavailable(err error) bool {
	if errors.Is(err, ErrRefused) {
		return false
	}
	for _, e := range [...]error{
		context.DeadlineExceeded, nats.ErrTimeout, nats.ErrDisconnected, nats.ErrNoResponders,
		jetstream.ErrNoStreamResponse, jetstream.ErrJetStreamNotEnabled, // of API requests without responders
		jetstream.ErrNoHeartbeat, // of a consumer that is read
		errWatchEnded,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	api, ok := errors.AsType[*jetstream.APIError](err)
	return ok && api.Code == http.StatusServiceUnavailable
}

// IsMissing reports whether a stream, bucket or consumer does not exist or was deleted.
func IsMissing(err error) bool {
	for _, e := range [...]error{
		jetstream.ErrStreamNotFound, jetstream.ErrBucketNotFound, jetstream.ErrConsumerNotFound, jetstream.ErrConsumerDeleted,
		nats.ErrStreamNotFound, // of watchers of buckets
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// RetryUnavailable returns the policy that retries what fails because NATS does not
// answer, for at most the given time; 0 is without end. A cluster needs some seconds
// to elect a leader.
func RetryUnavailable(atMost time.Duration, log *slog.Logger) retry.Policy {
	const interval = 250 * time.Millisecond
	return retry.Policy{Initial: interval, Max: interval, MaxElapsed: atMost, If: IsUnavailable, Logger: log, Operation: "NATS request"}
}

// RetryMissing is RetryUnavailable without a time limit, and also retries what fails
// because a bucket, stream or consumer is gone, which its owner recreates.
func RetryMissing(log *slog.Logger) retry.Policy {
	policy := RetryUnavailable(0, log)
	policy.If = func(err error) bool { return IsUnavailable(err) || IsMissing(err) }
	return policy
}

// RetryWhile calls fn until it succeeds or fails with an error for which the
// predicate is false. It is for what a cluster settles within milliseconds.
func RetryWhile[T any](ctx context.Context, unsettled func(error) bool, fn func() (T, error)) (T, error) {
	const interval = 50 * time.Millisecond
	return retry.Value(ctx, retry.Policy{Initial: interval, Max: interval, If: unsettled},
		func(context.Context) (T, error) { return fn() })
}
