// Package lease elects the one process that may do something at a time, such as
// speak in a channel. A lease is a key of the KV bucket "leases" that its holder
// renews by a compare-and-swap on the key's revision.
//
// No clocks are compared, except after the bucket was recreated. The holder counts the term from before its last successful
// write and stops a margin before the end; others count from when they first saw
// that write, which is later, and take the lease only after a whole term without
// another. A process that was suspended learns from Lease.Valid that its term is
// over, by the wall clock where the monotonic one stood still; it must call Valid right
// before whatever cannot be undone.
package lease

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/jsapi"
)

// Bucket is the KV bucket of the leases, one key each.
const Bucket = streams.Leases

// Term is how long a lease is valid after it was last renewed, unless Open has
// another. It outlasts the up to ten seconds that a cluster needs to elect a new
// leader when a server dies.
const Term = 15 * time.Second

// A holder renews a lease, and others read it, renewals times a term; the holder stops
// a margin before the term's end.
const (
	renewals = 8
	margins  = 5 // a margin is a fifth of the term
)

// Leases are the leases of one process.
type Leases struct {
	nc     *nats.Conn
	kv     jetstream.KeyValue
	holder string
	term   time.Duration
	log    *slog.Logger
	now    func() instant
}

// Open opens the bucket, creating it if need be. Holder names this process to people;
// processes may share it. All processes must use the same term.
func Open(ctx context.Context, nc *nats.Conn, js jetstream.JetStream, replicas int, holder string, term time.Duration, log *slog.Logger) (*Leases, error) {
	lost, err := isLost(ctx, js)
	if err != nil {
		return nil, fmt.Errorf("open bucket %s: %w", Bucket, err)
	}
	kv, err := jsapi.OpenBucket(ctx, js, jetstream.KeyValueConfig{
		Bucket: Bucket, Description: "Who does what only one process may do", Replicas: max(replicas, 1),
	})
	if err != nil {
		return nil, err
	}
	ls := &Leases{nc: nc, kv: kv, holder: holder, term: term, log: log, now: now}
	if lost {
		log.WarnContext(ctx, "bucket of leases missing, taking none for a term", "bucket", Bucket, "term", term)
		err = ls.Recreated(ctx)
	}
	return ls, err
}

// isLost reports whether the bucket is missing though bots have stored events: it was
// deleted while no bot could note that, and another one may believe in its lease.
func isLost(ctx context.Context, js jetstream.JetStream) (bool, error) {
	ctx, cancel := jsapi.WithDefaultTimeout(ctx)
	defer cancel()
	if _, err := js.KeyValue(ctx, Bucket); !errors.Is(err, jetstream.ErrBucketNotFound) {
		return false, err
	}
	s, err := js.Stream(ctx, streams.Cytube)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return false, nil
	}
	return err == nil && s.CachedInfo().State.LastSeq > 0, err
}

// recreatedKey says that the bucket was deleted and made again, and when.
const recreatedKey = "_remade"

// Recreated notes that the bucket was deleted and made again. For a term from then on only
// those who held a lease before take it.
func (ls *Leases) Recreated(ctx context.Context) error {
	_, err := ls.kv.PutString(ctx, recreatedKey, ls.term.String())
	return err
}

// recreatedLately reports whether holders may not have taken their leases again yet. It takes
// the bucket's clock for this process's.
func (ls *Leases) recreatedLately(ctx context.Context) bool {
	e, err := ls.kv.Get(ctx, recreatedKey)
	return err == nil && time.Since(e.Created()) < ls.term
}

// Lease is the right to do one thing, which one process has at a time.
type Lease struct {
	*Leases
	key     string
	id      string                  // of this Lease among all processes
	vacancy time.Duration           // see After
	until   atomic.Pointer[instant] // when the holder must stop; nil while it holds nothing
	others  atomic.Pointer[Holder]  // the last other holder that was seen
}

// Holder is the holder of a lease: the value of its key.
type Holder struct {
	ID     string    `json:"id"`
	Holder string    `json:"holder"`
	Since  time.Time `json:"since"`

	written time.Time // when the server stored it
}

// New makes a Lease of a key, 1 or more of A-Z a-z 0-9 _ - / = and ., that is
// not held yet.
func (ls *Leases) New(key string) *Lease { return &Lease{Leases: ls, key: key, id: nats.NewInbox()} }

// After makes Hold take the lease only after it was vacant for the given time, so that
// a holder that restarts gets it back. It returns l.
func (l *Lease) After(vacancy time.Duration) *Lease {
	l.vacancy = vacancy
	return l
}

// Valid reports whether this process holds the lease. Call it right before whatever
// another process must not do at the same time.
func (l *Lease) Valid() bool { return l.left() > 0 }

