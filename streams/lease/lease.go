// Package lease decides which of several processes does what only one may do at
// a time, such as speaking in a channel. A lease is a key of the KV bucket
// "leases" that its holder writes again and again, each time only if nobody else
// did (a compare-and-swap on the key's revision).
//
// No clocks are compared. The holder counts from before it sent its last
// successful write, and stops in good time before Term is over; others count
// from when they first saw that write, which is later, and take the lease only
// once a whole Term passed without another. A process that was suspended finds
// that its time is over when it asks Lease.Valid, which it must do right before
// whatever cannot be undone.
package lease

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/streams"
)

// Bucket is the KV bucket of the leases, one key each.
const Bucket = "leases"

// Term is how long a lease is good for after it was last renewed. A cluster needs
// up to ten seconds to choose a new leader when a server dies, and the lease
// should outlive that.
const Term = 15 * time.Second

// Timing is how leases go. The zero Timing has the defaults given with the
// fields.
type Timing struct {
	Term   time.Duration // Term
	Renew  time.Duration // between renewals and looks at another's lease; an eighth of the term
	Margin time.Duration // how long before the term's end the holder stops; a fifth of the term
}

func (t Timing) withDefaults() Timing {
	if t.Term == 0 {
		t.Term = Term
	}
	if t.Renew == 0 {
		t.Renew = t.Term / 8
	}
	if t.Margin == 0 {
		t.Margin = t.Term / 5
	}
	return t
}

// Leases are the leases of one process.
type Leases struct {
	nc     *nats.Conn
	kv     jetstream.KeyValue
	holder string
	timing Timing
	log    *slog.Logger
}

// Open opens the bucket, creating it if need be. Holder is how others name this
// process, for people; processes may share it.
func Open(ctx context.Context, nc *nats.Conn, js jetstream.JetStream, replicas int, holder string, t Timing, log *slog.Logger) (*Leases, error) {
	kv, err := streams.OpenBucket(ctx, js, jetstream.KeyValueConfig{
		Bucket: Bucket, Description: "Who does what only one process may do", Replicas: max(replicas, 1),
	})
	if err != nil {
		return nil, err
	}
	return &Leases{nc: nc, kv: kv, holder: holder, timing: t.withDefaults(), log: log}, nil
}

// Lease is one thing that only one process may do.
type Lease struct {
	*Leases
	key     string
	id      string                // of this process and attempt
	vacancy time.Duration         // see After
	until   atomic.Int64          // when it must stop, as ns since epoch
	others  atomic.Pointer[Owner] // who holds it, if another does
}

// Owner is who holds a lease: a key's value.
type Owner struct {
	ID     string    `json:"id"`
	Holder string    `json:"holder"`
	Since  time.Time `json:"since"`
}

// epoch is when times of Lease.until count from: it has a monotonic reading.
var epoch = time.Now()

// New makes a Lease of a key, 1 or more of A-Z a-z 0-9 _ - / = and ., that is
// not held yet.
func (ls *Leases) New(key string) *Lease { return &Lease{Leases: ls, key: key, id: nats.NewInbox()} }

// After has Hold take the lease only once this process has seen for as long as
// vacancy that nobody holds it, so that a holder that starts anew has it back before.
// It returns l.
func (l *Lease) After(vacancy time.Duration) *Lease {
	l.vacancy = vacancy
	return l
}

// Valid reports whether this process holds the lease. Ask it right before
// whatever another process must not do at the same time.
func (l *Lease) Valid() bool { return int64(time.Since(epoch)) < l.until.Load() }

// Other is the process that holds the lease, as far as this one knows; ok is
// false while it holds the lease itself or nobody is known to.
func (l *Lease) Other() (o Owner, ok bool) {
	if p := l.others.Load(); p != nil && !l.Valid() {
		return *p, true
	}
	return o, false
}

// Hold waits for the lease and calls do while it holds it: the context that do
// gets ends when the lease is lost, and do must have stopped what it does before
// the margin is over. When do returns, the lease is given up, and others take it
// at once; when it was lost, Hold waits for it again. Hold returns what do did,
// or nil when ctx ended before.
func (l *Lease) Hold(ctx context.Context, do func(context.Context) error) error {
	for ctx.Err() == nil {
		rev, ok := l.acquire(ctx)
		if !ok {
			return nil
		}
		l.log.InfoContext(ctx, "the lease is ours", "lease", l.key, "revision", rev)
		lost, err := l.keep(ctx, rev, do)
		if !lost {
			return err
		}
		l.log.WarnContext(ctx, "the lease is lost", "lease", l.key, "error", err)
	}
	return nil
}

// acquire waits until the lease is this process's; false when ctx ended before.
func (l *Lease) acquire(ctx context.Context) (rev uint64, ok bool) {
	// A holder that gives the lease up says so. Who misses that looks soon.
	released := make(chan *nats.Msg, 1)
	sub, err := l.nc.ChanSubscribe(l.subject(), released)
	if err == nil {
		defer func() { _ = sub.Unsubscribe() }()
	}
	var seen uint64 // the newest revision that was seen, and when
	var at time.Time
	var vacant time.Time // since when it was seen to be nobody's
	for {
		asked := time.Now()
		owner, current, err := l.look(ctx)
		switch {
		case ctx.Err() != nil:
			return 0, false
		case err != nil:
			vacant = time.Time{}
			l.log.DebugContext(ctx, "the lease cannot be read", "lease", l.key, "error", err)
		case current == 0:
			if vacant.IsZero() {
				vacant = asked
			}
			if asked.Sub(vacant) >= l.vacancy {
				rev = l.take(ctx, 0, asked)
			}
		case current > seen:
			seen, at, vacant = current, time.Now(), time.Time{}
			l.others.Store(&owner)
		case current == seen && asked.Sub(at) >= max(l.timing.Term, l.vacancy):
			l.log.WarnContext(ctx, "the holder of the lease was not heard of for its term", "lease", l.key, "holder", owner.Holder, "term", l.timing.Term)
			rev = l.take(ctx, current, asked)
		}
		if rev > 0 {
			l.others.Store(nil)
			return rev, true
		}
		select {
		case <-released:
		case <-time.After(l.timing.Renew):
		case <-ctx.Done():
		}
	}
}

