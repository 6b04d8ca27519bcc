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
	"github.com/rosey-bot/rosey/kvstore/jsondoc"
	"github.com/rosey-bot/rosey/streams"
)

// ForgetHistory erases the revisions of a record other than its last, and returns how
// many there were. Buckets of earlier releases deny the overwriting of what is erased:
// there it stays on the disk until the server compacts the file.
func (s *Store) ForgetHistory(ctx context.Context, collection string, id event.ID) (revisions int, err error) {
	if err := checkID(collection, id); err != nil {
		return 0, err
	}
	err = s.with(ctx, "forget the history of a record of", collection, false, func(b *bucket) error {
		last, err := b.last(ctx, b.subject(id))
		if err == nil && last.revision == 0 {
			return notFound(collection, id)
		}
		if err == nil {
			revisions, err = b.erase(ctx, id, last.revision)
		}
		return err
	})
	if errors.Is(err, errNoBucket) {
		err = notFound(collection, id)
	}
	return revisions, err
}

// erase erases a record's revisions below one.
func (b *bucket) erase(ctx context.Context, id event.ID, below uint64) (revisions int, err error) {
	for from := uint64(1); ; revisions++ {
		e, err := b.next(ctx, b.subject(id), from)
		if err != nil {
			return revisions, err
		}
		if e.revision == 0 || e.revision >= below {
			break
		}
		from = e.revision + 1
		if b.stream.CachedInfo().Config.DenyDelete {
			continue
		}
		if err := b.stream.SecureDeleteMsg(ctx, e.revision); err != nil {
			return revisions, err
		}
	}
	if revisions > 0 && b.stream.CachedInfo().Config.DenyDelete {
		err = b.stream.Purge(ctx, jetstream.WithPurgeSubject(b.subject(id)), jetstream.WithPurgeSequence(below))
	}
	return revisions, err
}

// Forgotten is what Forget did to a collection.
type Forgotten struct {
	Changed   int `json:"changed"`   // records that named the person, and do not any more
	Deleted   int `json:"deleted"`   // records with the name in their IDs
	Revisions int `json:"revisions"` // older ones of these records, erased
	Mentions  int `json:"mentions"`  // records that are left and name the person in a text of others or in a field without a mark
}

// forgottenName stands for what was erased from a record.
const forgottenName = "(forgotten)"

// Forget erases a person from a collection. Of each record with the name in a field
// that is marked as a person, in this or an older revision, it replaces the name, and
// also the marked texts where the field is the first person; where the field is an
// object it drops the member of that name; and it erases the older revisions. Where no
// fields are given, every value that is the name counts as a person. A record with the name
// or a text of the person in its ID it deletes. With dryRun it only counts.
func (s *Store) Forget(ctx context.Context, collection, user string, fields []event.Field, dryRun bool) (done Forgotten, err error) {
	if user == "" {
		return done, event.Errorf(event.InvalidInput, "name the user to forget").With("field", "user")
	}
	p, err := newPerson(user, fields)
	if err != nil {
		return done, err
	}
	err = s.with(ctx, "forget a person in", collection, false, func(b *bucket) error {
		done = Forgotten{}
		revisions, mentions, named := map[event.ID]int{}, map[event.ID]bool{}, map[event.ID]bool{}
		for msg, err := range streams.Messages(ctx, s.js, streams.Selection{Stream: streamName(collection)}) {
			if err != nil {
				return err
			}
			e := b.entry(msg)
			if e.id == "" || e.deleted() {
				continue
			}
			switch record, err := jsondoc.ParseObject(e.data); {
			case err != nil: // not a record; what it names is left
				mentions[e.id] = p.name.Match(e.data)
			case p.redact(&record, func(text string) { named[e.id] = named[e.id] || isIn(string(e.id), text) }):
				revisions[e.id]++
			default:
				mentions[e.id] = p.name.MatchString(record.String())
			}
		}
		for id, n := range revisions {
			if err := b.forget(ctx, id, p, named[id] || p.name.MatchString(string(id)), dryRun, &done); err != nil {
				return err
			}
			if dryRun {
				done.Revisions += n
			}
		}
		for id, mentioned := range mentions {
			if _, forgotten := revisions[id]; mentioned && !forgotten {
				done.Mentions++
			}
		}
		return nil
	})
	if errors.Is(err, errNoBucket) {
		err = nil
	}
	return done, err
}

// forget erases a person from one record, which is deleted if the name or a text of the
// person is in its ID.
func (b *bucket) forget(ctx context.Context, id event.ID, p person, inID, dryRun bool, done *Forgotten) error {
	if inID {
		done.Deleted++
	} else {
		done.Changed++
	}
	if dryRun {
		return nil
	}
	if inID {
		n, err := b.vanish(ctx, id)
		done.Revisions += n
		return err
	}
	w, err := b.modify(ctx, id, nil, false, func(record *jsondoc.Value) error { p.redact(record, func(string) {}); return nil })
	if event.CodeOf(err) == event.RecordNotFound { // only older revisions are left
		var last entry
		last, err = b.last(ctx, b.subject(id))
		w.Revision = last.revision
	}
	if err != nil {
		return err
	}
	n, err := b.erase(ctx, id, w.Revision)
	done.Revisions += n
	return err
}

// vanish deletes a record, and erases also the delete marker, in the subject of which
// the ID is.
func (b *bucket) vanish(ctx context.Context, id event.ID) (revisions int, err error) {
	last, err := b.last(ctx, b.subject(id))
	if err != nil {
		return 0, err
	}
	marker := last.revision
	if last.live() != 0 {
		if marker, _, err = b.publish(ctx, b.subject(id), nil, nats.Header{headerOperation: {"DEL"}}, anyRevision, ""); err != nil {
			return 0, err
		}
	}
	if err := b.waitForFollowers(ctx, marker); err != nil {
		return 0, err
	}
	revisions, err = b.erase(ctx, id, marker+1)
	return max(revisions-1, 0), err
}

var errBehind = errors.New("a consumer of the bucket lags behind")

// waitForFollowers waits until the entry seq was delivered to every consumer, since
// views that did not hear of a deletion would keep the record.
func (b *bucket) waitForFollowers(ctx context.Context, seq uint64) error {
	policy := retry.Policy{Initial: settling, Max: 10 * settling, MaxElapsed: 5 * time.Second, If: func(err error) bool { return errors.Is(err, errBehind) }}
	return retry.Do(ctx, policy, func(ctx context.Context) error {
		list := b.stream.ListConsumers(ctx)
		for c := range list.Info() {
			if c.Delivered.Stream < seq && c.NumPending > 0 {
				return fmt.Errorf("%w: consumer %s of %s", errBehind, c.Name, c.Stream)
			}
		}
		return list.Err()
	})
}
