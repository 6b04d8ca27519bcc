package consumers

import (
	"errors"
	"testing"
	"time"
)

func TestRetry(t *testing.T) {
	t.Parallel()
	failure := errors.New("no luck")
	for name, c := range map[string]struct {
		attempt int
		err     error // of the handler
		want    error
		delay   time.Duration // of the redelivery; 0 if there is none
	}{
		"success":                 {1, nil, nil, 0},
		"first attempt":           {1, failure, failure, time.Second},
		"second attempt":          {2, failure, failure, time.Minute},
		"last attempt":            {3, failure, failure, 0},
		"permanent error":         {1, Permanent(failure), failure, 0},
		"beyond the last crashed": {4, nil, errCrashed, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, _, _, d := newDelivery(t, c.attempt)
			_, err := Chain(returning(c.err), Retry(testConfig(t)))(ctx, d)
			if !errors.Is(err, c.want) {
				t.Errorf("error %v, want %v", err, c.want)
			}
			var again *retryError
			if retried := errors.As(err, &again); retried != (c.delay > 0) || retried && again.delay != c.delay {
				t.Errorf("error %#v, want a redelivery after %s", err, c.delay)
			}
		})
	}
}

func TestPermanentKeepsNil(t *testing.T) {
	t.Parallel()
	if err := Permanent(nil); err != nil {
		t.Error(err)
	}
}
