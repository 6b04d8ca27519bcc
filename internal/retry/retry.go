// Package retry repeats what may fail for a while: calls to a server that is away, or
// parts of the process that are started again when they end. It is the project's only
// retry loop, a thin layer over github.com/cenkalti/backoff.
package retry

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// The intervals of a Policy that names none.
const (
	DefaultInitial = 100 * time.Millisecond
	DefaultMax     = 2 * time.Second
)

// Policy says which failures are retried, how often and for how long. The zero value
// retries all errors until the context ends.
type Policy struct {
	// Initial is the wait after the first failure, DefaultInitial if zero. Each
	// further wait is half as long again, up to Max, and randomized by up to a half.
	Initial time.Duration
	// Max is the longest wait, the longer of DefaultMax and Initial if zero.
	Max time.Duration
	// MaxElapsed, if positive, ends the retries before a wait that would reach
	// beyond it, counted from the first attempt.
	MaxElapsed time.Duration
	// ResetAfter, if positive, starts again from Initial after an attempt that
	// lasted at least as long before it failed: what ran for long was healthy.
	ResetAfter time.Duration
	// If, if set, reports whether an error is worth another attempt. A nil If
	// retries all errors. Those of Permanent are never retried.
	If func(error) bool
	// Notify, if set, is called before each wait.
	Notify func(err error, wait time.Duration)
	// Logger, if set, logs "<Operation> failed, retrying" for the first failure and
	// then at most every 5 s, and "<Operation> recovered" when an attempt succeeds
	// after that.
	Logger *slog.Logger
	// Operation names in the log what is retried, as "publish".
	Operation string
	// Attrs are logged with it.
	Attrs []any
}

// Every returns a Policy that retries all errors about every d, for polling.
func Every(d time.Duration) Policy { return Policy{Initial: d, Max: d} }

// Permanent wraps an error that Do returns at once. Do returns err itself.
func Permanent(err error) error { return backoff.Permanent(err) }

// After wraps an error so that the next attempt follows d later and the waits start
// again from Initial.
func After(err error, d time.Duration) error { return &afterError{err, d} }

type afterError struct {
	error
	wait time.Duration
}

func (e *afterError) Unwrap() error { return e.error }

// Do calls fn until it succeeds, fails for good by the policy, or ctx ends, but at
// least once. It returns fn's last error and never ctx's own, which says less.
func Do(ctx context.Context, p Policy, fn func(context.Context) error) error {
	_, err := Value(ctx, p, func(ctx context.Context) (struct{}, error) { return struct{}{}, fn(ctx) })
	return err
}

// Value is Do for a function with a result. With an error it returns the result of the
// last call.
func Value[T any](ctx context.Context, p Policy, fn func(context.Context) (T, error)) (T, error) {
	started := time.Now()
	v, err := fn(ctx)
	if err == nil || p.If != nil && !p.If(err) {
		return v, unwrap(err) // nearly always, and then a policy should cost nothing
	}
	return again(ctx, p, fn, started, v, err)
}

// again retries after a first attempt that returned v and err.
func again[T any](ctx context.Context, p Policy, fn func(context.Context) (T, error), started time.Time, v T, err error) (T, error) {
	if p.MaxElapsed > 0 {
		if p.MaxElapsed -= time.Since(started); p.MaxElapsed <= 0 {
			return v, unwrap(err)
		}
	}
	interval := p.interval()
	report := reporter{Policy: p}
	var last error
	first := true
	attempt := func() (T, error) {
		if !first {
			started = time.Now()
			v, err = fn(ctx)
		}
		first, last = false, unwrap(err)
		if err != nil && p.If != nil && !p.If(err) {
			return v, backoff.Permanent(err)
		}
		if after, ok := errors.AsType[*afterError](err); ok {
			return v, &backoff.RetryAfterError{Duration: after.wait}
		}
		if p.ResetAfter > 0 && time.Since(started) >= p.ResetAfter {
			interval.Reset()
		}
		return v, err
	}
	v, err = backoff.Retry(ctx, attempt,
		backoff.WithBackOff(interval),
		backoff.WithMaxElapsedTime(p.MaxElapsed),
		backoff.WithNotify(func(_ error, wait time.Duration) { report.failed(ctx, last, wait) }))
	if err != nil {
		return v, last
	}
	report.succeeded(ctx)
	return v, nil
}

func (p Policy) interval() *backoff.ExponentialBackOff {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval, b.MaxInterval = p.Initial, p.Max
	if b.InitialInterval <= 0 {
		b.InitialInterval = DefaultInitial
	}
	if b.MaxInterval <= 0 {
		b.MaxInterval = max(DefaultMax, b.InitialInterval)
	}
	return b
}

// unwrap removes the wrappers of Permanent and After from an error.
func unwrap(err error) error {
	switch e := err.(type) { //nolint:errorlint // only an outermost wrapper is removed
	case *backoff.PermanentError:
		return e.Unwrap()
	case *afterError:
		return e.error
	}
	return err
}

// logEvery is the time between two log lines about the same outage.
const logEvery = 5 * time.Second

// reporter tells of the failures of one Do.
type reporter struct {
	Policy
	first, logged time.Time
}

func (r *reporter) failed(ctx context.Context, err error, wait time.Duration) {
	if r.Notify != nil {
		r.Notify(err, wait)
	}
	now := time.Now()
	if r.Logger == nil || now.Sub(r.logged) < logEvery {
		return
	}
	if r.logged.IsZero() {
		r.first = now
	}
	r.logged = now
	r.Logger.With(r.Attrs...).WarnContext(ctx, r.Operation+" failed, retrying", "in", wait.Round(time.Millisecond), "error", err)
}

func (r *reporter) succeeded(ctx context.Context) {
	if !r.logged.IsZero() {
		r.Logger.With(r.Attrs...).InfoContext(ctx, r.Operation+" recovered", "after", time.Since(r.first).Round(time.Millisecond))
	}
}

// Sleep waits for d or until ctx ends, and then returns ctx's error.
func Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
