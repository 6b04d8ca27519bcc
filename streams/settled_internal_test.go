package streams

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"
)

// What a cluster does not know yet is asked again until it does, or time is up;
// every other error is final.
func TestSettled(t *testing.T) {
	t.Parallel()
	inProcess := &jetstream.APIError{ErrorCode: jetstream.ErrorCode(server.JSStreamDuplicateMessageConflict)}
	for name, c := range map[string]struct {
		unsettled func(error) bool
		errs      []error // of the calls, in order
		limit     time.Duration
		want      error
	}{
		"known at once":     {unsettled: isNotFoundYet},
		"stream not found":  {unsettled: isNotFoundYet, errs: []error{fmt.Errorf("look: %w", jetstream.ErrStreamNotFound)}},
		"bucket not found":  {unsettled: isNotFoundYet, errs: []error{jetstream.ErrBucketNotFound, jetstream.ErrBucketNotFound}},
		"in process":        {unsettled: isInProcess, errs: []error{inProcess}},
		"another error":     {unsettled: isNotFoundYet, errs: []error{jetstream.ErrBucketNotFound, inProcess, nil}, want: inProcess},
		"another, at once":  {unsettled: isInProcess, errs: []error{jetstream.ErrStreamNotFound}, want: jetstream.ErrStreamNotFound},
		"time is up before": {unsettled: isNotFoundYet, errs: []error{jetstream.ErrStreamNotFound, nil}, limit: time.Nanosecond, want: jetstream.ErrStreamNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			if c.limit > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, c.limit)
				defer cancel()
			}
			calls := 0
			_, err := settled(ctx, c.unsettled, func() (int, error) {
				if calls++; calls <= len(c.errs) {
					return calls, c.errs[calls-1]
				}
				return calls, nil
			})
			if !errors.Is(err, c.want) {
				t.Errorf("after %d calls: %v, want %v", calls, err, c.want)
			}
			if c.want == nil && calls != len(c.errs)+1 {
				t.Errorf("%d calls, want %d", calls, len(c.errs)+1)
			}
		})
	}
}
