package kvstore

import (
	"slices"
	"sort"
	"strings"

	"github.com/rosey-bot/rosey/event"
)

// A stretch is a part of a tree: n entries, from a key or, where it is known,
// from a position on.
type stretch struct {
	lo   string
	from int // -1: not known
	n    int
}

// fewEntries is how many entries are counted one by one. That takes one search,
// where a position takes one for each doubling of the tree's size.
const fewEntries = 500

func stretchOf(t *tree, s span) stretch {
	if s.lo == "" && s.hi == "" {
		return stretch{n: t.Len()}
	}
	n := 0
	t.Ascend(keyed{key: s.lo}, func(k keyed) bool {
		if s.hi != "" && k.key >= s.hi {
			return false
		}
		n++
		return n <= fewEntries
	})
	if n <= fewEntries {
		return stretch{s.lo, -1, n}
	}
	from, to := 0, t.Len()
	if s.lo != "" {
		from = rank(t, s.lo)
	}
	if s.hi != "" {
		to = rank(t, s.hi)
	}
	return stretch{s.lo, from, to - from}
}

func rank(t *tree, key string) int {
	return sort.Search(t.Len(), func(i int) bool {
		k, _ := t.GetAt(i)
		return k.key >= key
	})
}

// A collector finds, counts and sorts the matches of a query.
type collector struct {
	q        query
	plan     *plan
	page     []*row // when ordered
	ids      []event.ID
	top      []keyed
	cut      string // nothing behind it can be on the page
	count    int
	examined int
	scratch  []byte

	room int64 // for what is kept of the matches, in bytes; 0: they are in memory anyway
	held int64
	bare bool // data is not kept any more: it can be read again
	full bool // not even what it is sorted by has room
}

// keptCost is what a match takes beside its key, its id and its data, in bytes.
const keptCost = 104

func kept(k keyed) int64 { return int64(len(k.key)+len(k.row.id)+len(k.row.data)) + keptCost }

// collect goes through a part of the tree.
func (c *collector) collect(t *tree, s stretch) {
	if c.plan.ordered && !c.plan.filtered && !c.q.all {
		skip := min(s.n, max(0, c.q.offset-c.count))
		c.count += s.n
		c.walk(t, s, skip, min(s.n-skip, c.q.limit-len(c.page)), func(r *row) { c.page = append(c.page, r) })
		return
	}
	c.walk(t, s, 0, s.n, c.test)
}

// walk calls f with n rows of a part of the tree, behind those to skip.
func (c *collector) walk(t *tree, s stretch, skip, n int, f func(*row)) {
	if n <= 0 {
		return
	}
	c.examined += n
	first := keyed{key: s.lo}
	if s.from >= 0 {
		first, _ = t.GetAt(s.from + skip)
		skip = 0
	}
	t.Ascend(first, func(k keyed) bool {
		if skip > 0 {
			skip--
			return true
		}
		f(k.row)
		n--
		return n > 0
	})
}

func (c *collector) test(r *row) {
	if c.plan.filtered && !c.plan.residual.matches(r.data, &c.scratch) {
		return
	}
	c.count++
	if c.q.all {
		c.ids = append(c.ids, r.id)
		c.held += int64(len(r.id)) + keptCost
		c.full = c.room > 0 && c.held > c.room
		return
	}
	if c.plan.ordered {
		if c.count > c.q.offset && len(c.page) < c.q.limit {
			c.page = append(c.page, r)
		}
		return
	}
	keep := c.q.offset + c.q.limit
	if c.q.limit == 0 {
		return
	}
	c.scratch = appendKey(c.scratch[:0], c.q.order, r)
	if c.cut != "" && string(c.scratch) > c.cut {
		return
	}
	if c.bare {
		r.data = ""
	}
	c.top = append(c.top, keyed{string(c.scratch), r})
	c.held += kept(c.top[len(c.top)-1])
	if len(c.top) >= 2*keep+1024 {
		c.sortTop()
	}
	if c.room > 0 && c.held > c.room {
		c.shrink()
	}
}

// sortTop leaves what can be on the page or before it.
func (c *collector) sortTop() {
	slices.SortFunc(c.top, func(a, b keyed) int { return strings.Compare(a.key, b.key) })
	keep := c.q.offset + c.q.limit
	if len(c.top) <= keep {
		return
	}
	for _, k := range c.top[keep:] {
		c.held -= kept(k)
	}
	clear(c.top[keep:])
	c.top = c.top[:keep]
	c.cut = c.top[keep-1].key
}

// shrink makes room.
func (c *collector) shrink() {
	if c.sortTop(); c.held <= c.room/2 {
		return
	}
	c.bare = true
	for _, k := range c.top {
		c.held -= int64(len(k.row.data))
		k.row.data = ""
	}
	c.full = c.held > c.room/2
}

// rows is the page.
func (c *collector) rows() []*row {
	if c.plan.ordered {
		return c.page
	}
	c.sortTop()
	for _, k := range c.top[min(c.q.offset, len(c.top)):] {
		c.page = append(c.page, k.row)
	}
	return c.page
}
