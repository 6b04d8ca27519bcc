package retry_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rosey-bot/rosey/internal/retry"
)

var errAway = errors.New("server is away")

// failing returns a function that fails n times with err, and the count of its calls.
func failing(n int, err error) (fn func(context.Context) error, calls *int) {
	calls = new(int)
	return func(context.Context) error {
		if *calls++; *calls <= n {
			return err
		}
		return nil
	}, calls
}

func TestDo(t *testing.T) {
	t.Parallel()
	wrapped := fmt.Errorf("open: %w", errAway)
	isAway := func(err error) bool { return errors.Is(err, errAway) }
	for name, c := range map[string]struct {
		policy   retry.Policy
		failures int
		err      error
		want     error
		calls    int
	}{
		"success at once":              {retry.Policy{}, 0, nil, nil, 1},
		"success after failures":       {retry.Policy{}, 50, errAway, nil, 51},
		"permanent error":              {retry.Policy{}, 9, retry.Permanent(wrapped), wrapped, 1},
		"error that If accepts":        {retry.Policy{If: isAway}, 2, wrapped, nil, 3},
		"error that If refuses":        {retry.Policy{If: isAway}, 9, context.Canceled, context.Canceled, 1},
		"limit shorter than the wait":  {retry.Policy{Initial: time.Minute, MaxElapsed: time.Second}, 9, errAway, errAway, 1},
		"limit longer than all waits":  {retry.Policy{MaxElapsed: time.Minute}, 3, errAway, nil, 4},
		"error with a wait of its own": {retry.Policy{Initial: time.Hour, MaxElapsed: time.Minute}, 1, retry.After(errAway, time.Second), nil, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				fn, calls := failing(c.failures, c.err)
				if err := retry.Do(t.Context(), c.policy, fn); err != c.want || *calls != c.calls {
					t.Errorf("%d calls and error %v, want %d and %v", *calls, err, c.calls, c.want)
				}
			})
		})
	}
}

func TestContextEndsTheWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		started := time.Now()
		v, err := retry.Value(ctx, retry.Policy{Initial: time.Hour}, func(context.Context) (int, error) { return 7, errAway })
		if v != 7 || err != errAway || time.Since(started) != time.Minute {
			t.Errorf("got %d, %v after %s", v, err, time.Since(started))
		}
	})
}

func TestWaitsGrowUntilAnAttemptLasts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var waits []time.Duration
		policy := retry.Policy{Initial: time.Second, Max: time.Minute, ResetAfter: time.Hour,
			Notify: func(err error, wait time.Duration) {
				if err != errAway {
					t.Errorf("notified of %v", err)
				}
				waits = append(waits, wait)
			}}
		err := retry.Do(t.Context(), policy, func(ctx context.Context) error {
			switch len(waits) {
			case 20:
				_ = retry.Sleep(ctx, time.Hour)
				return errAway
			case 21:
				return nil
			}
			return errAway
		})
		if err != nil {
			t.Fatal(err)
		}
		within := func(i int, least, most time.Duration) {
			t.Helper()
			if waits[i] < least || waits[i] > most+1 {
				t.Errorf("wait %d is %s, want %s to %s", i, waits[i], least, most)
			}
		}
		within(0, time.Second/2, 3*time.Second/2)
		within(19, time.Minute/2, 3*time.Minute/2)
		within(20, time.Second/2, 3*time.Second/2)
	})
}

func TestLog(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		policy := retry.Every(100 * time.Millisecond)
		policy.Logger, policy.Operation = slog.New(slog.NewTextHandler(&out, nil)), "publish"
		fn, _ := failing(30, errAway)
		if err := retry.Do(t.Context(), policy, fn); err != nil {
			t.Fatal(err)
		}
		text := out.String()
		if n := strings.Count(text, "publish failed, retrying"); n != 1 || !strings.Contains(text, errAway.Error()) {
			t.Errorf("%d lines about one outage:\n%s", n, text)
		}
		if strings.Count(text, "publish recovered") != 1 {
			t.Errorf("no line about the recovery:\n%s", text)
		}
	})
}

func TestSleep(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := retry.Sleep(ctx, time.Second); err != nil {
			t.Error(err)
		}
		if err := retry.Sleep(ctx, time.Hour); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
}