// look reads who holds the lease; revision 0 when nobody does. A replica may
// answer with an old state, which the compare-and-swap that follows finds out.
func (l *Lease) look(ctx context.Context) (o Owner, revision uint64, err error) {
	ctx, cancel := context.WithTimeout(ctx, l.patience())
	defer cancel()
	e, err := l.kv.Get(ctx, l.key)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return o, 0, nil
	}
	if err != nil {
		return o, 0, err
	}
	_ = json.Unmarshal(e.Value(), &o) // whose it is matters to people only
	return o, e.Revision(), nil
}

// take writes the lease if revision is still the last one; 0 if it is nobody's.
// It gives the new revision, or 0 when the write did not work.
func (l *Lease) take(ctx context.Context, revision uint64, asked time.Time) uint64 {
	ctx, cancel := context.WithTimeout(ctx, l.patience())
	defer cancel()
	value, err := json.Marshal(Owner{ID: l.id, Holder: l.holder, Since: time.Now()})
	switch {
	case err != nil:
	case revision == 0:
		revision, err = l.kv.Create(ctx, l.key, value)
	default:
		revision, err = l.kv.Update(ctx, l.key, value, revision)
	}
	if err != nil {
		// It may have been written nevertheless: then it is found in the bucket
		// and runs out like another's.
		l.log.DebugContext(ctx, "the lease was not taken", "lease", l.key, "error", err)
		return 0
	}
	l.extend(asked)
	return revision
}

// extend makes the lease good for a term since the write that was sent at asked.
func (l *Lease) extend(asked time.Time) {
	l.until.Store(int64(asked.Add(l.timing.Term - l.timing.Margin).Sub(epoch)))
}

// patience is how long to wait for one answer.
func (l *Lease) patience() time.Duration { return max(l.timing.Renew, 500*time.Millisecond) }

// keep does the work and renews the lease meanwhile. Lost tells that the lease
// was lost first.
func (l *Lease) keep(ctx context.Context, rev uint64, do func(context.Context) error) (lost bool, err error) {
	work, stop := context.WithCancel(ctx)
	defer stop()
	done := make(chan error, 1)
	go func() { done <- do(work) }()
	renew := time.NewTicker(l.timing.Renew)
	defer renew.Stop()
	for {
		end := time.NewTimer(time.Duration(l.until.Load()) - time.Since(epoch))
		select {
		case err := <-done:
			end.Stop()
			l.release(context.WithoutCancel(ctx), rev)
			return false, err
		case <-end.C:
			stop()
			return true, errors.Join(errors.New("it could not be renewed in time"), <-done)
		case <-renew.C:
			end.Stop()
			asked := time.Now()
			within, cancel := context.WithDeadline(work, epoch.Add(time.Duration(l.until.Load())))
			next, err := l.renew(within, rev)
			cancel()
			switch {
			case err == nil:
				rev = next
				l.extend(asked)
			case errors.Is(err, errTaken):
				l.until.Store(0)
				stop()
				return true, errors.Join(err, <-done)
			default:
				l.log.DebugContext(ctx, "the lease was not renewed, will try again", "lease", l.key, "error", err)
			}
		}
	}
}

var errTaken = errors.New("another process has taken it")

// renew writes the lease again. A write that got no answer may have been stored:
// then the newest revision is this process's own, and is taken up.
func (l *Lease) renew(ctx context.Context, rev uint64) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, l.patience())
	defer cancel()
	value, err := json.Marshal(Owner{ID: l.id, Holder: l.holder, Since: time.Now()})
	if err != nil {
		return 0, err
	}
	next, err := l.kv.Update(ctx, l.key, value, rev)
	if !errors.Is(err, jetstream.ErrKeyRevisionMismatch) {
		return next, err
	}
	o, current, lookErr := l.look(ctx)
	switch {
	case lookErr != nil:
		return 0, lookErr
	case current <= rev: // an old state
		return 0, err
	case o.ID != l.id:
		return 0, errTaken
	}
	return l.kv.Update(ctx, l.key, value, current)
}

// release gives the lease up and tells those who wait for it. What fails here
// makes them wait for the term's end.
func (l *Lease) release(ctx context.Context, rev uint64) {
	l.until.Store(0)
	ctx, cancel := context.WithTimeout(ctx, l.patience())
	defer cancel()
	if err := l.kv.Delete(ctx, l.key, jetstream.LastRevision(rev)); err != nil {
		l.log.WarnContext(ctx, "the lease could not be given up: others wait for its end", "lease", l.key, "error", err)
		return
	}
	if err := l.nc.Publish(l.subject(), nil); err == nil {
		_ = l.nc.FlushWithContext(ctx)
	}
}

// subject is where it is said that the lease was given up. No stream captures it.
func (l *Lease) subject() string { return "rosey.lease." + l.key }
