package query

import (
	"sync"

	"github.com/tidwall/btree"

	"github.com/rosey-bot/rosey/event"
)

// rowCost is what a row takes beside its data: itself, its key and its place in
// the primary tree, in bytes.
const rowCost = 120

// keyed is an index's entry: the encodings of the indexed fields and, last, of
// the id.
type keyed struct {
	key string
	row *Row
}

type tree = btree.BTreeG[keyed]

func newTree() *tree {
	return btree.NewBTreeGOptions(func(a, b keyed) bool { return a.key < b.key }, btree.Options{NoLocks: true})
}

// A View is a collection in memory: every record, ordered by ID, and whatever
// indexes queries asked for. Rows are never changed, only replaced, so a copy of
// a tree is a snapshot. All methods may be called concurrently.
type View struct {
	mu      sync.RWMutex
	primary *index
	indexes map[string]*index
	builds  map[string]*build // of indexes that are being made
	bytes   int64
	limit   int64
	scratch []byte
}

// NewView makes an empty view that may take so many bytes of memory.
func NewView(limit int64) *View {
	primary := &index{columns: []column{{field: idField}}, tree: newTree()}
	primary.name = indexName(primary.columns)
	return &View{primary: primary, indexes: map[string]*index{}, builds: map[string]*build{}, limit: limit}
}

// Apply replaces the record id by r, or removes it where r is nil. It drops indexes
// to stay within the view's limit, and returns false where the records alone are
// beyond it: the view is of no use then.
func (v *View) Apply(id event.ID, r *Row) (fits bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.apply(id, r)
	return v.shrink()
}

// Len returns the number of records.
func (v *View) Len() int {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.primary.tree.Len()
}

// Size returns how much memory the view takes, in bytes.
func (v *View) Size() int64 {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.bytes
}

func (v *View) apply(id event.ID, r *Row) {
	v.scratch = appendOrderedID(v.scratch[:0], id)
	key := string(v.scratch)
	var old keyed
	var had bool
	if r != nil {
		v.bytes += int64(len(r.Data)+len(key)) + rowCost
		old, had = v.primary.tree.Set(keyed{key, r})
	} else {
		old, had = v.primary.tree.Delete(keyed{key: key})
	}
	if had {
		v.bytes -= int64(len(old.row.Data)+len(key)) + rowCost
	}
	for _, x := range v.indexes {
		v.bytes += x.replace(old.row, r, &v.scratch)
	}
	for _, b := range v.builds {
		b.changes = append(b.changes, replaced{old.row, r})
	}
}

// shrink drops indexes until the view is within its limit; it returns whether that
// was enough.
func (v *View) shrink() bool {
	for v.bytes > v.limit && len(v.indexes) > 0 {
		v.drop(v.oldest())
	}
	return v.bytes <= v.limit
}

// find returns the index over columns, if there is one.
func (v *View) find(columns []column) *index {
	if len(columns) == 1 && !columns[0].descending {
		return v.primary
	}
	return v.indexes[indexKey(columns)]
}
