package kvstore

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/nats-io/nats.go"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams/jsapi"
)

// A counter hands out a collection's numbers. The last one is stored under counterKey
// and changed by compare-and-swap only, so that no two instances take the same number,
// whatever was deleted since.
type counter struct {
	takers atomic.Int64 // callers that wait in take

	mu       sync.Mutex
	known    bool // value and revision were read or written, and no swap failed since
	value    int64
	revision uint64
	spare    []int64 // added to the stored counter, and not given to a record yet
	after    int64   // no number up to it is given, whatever is stored
	reserved int64   // the collection's mark, see reserve
}

// take returns the next number. One swap of the stored counter serves all callers that
// wait in take.
func (c *counter) take(ctx context.Context, b *bucket) (int64, error) {
	c.takers.Add(1)
	defer c.takers.Add(-1)
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		if len(c.spare) > 0 {
			n := c.spare[0]
			c.spare = c.spare[1:]
			return n, nil
		}
		if err := c.load(ctx, b); err != nil {
			return 0, err
		}
		last, n := c.value, c.takers.Load()
		done, err := c.swap(ctx, b, last+n)
		if err != nil {
			return 0, err
		}
		for i := int64(1); done && i <= n; i++ {
			c.spare = append(c.spare, last+i)
		}
	}
}

// last returns the last number that the counter is known to have had.
func (c *counter) last() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.value
}

// give returns a number that no record was written with; take hands it out again.
func (c *counter) give(n int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.spare = append(c.spare, n)
}

// maxCounted is the highest number of a client's own that the collection's numbers go on
// from. Higher ones are passed over when it comes to them, so that no id can use the
// numbers up, or take them beyond what every JSON library can read.
const maxCounted = 1 << 52

// raise makes sure that n and all lower numbers are not given, unless n is above
// maxCounted.
func (c *counter) raise(ctx context.Context, b *bucket, n int64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		if c.known && n <= c.value || n <= 0 || n > maxCounted {
			return nil
		}
		if err := c.load(ctx, b); err != nil || n <= c.value {
			return err
		}
		if done, err := c.swap(ctx, b, n); done || err != nil {
			return err
		}
	}
}

func (c *counter) load(ctx context.Context, b *bucket) error {
	if c.known {
		return nil
	}
	e, err := b.last(ctx, b.prefix+counterKey)
	if err != nil {
		return fmt.Errorf("read the counter: %w", err)
	}
	var value int64
	if e.revision > 0 && !e.deleted() {
		if value, err = strconv.ParseInt(string(e.data), 10, 64); err != nil {
			return event.Errorf(event.DatabaseError, "collection %s: key %s holds %q instead of a number: put the highest id of the collection there", b.collection, counterKey, e.data)
		}
	}
	if e.revision == 0 && c.after == 0 { // the collection is new, or was deleted
		if value, err = b.store.marked(ctx, b.collection); err != nil {
			return err
		}
	}
	if value > 2*maxCounted { // an earlier release went on from any number
		if value, err = b.highestCounted(ctx); err != nil {
			return fmt.Errorf("read the counter: %w", err)
		}
	}
	c.known, c.value, c.revision = true, max(value, c.after), e.revision
	return nil
}

// highestCounted returns the highest number up to maxCounted that the counter had or
// that a record has or had.
func (b *bucket) highestCounted(ctx context.Context) (highest int64, err error) {
	count := func(n int64, isNumber bool) {
		if isNumber && n <= maxCounted {
			highest = max(highest, n)
		}
	}
	for from := uint64(1); ; {
		e, err := b.next(ctx, b.prefix+counterKey, from)
		if err != nil {
			return 0, err
		}
		if e.revision == 0 {
			break
		}
		n, err := strconv.ParseInt(string(e.data), 10, 64)
		count(n, err == nil)
		from = e.revision + 1
	}
	err = b.lastEntries(ctx, func() {}, func(e entry) { count(e.id.Int()) })
	return highest, err
}

func (c *counter) swap(ctx context.Context, b *bucket, value int64) (done bool, err error) {
	if err := c.reserve(ctx, b, value); err != nil {
		return false, err
	}
	revision, _, err := b.publish(ctx, b.prefix+counterKey, strconv.AppendInt(nil, value, 10), nats.Header{}, c.revision, "")
	if err != nil {
		c.known = false
		if errors.Is(err, ErrConflict) {
			return false, nil
		}
		return false, fmt.Errorf("write the counter: %w", err)
	}
	c.value, c.revision = value, revision
	return true, nil
}

// noteInsert stores which record the entry seq was the first of. A repeat of the
// request needs that once the record's history does not go back so far any more. Of
// each slot the history keeps as many notes as of a record. noteInsert does not wait for
// the acknowledgement: the server stores the note before what this instance writes next.
func (b *bucket) noteInsert(seq uint64, id event.ID) error {
	return b.store.js.Conn().PublishMsg(&nats.Msg{Subject: jsapi.KVSubject(b.store.js, b.slot(seq)), Data: fmt.Appendf(nil, "%d %s", seq, id)})
}

func (b *bucket) slot(seq uint64) string {
	return b.prefix + insertedKey + strconv.FormatUint(seq%insertedSlots, 10)
}

// insertedAt returns the ID of the record whose first entry was seq, "" when that is
// not known.
func (b *bucket) insertedAt(ctx context.Context, seq uint64) (event.ID, error) {
	for from := seq; ; {
		e, err := b.next(ctx, b.slot(seq), from)
		if err != nil || e.revision == 0 {
			return "", err
		}
		if of, id, _ := strings.Cut(string(e.data), " "); of == strconv.FormatUint(seq, 10) {
			return event.ID(id), nil
		}
		from = e.revision + 1
	}
}
