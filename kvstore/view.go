package kvstore

import (
	"strings"
	"sync"
	"sync/atomic"

	"github.com/tidwall/btree"

	"github.com/rosey-bot/rosey/event"
)

// A row is a record in memory.
type row struct {
	id       event.ID
	revision uint64
	data     string // canonical
}

// rowCost is what a row takes beside its data: itself, its key and its place in
// the primary tree, in bytes.
const rowCost = 120

// keyed is an index's entry: the encodings of the indexed fields and, last, of
// the id.
type keyed struct {
	key string
	row *row
}

type tree = btree.BTreeG[keyed]

func newTree() *tree {
	return btree.NewBTreeGOptions(func(a, b keyed) bool { return a.key < b.key }, btree.Options{NoLocks: true})
}

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
	name    string
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

func appendKey(b []byte, columns []column, r *row) []byte {
	for _, c := range columns {
		start := len(b)
		b = c.appendValue(b, r.data)
		if c.descending {
			complement(b[start:])
		}
	}
	return b
}

// maxIndexes bounds the secondary indexes of a view; the one that was not used
// for longest makes room.
const maxIndexes = 16

// A view is a collection in memory: every record, ordered by id, and whatever
// indexes queries asked for. Rows are never changed, only replaced, so a copy of
// a tree is a snapshot.
type view struct {
	mu      sync.RWMutex
	primary *index
	indexes map[string]*index
	bytes   int64
	limit   int64
	scratch []byte

	announced *announcements // nil: there are none

	applied uint64        // every entry up to this sequence is in the view
	changed chan struct{} // closed and replaced when applied grows, if anyone waits
	waiting bool
	err     error // why the view is of no use any more
}

func newView(limit int64) *view {
	primary := &index{columns: []column{{field: idField}}, tree: newTree()}
	primary.name = indexName(primary.columns)
	return &view{primary: primary, indexes: map[string]*index{}, limit: limit, changed: make(chan struct{})}
}

// apply replaces the record id by r, or takes it out where r is nil.
func (v *view) apply(id event.ID, r *row) {
	v.scratch = appendOrderedID(v.scratch[:0], id)
	key := string(v.scratch)
	var old keyed
	var had bool
	if r != nil {
		v.bytes += int64(len(r.data)+len(key)) + rowCost
		old, had = v.primary.tree.Set(keyed{key, r})
	} else {
		old, had = v.primary.tree.Delete(keyed{key: key})
	}
	if had {
		v.bytes -= int64(len(old.row.data)+len(key)) + rowCost
	}
	for _, x := range v.indexes {
		if had {
			v.remove(x, old.row)
		}
		if r != nil {
			v.add(x, r)
		}
	}
}

// entryCost is what an index's entry takes beside its key, in bytes.
const entryCost = 56

func (v *view) add(x *index, r *row) {
	v.scratch = appendKey(v.scratch[:0], x.columns, r)
	x.tree.Set(keyed{string(v.scratch), r})
	v.bytes += int64(len(v.scratch)) + entryCost
	x.bytes += int64(len(v.scratch)) + entryCost
}

func (v *view) remove(x *index, r *row) {
	v.scratch = appendKey(v.scratch[:0], x.columns, r)
	x.tree.Delete(keyed{key: string(v.scratch)})
	v.bytes -= int64(len(v.scratch)) + entryCost
	x.bytes -= int64(len(v.scratch)) + entryCost
}

// find returns the index over columns, if there is one.
func (v *view) find(columns []column) *index {
	if len(columns) == 1 && !columns[0].descending {
		return v.primary
	}
	return v.indexes[indexName(columns)]
}
