package lease

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// extend makes the lease valid for a term from when its write was sent.
func (l *Lease) extend(sent instant) {
	until := sent.add(l.term - l.term/margins)
	l.until.Store(&until)
}

// timeout bounds one request.
func (l *Lease) timeout() time.Duration { return max(l.term/renewals, 500*time.Millisecond) }

// renewWhile calls do and renews the lease until it returns. Lost says that the lease
// was lost before.
func (l *Lease) renewWhile(ctx context.Context, rev uint64, do func(context.Context) error) (lost bool, err error) {
	work, stop := context.WithCancel(ctx)
	defer stop()
	done := make(chan error, 1)
	go func() { done <- do(work) }()
	renew := time.NewTicker(l.term / renewals)
	defer renew.Stop()
	for {
		end := time.NewTimer(l.left())
		select {
		case err := <-done:
			end.Stop()
			l.release(context.WithoutCancel(ctx), rev)
			return false, err
		case <-end.C:
			stop()
			return true, errors.Join(errors.New("not renewed in time"), <-done)
		case <-renew.C:
			end.Stop()
			sent := l.now()
			within, cancel := context.WithTimeout(work, l.left())
			next, err := l.renew(within, rev)
			cancel()
			switch {
			case err == nil:
				rev = next
				l.extend(sent)
			case errors.Is(err, errTaken):
				l.until.Store(nil)
				stop()
				return true, errors.Join(err, <-done)
			default:
				l.log.DebugContext(ctx, "lease not renewed, retrying", "lease", l.key, "error", err)
			}
		}
	}
}

var errTaken = errors.New("taken by another process")

// renew writes the lease again. If an unanswered write of this process was stored, the
// newest revision is its own, and renew goes on from there.
func (l *Lease) renew(ctx context.Context, rev uint64) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, l.timeout())
	defer cancel()
	next, err := l.kv.Update(ctx, l.key, l.value(), rev)
	if !errors.Is(err, jetstream.ErrKeyRevisionMismatch) {
		return next, err
	}
	o, current, readErr := l.read(ctx)
	switch {
	case readErr != nil:
		return 0, readErr
	case current == 0: // or from a lagging replica, which then has more than none
		return l.kv.Create(ctx, l.key, l.value())
	case current <= rev: // from a lagging replica
		return 0, err
	case o.ID != l.id:
		return 0, errTaken
	}
	return l.kv.Update(ctx, l.key, l.value(), current)
}

// release deletes the lease and notifies those who wait for it. If it fails they wait
// for the term's end.
func (l *Lease) release(ctx context.Context, rev uint64) {
	l.until.Store(nil)
	ctx, cancel := context.WithTimeout(ctx, l.timeout())
	defer cancel()
	if err := l.kv.Delete(ctx, l.key, jetstream.LastRevision(rev)); err != nil {
		l.log.WarnContext(ctx, "lease not released, it expires after its term", "lease", l.key, "error", err)
		return
	}
	if err := l.nc.Publish(l.subject(), nil); err == nil {
		_ = l.nc.FlushWithContext(ctx)
	}
}
