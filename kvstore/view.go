package kvstore

import (
	"sync"

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

// A view is a collection in memory: every record, ordered by id, and whatever
// indexes queries asked for. Rows are never changed, only replaced, so a copy of
// a tree is a snapshot.
type view struct {
	mu      sync.RWMutex
	primary *index
	indexes map[string]*index
	builds  map[string]*build // of indexes that are being made
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
	return &view{primary: primary, indexes: map[string]*index{}, builds: map[string]*build{}, limit: limit, changed: make(chan struct{})}
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
		v.bytes += x.replace(old.row, r, &v.scratch)
	}
	for _, b := range v.builds {
		b.changes = append(b.changes, replaced{old.row, r})
	}
}

// find returns the index over columns, if there is one.
func (v *view) find(columns []column) *index {
	if len(columns) == 1 && !columns[0].descending {
		return v.primary
	}
	return v.indexes[indexName(columns)]
}
