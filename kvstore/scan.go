package kvstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

const (
	scanAttempts = 5                      // how often a scan starts again because records were rewritten under it
	scanPatience = 200 * time.Millisecond // how long it waits before it doubts that there is more
	scanIdle     = 10                     // how often it waits in vain before it starts again
	scanRecent   = 10_000                 // how many entries may be written while it starts
	scanPlaces   = 30                     // how often its consumer is made on the wrong server of a cluster
)

var errMoved = errors.New("records were rewritten, or did not come, before they could be read")

// scan calls f with the last entry of every record, delete markers included, in
// the order in which they were written and without holding them in memory. It
// sees what was stored before it began, or newer revisions of that. Entries have
// no data where keysOnly is set. Before the first entry, and again where it has
// to start again, it calls begin with about the number of entries to come.
func (b *bucket) scan(ctx context.Context, keysOnly bool, begin func(total int), f func(id event.ID, e entry) error) error {
	for range scanAttempts {
		err := b.scanOnce(ctx, keysOnly, begin, f)
		if !errors.Is(err, errMoved) {
			return err
		}
	}
	return b.restless()
}

func (b *bucket) restless() error {
	return event.Errorf(event.DatabaseError, "collection %s is being rewritten faster than it can be read: try again", b.collection).
		With("collection", b.collection)
}

// scanOnce reads from a consumer of every subject's last entry. Which entries
// those are is only known up to what was written while the consumer was made, so
// the few subjects that this concerns are read one by one, behind the others. An
// entry that is missing in the end was pushed out by newer revisions: errMoved.
func (b *bucket) scanOnce(ctx context.Context, keysOnly bool, begin func(int), f func(event.ID, entry) error) error {
	before, needed, err := b.size(ctx)
	if err != nil {
		return err
	}
	consumer, err := b.lastEntries(ctx, before, keysOnly)
	if err != nil {
		return err
	}
	defer b.discard(ctx, consumer)
	last := before.State.LastSeq
	recent, older, err := b.since(ctx, last)
	if err != nil {
		return err
	}
	begin(needed)
	needed -= older
	if err := b.take(ctx, consumer, needed, last, recent, f); err != nil {
		return err
	}

	var entries []entry
	for subject := range recent {
		e, err := b.last(ctx, subject)
		if err != nil {
			return err
		}
		entries = append(entries, e)
	}
	slices.SortFunc(entries, func(x, y entry) int { return cmp.Compare(x.revision, y.revision) })
	for _, e := range entries {
		if id, isRecord := b.idOf(e.subject); isRecord && e.revision > 0 {
			if err := f(id, e); err != nil {
				return err
			}
		}
	}
	return nil
}

// size is the stream's state and how many subjects have an entry then that are not
// the service's own, whose entries inserts push out all the time. Its own are
// counted first: those that come in between make it too many, never too few.
func (b *bucket) size(ctx context.Context) (info *jetstream.StreamInfo, n int, err error) {
	counter, err := b.last(ctx, b.prefix+counterKey)
	if err != nil {
		return nil, 0, err
	}
	own, err := b.info(ctx, jetstream.WithSubjectFilter(b.prefix+insertedKey+"*"))
	if err != nil {
		return nil, 0, err
	}
	info, err = b.info(ctx)
	if err != nil {
		return nil, 0, err
	}
	n = int(info.State.NumSubjects) - len(own.State.Subjects)
	if counter.revision > 0 {
		n--
	}
	return info, n, nil
}

// lastEntries makes a consumer of every subject's last entry. On a cluster that is
// on any of the servers that have the stream, while only the leader was sure to
// have stored all that was acknowledged when it was asked, before: it is made again
// until it is there.
func (b *bucket) lastEntries(ctx context.Context, before *jetstream.StreamInfo, keysOnly bool) (jetstream.Consumer, error) {
	for range scanPlaces {
		consumer, err := b.store.js.CreateConsumer(ctx, streamName(b.collection), jetstream.ConsumerConfig{
			AckPolicy:         jetstream.AckNonePolicy,
			DeliverPolicy:     jetstream.DeliverLastPerSubjectPolicy,
			FilterSubject:     b.prefix + ">",
			HeadersOnly:       keysOnly,
			MemoryStorage:     true,
			Replicas:          1,
			InactiveThreshold: time.Minute,
		})
		if err != nil {
			return nil, fmt.Errorf("scan: %w", err)
		}
		if before.Config.Replicas <= 1 || leader(consumer.CachedInfo().Cluster) == leader(before.Cluster) {
			return consumer, nil
		}
		b.discard(ctx, consumer)
	}
	return nil, errMoved
}

// leader is the server that leads a stream or consumer; "" where nothing is said.
func leader(c *jetstream.ClusterInfo) string {
	if c == nil {
		return ""
	}
	return c.Leader
}