// left returns how long the lease is still valid.
func (l *Lease) left() time.Duration {
	if until := l.until.Load(); until != nil {
		return until.sub(l.now())
	}
	return 0
}

// OtherHolder returns the process that holds the lease, as far as this one knows; ok is
// false while this process holds it or no holder is known.
func (l *Lease) OtherHolder() (o Holder, ok bool) {
	if p := l.others.Load(); p != nil && !l.Valid() {
		return *p, true
	}
	return o, false
}

// Hold waits for the lease and calls do while it holds it: the context of do ends when
// the lease is lost, and do must return before the margin is over. When do returns by
// itself, Hold releases the lease, so that others take it at once, and returns do's
// error; when the lease was lost, Hold waits for it again. It returns nil when ctx
// ends before do was called.
func (l *Lease) Hold(ctx context.Context, do func(context.Context) error) error {
	for ctx.Err() == nil {
		rev, ok := l.acquire(ctx)
		if !ok {
			return nil
		}
		l.log.InfoContext(ctx, "lease acquired", "lease", l.key, "revision", rev)
		lost, err := l.renewWhile(ctx, rev, do)
		if !lost {
			return err
		}
		l.log.WarnContext(ctx, "lease lost", "lease", l.key, "error", err)
	}
	return nil
}

// acquire waits until the lease is this process's; false when ctx ended before.
func (l *Lease) acquire(ctx context.Context) (rev uint64, ok bool) {
	// A missed notice of a release delays the lease by one interval.
	released := make(chan *nats.Msg, 1)
	sub, err := l.nc.ChanSubscribe(l.subject(), released)
	if err == nil {
		defer func() { _ = sub.Unsubscribe() }()
	}
	var seen uint64       // the newest revision
	var written time.Time // when that was stored: revisions begin again in a bucket that is made again
	var at time.Time      // when it was first seen
	var vacant time.Time  // since when there was no holder
	for {
		sent := l.now()
		owner, current, err := l.read(ctx)
		switch {
		case ctx.Err() != nil:
			return 0, false
		case err != nil:
			vacant = time.Time{}
			l.log.DebugContext(ctx, "lease not read", "lease", l.key, "error", err)
		case current == 0:
			if vacant.IsZero() {
				vacant = sent.monotonic
			}
			if sent.monotonic.Sub(vacant) >= l.vacancy && !l.recreatedLately(ctx) {
				rev = l.take(ctx, 0, sent)
			}
		case owner.written.After(written):
			seen, written, at, vacant = current, owner.written, time.Now(), time.Time{}
			l.others.Store(&owner)
		case current == seen && sent.monotonic.Sub(at) >= max(l.term, l.vacancy):
			l.log.WarnContext(ctx, "lease expired, taking it", "lease", l.key, "holder", owner.Holder, "term", l.term)
			rev = l.take(ctx, current, sent)
		}
		if rev > 0 {
			l.others.Store(nil)
			return rev, true
		}
		select {
		case <-released:
		case <-time.After(l.term / renewals):
		case <-ctx.Done():
		}
	}
}

// read returns the lease's holder and revision, 0 if there is none. A lagging replica
// may answer with an old revision, with which the next compare-and-swap fails.
func (l *Lease) read(ctx context.Context) (o Holder, revision uint64, err error) {
	ctx, cancel := context.WithTimeout(ctx, l.timeout())
	defer cancel()
	e, err := l.kv.Get(ctx, l.key)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return o, 0, nil
	}
	if err != nil {
		return o, 0, err
	}
	_ = json.Unmarshal(e.Value(), &o) // the ID is compared, the rest is for people
	o.written = e.Created()
	return o, e.Revision(), nil
}

// take writes the lease if revision is still the last one, 0 for none. It returns the
// new revision, or 0 when the write failed.
func (l *Lease) take(ctx context.Context, revision uint64, sent instant) uint64 {
	ctx, cancel := context.WithTimeout(ctx, l.timeout())
	defer cancel()
	var err error
	if revision == 0 {
		revision, err = l.kv.Create(ctx, l.key, l.value())
	} else {
		revision, err = l.kv.Update(ctx, l.key, l.value(), revision)
	}
	if err != nil {
		// A write that was stored nevertheless expires like another's lease.
		l.log.DebugContext(ctx, "lease not taken", "lease", l.key, "error", err)
		return 0
	}
	l.extend(sent)
	return revision
}

// value is what the holder writes.
func (l *Lease) value() []byte {
	value, _ := json.Marshal(Holder{ID: l.id, Holder: l.holder, Since: time.Now()}) // cannot fail
	return value
}

// subject is that of the notice of a release. No stream captures it.
func (l *Lease) subject() string { return "rosey.lease." + l.key }
