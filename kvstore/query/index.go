package query

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
)

// A column is a field of an index and the direction it sorts in.
type column struct {
	field
	descending bool
}

func (c column) String() string {
	if c.descending {
		return c.name + " DESC"
	}
	return c.name
}

// An index orders a view's rows by columns, of which the last is always the id.
type index struct {
	name    string // for people
	key     string
	columns []column
	tree    *tree
	bytes   int64
	used    atomic.Int64 // when, in ns
}

func indexName(columns []column) string {
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = c.String()
	}
	return strings.Join(names, ", ")
}

// indexKey identifies an index; its name does not, as a field may be called "a DESC".
func indexKey(columns []column) string {
	var key []byte
	for _, c := range columns {
		key = strconv.AppendBool(strconv.AppendQuote(key, c.name), c.descending)
	}
	return string(key)
}

func appendKey(b []byte, columns []column, r *Row) []byte {
	for _, c := range columns {
		start := len(b)
		b = c.appendValue(b, r.Data)
		if c.descending {
			complement(b[start:])
		}
	}
	return b
}

// maxIndexes bounds the secondary indexes of a view; the one that was not used
// for longest makes room.
const maxIndexes = 16

// entryCost is what an index's entry takes beside its key, in bytes.
const entryCost = 56

// replace puts a row in the place of another, either of which may be nil. It
// returns by how much the index grew.
func (x *index) replace(old, r *Row, scratch *[]byte) (grown int64) {
	if old != nil {
		*scratch = appendKey((*scratch)[:0], x.columns, old)
		x.tree.Delete(keyed{key: string(*scratch)})
		grown -= int64(len(*scratch)) + entryCost
	}
	if r != nil {
		*scratch = appendKey((*scratch)[:0], x.columns, r)
		x.tree.Set(keyed{string(*scratch), r})
		grown += int64(len(*scratch)) + entryCost
	}
	x.bytes += grown
	return grown
}

// A build is an index that is being made of a snapshot, while the view goes on.
type build struct {
	index    *index // nil in the end where there is no memory for it
	snapshot *tree
	budget   int64
	filled   bool
	changes  []replaced // since the snapshot
	done     chan struct{}
}

type replaced struct{ old, new *Row }

// index returns the index over columns, and makes it where there is none. Queries that
// want it meanwhile wait; others and writes do not. It is nil where the view has no
// memory for it.
func (v *View) index(ctx context.Context, columns []column) (x *index, made bool, err error) {
	v.mu.Lock()
	x, b := v.find(columns), v.builds[indexKey(columns)]
	if x == nil && b == nil {
		b = v.begin(columns)
		v.mu.Unlock()
		defer func() { x = v.finish(b) }()
		b.fill()
		return nil, true, nil
	}
	v.mu.Unlock()
	if x != nil {
		return x, false, nil
	}
	select {
	case <-b.done:
		return b.index, false, nil
	case <-ctx.Done():
		return nil, false, ctx.Err()
	}
}

// begin starts to make an index. The caller holds the lock.
func (v *View) begin(columns []column) *build {
	b := &build{
		index:    &index{name: indexName(columns), key: indexKey(columns), columns: columns, tree: newTree()},
		snapshot: v.primary.tree.IsoCopy(),
		budget:   v.limit - v.bytes,
		done:     make(chan struct{}),
	}
	v.builds[b.index.key] = b
	return b
}

// fill makes the index of the snapshot, which takes long and needs no lock.
func (b *build) fill() {
	x := b.index
	entries := make([]keyed, 0, b.snapshot.Len())
	var scratch []byte
	b.snapshot.Scan(func(k keyed) bool {
		scratch = appendKey(scratch[:0], x.columns, k.row)
		entries = append(entries, keyed{string(scratch), k.row})
		x.bytes += int64(len(scratch)) + entryCost
		return x.bytes <= b.budget
	})
	if x.bytes > b.budget {
		return
	}
	slices.SortFunc(entries, func(a, b keyed) int { return strings.Compare(a.key, b.key) })
	for _, e := range entries {
		x.tree.Load(e)
	}
	b.snapshot, b.filled = nil, true
}

// fewChanges is how many changes are made up for under the lock.
const fewChanges = 500

// finish brings the index up to date and puts it to use.
func (v *View) finish(b *build) *index {
	x := b.index
	var scratch []byte
	v.mu.Lock()
	for b.filled && len(b.changes) > fewChanges {
		changes := b.changes
		b.changes = nil
		v.mu.Unlock()
		for _, c := range changes {
			x.replace(c.old, c.new, &scratch)
		}
		v.mu.Lock()
	}
	defer v.mu.Unlock()
	for _, c := range b.changes {
		x.replace(c.old, c.new, &scratch)
	}
	delete(v.builds, x.key)
	defer close(b.done)
	if !b.filled || v.bytes+x.bytes > v.limit {
		b.index = nil
		return nil
	}
	for len(v.indexes) >= maxIndexes {
		v.drop(v.oldest())
	}
	v.indexes[x.key] = x
	v.bytes += x.bytes
	return x
}

func (v *View) oldest() *index {
	var oldest *index
	for _, x := range v.indexes {
		if oldest == nil || x.used.Load() < oldest.used.Load() {
			oldest = x
		}
	}
	return oldest
}

func (v *View) drop(x *index) {
	delete(v.indexes, x.key)
	v.bytes -= x.bytes
}