// since lists the subjects, the service's own left out, that were written after the
// entry last, and says how many of them had an entry up to there.
func (b *bucket) since(ctx context.Context, last uint64) (recent map[string]bool, older int, err error) {
	now, err := b.info(ctx)
	if err != nil {
		return nil, 0, err
	}
	recent = map[string]bool{}
	for seq := last + 1; seq <= now.State.LastSeq; {
		e, err := b.next(ctx, ">", seq)
		if err != nil {
			return nil, 0, err
		}
		if e.revision == 0 {
			break
		}
		if seq = e.revision + 1; !b.own(e.subject) {
			recent[e.subject] = true
		}
		if len(recent) > scanRecent {
			return nil, 0, errMoved
		}
	}
	for subject := range recent {
		kept := int64(0)
		for seq := uint64(1); ; kept++ {
			e, err := b.next(ctx, subject, seq)
			if err != nil {
				return nil, 0, err
			}
			if e.revision == 0 {
				break
			}
			if e.revision <= last {
				older++
				kept = 0
				break
			}
			seq = e.revision + 1
		}
		if kept >= now.Config.MaxMsgsPerSubject { // whether it had one is no longer known
			return nil, 0, errMoved
		}
	}
	return recent, older, nil
}

// missing decides about n entries up to the sequence last that did not come: nil
// when all of them were purged, which is done to what was deleted, and errMoved
// when newer revisions may have pushed some out.
func (b *bucket) missing(ctx context.Context, n int, last uint64) error {
	if n <= 0 {
		return nil
	}
	_, _, err := b.since(ctx, last)
	return err
}

// more reports whether an entry between two sequences is yet to come from a
// consumer of every subject's last entry. What it says itself cannot be relied on:
// its count may be wrong after a purge, and a request for entries may be lost.
func (b *bucket) more(ctx context.Context, after, last uint64, recent map[string]bool) (bool, error) {
	for after < last {
		e, err := b.next(ctx, ">", after+1)
		if err != nil || e.revision == 0 || e.revision > last {
			return false, err
		}
		after = e.revision
		if recent[e.subject] || b.own(e.subject) {
			continue
		}
		newer, err := b.next(ctx, e.subject, e.revision+1)
		if err != nil {
			return false, err
		}
		if newer.revision == 0 || newer.revision > last {
			return true, nil
		}
	}
	return false, nil
}

// take takes the entries from the consumer up to the sequence last that are
// neither recent nor the service's own: about as many as are needed.
func (b *bucket) take(ctx context.Context, consumer jetstream.Consumer, needed int, last uint64, recent map[string]bool, f func(event.ID, entry) error) error {
	messages, err := consumer.Messages(jetstream.PullMaxMessages(2048))
	if err != nil {
		return fmt.Errorf("scan: %w", err)
	}
	defer messages.Stop()
	reached, idle, asked := uint64(0), 0, false
	for reached < last {
		if needed <= 0 && !asked {
			asked = true
			if more, err := b.more(ctx, reached, last, recent); err != nil || !more {
				return err
			}
		}
		wait, cancel := context.WithTimeout(ctx, scanPatience)
		msg, err := messages.Next(jetstream.NextContext(wait))
		cancel()
		if err != nil && ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
			more, err := b.more(ctx, reached, last, recent)
			if err != nil {
				return err
			}
			if !more {
				break
			}
			if idle++; idle > scanIdle {
				return errMoved
			}
			continue
		}
		if err != nil {
			return fmt.Errorf("scan: %w", err)
		}
		meta, err := msg.Metadata()
		if err != nil {
			return fmt.Errorf("scan: %w", err)
		}
		if reached, idle = meta.Sequence.Stream, 0; reached > last {
			break
		}
		if recent[msg.Subject()] || b.own(msg.Subject()) {
			continue
		}
		needed--
		id, isRecord := b.idOf(msg.Subject())
		if !isRecord {
			continue
		}
		if err := f(id, entry{msg.Subject(), meta.Sequence.Stream, meta.Timestamp, msg.Headers(), msg.Data()}); err != nil {
			return err
		}
	}
	return b.missing(ctx, needed, last)
}

// discard deletes a scan's consumer. Should that fail, the server does it a
// minute later.
func (b *bucket) discard(ctx context.Context, consumer jetstream.Consumer) {
	if err := streams.Discard(ctx, b.store.js, consumer); err != nil {
		b.store.log.Debug("a scan's consumer is left to expire", "collection", b.collection, "error", err)
	}
}

func newRow(id event.ID, revision uint64, data []byte) (*row, error) {
	data, err := canonical(data, id)
	if err != nil {
		return nil, err
	}
	return &row{id, revision, string(data)}, nil
}

func (b *bucket) skipped(id event.ID, err error) {
	b.store.log.Warn("a database record was written by something else and is left out: set it again",
		"collection", b.collection, "id", string(id), "error", err)
}
