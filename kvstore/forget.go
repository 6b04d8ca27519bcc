package kvstore

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
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
// object it drops the member of that name; and it erases the older revisions. A record with the name in its ID it deletes. With dryRun it only counts.
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
		revisions, mentions := map[event.ID]int{}, map[event.ID]bool{}
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
			case p.redact(&record):
				revisions[e.id]++
			default:
				mentions[e.id] = p.name.MatchString(record.String())
			}
		}
		for id, n := range revisions {
			if err := b.forget(ctx, id, p, dryRun, &done); err != nil {
				return err
			}
			if dryRun {
				done.Revisions += n
			}
		}
		for id, named := range mentions {
			if _, forgotten := revisions[id]; named && !forgotten {
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

// forget erases a person from one record.
func (b *bucket) forget(ctx context.Context, id event.ID, p person, dryRun bool, done *Forgotten) error {
	inID := p.name.MatchString(string(id))
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
	w, err := b.modify(ctx, id, nil, false, func(record *jsondoc.Value) error { p.redact(record); return nil })
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

var errBehind = errors.New("somebody who watches the bucket is behind")

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

// A person is looked for in records.
type person struct {
	user   string
	name   *regexp.Regexp // the name as a word
	fields []event.Field  // with a mark
}

func newPerson(user string, fields []event.Field) (person, error) {
	name, err := regexp.Compile(`(?i)(^|[^\pL\pN_-])` + regexp.QuoteMeta(user) + `($|[^\pL\pN_-])`)
	if err != nil {
		return person{}, fmt.Errorf("look for %s: %w", user, err)
	}
	marked := slices.DeleteFunc(slices.Clone(fields), func(f event.Field) bool { return f.Mark == "" })
	return person{user, name, marked}, nil
}

// redact replaces the person, and the texts that are theirs, in a record. It reports
// whether the person was in it.
func (p person) redact(record *jsondoc.Value) (found bool) {
	forgotten := string(jsondoc.AppendQuoted(nil, forgottenName))
	persons, isAuthor := 0, false
	for _, f := range p.fields {
		if f.Mark != event.MarkPerson {
			continue
		}
		persons++
		record.Each(strings.Split(f.Name, "."), func(v *jsondoc.Value) {
			switch {
			case v.Kind == jsondoc.String && strings.EqualFold(jsondoc.Unquote(v.Text), p.user):
				v.Text, found = forgotten, true
				isAuthor = isAuthor || persons == 1
			case v.Kind == jsondoc.Object:
				n := len(v.Children)
				v.Children = slices.DeleteFunc(v.Children, func(m jsondoc.Value) bool { return strings.EqualFold(m.Name, p.user) })
				found = found || len(v.Children) < n
			}
		})
	}
	for _, f := range p.fields {
		if isAuthor && f.Mark == event.MarkText {
			record.Each(strings.Split(f.Name, "."), func(v *jsondoc.Value) {
				if v.Kind == jsondoc.String {
					v.Text = forgotten
				}
			})
		}
	}
	return found
}
