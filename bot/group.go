package bot

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"github.com/oklog/run"

	"github.com/rosey-bot/rosey/internal/retry"
	"github.com/rosey-bot/rosey/streams/jsapi"
)

// part is one of the parts that a process runs. It works until ctx ends, and calls
// ready once it does what others wait for.
type part func(ctx context.Context, ready func()) error

// worker makes a part of a function that no part waits for.
func worker(run func(context.Context) error) part {
	return func(ctx context.Context, _ func()) error { return run(ctx) }
}

// retrying runs a part again whenever NATS did not answer it, or what it needs is gone:
// the maintainer makes that again.
func retrying(log *slog.Logger, p part) part {
	return func(ctx context.Context, ready func()) error {
		return retry.Do(ctx, jsapi.RetryMissing(log), func(ctx context.Context) error { return p(ctx, ready) })
	}
}

// readiness is closed once a part is ready.
type readiness <-chan struct{}

// await waits until all of first are ready, or ctx ends.
func await(ctx context.Context, first ...readiness) error {
	for _, r := range first {
		select {
		case <-r:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// group runs parts until one of them ends, and then ends the others: each after those
// that began after it was ready, and so may need it to finish what they do.
type group struct{ parts []member }

type member struct {
	name  string
	run   func(context.Context) error
	ready readiness
	after []readiness
	ended chan struct{}
}

// add adds a part that starts when all of after are ready.
func (g *group) add(name string, p part, after ...readiness) readiness {
	ready := make(chan struct{})
	once := sync.OnceFunc(func() { close(ready) })
	run := func(ctx context.Context) error {
		if err := await(ctx, after...); err != nil {
			return err
		}
		return p(ctx, once)
	}
	g.parts = append(g.parts, member{name, run, ready, after, make(chan struct{})})
	return ready
}

// awaitDependents waits until the parts have ended that began after m was ready.
func (g *group) awaitDependents(m member) {
	for _, other := range g.parts {
		if slices.Contains(other.after, m.ready) {
			<-other.ended
		}
	}
}

// run runs the parts until one ends or ctx does, and returns the failure of the first
// that ended. It calls stopping, with that failure, before any other part is ended:
// their contexts end after ctx.
func (g *group) run(ctx context.Context, stopping func(error)) error {
	var actors run.Group
	wait, stop := context.WithCancel(ctx)
	actors.Add(func() error { <-wait.Done(); return nil }, func(err error) { stopping(err); stop() })
	for _, m := range g.parts {
		working, cancel := context.WithCancel(context.WithoutCancel(ctx))
		actors.Add(func() error {
			defer close(m.ended)
			err := m.run(working)
			if err != nil && working.Err() == nil {
				return fmt.Errorf("%s: %w", m.name, err)
			}
			return nil
		}, func(error) {
			go func() {
				g.awaitDependents(m)
				cancel()
			}()
		})
	}
	return actors.Run()
}
