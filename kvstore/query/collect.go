package query

import (
	"slices"
	"sort"
	"strings"

	"github.com/rosey-bot/rosey/event"
)

// A keyRange is a part of a tree: n entries, from a key or, where it is known,
// from a position on.
type keyRange struct {
	lo   string
	from int // -1: not known
	n    int
}

// fewEntries is how many entries are counted one by one. That takes one search,
// where a position takes one for each doubling of the tree's size.
const fewEntries = 500

func rangeOf(t *tree, s span) keyRange {
	if s.lo == "" && s.hi == "" {
		return keyRange{n: t.Len()}
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
		return keyRange{s.lo, -1, n}
	}
	from, to := 0, t.Len()
	if s.lo != "" {
		from = rank(t, s.lo)
	}
	if s.hi != "" {
		to = rank(t, s.hi)
	}
	return keyRange{s.lo, from, to - from}
}

func rank(t *tree, key string) int {
	return sort.Search(t.Len(), func(i int) bool {
		k, _ := t.GetAt(i)
		return k.key >= key
	})
}

// A collector finds, counts and sorts the matches of a query.
type collector struct {
	query    Query
	plan     *plan
	page     []*Row // when ordered
	ids      []event.ID
	top      []keyed
	cut      string // nothing after it can be on the page
	count    int
	examined int
	held     int64 // what the matches that are kept take, in bytes
	scratch  []byte
}

// keptCost is what a match takes beside its key, its ID and its data, in bytes.
const keptCost = 104

func (k keyed) size() int64 { return int64(len(k.key)+len(k.row.ID)+len(k.row.Data)) + keptCost }

// collect goes through a part of the tree.
func (c *collector) collect(t *tree, s keyRange) {
	if c.plan.ordered && !c.plan.filtered && !c.query.AllIDs {
		skip := min(s.n, max(0, c.query.Offset-c.count))
		c.count += s.n
		c.walk(t, s, skip, min(s.n-skip, c.query.Limit-len(c.page)), func(r *Row) { c.page = append(c.page, r) })
		return
	}
	c.walk(t, s, 0, s.n, c.test)
}

// walk calls f with n rows of a part of the tree, after those to skip.
func (c *collector) walk(t *tree, s keyRange, skip, n int, f func(*Row)) {
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

// test counts a row that matches, and keeps it where it can be on the page.
func (c *collector) test(r *Row) {
	if c.plan.filtered && !c.plan.residual.Matches(r.Data, &c.scratch) {
		return
	}
	c.count++
	switch {
	case c.query.AllIDs:
		c.ids = append(c.ids, r.ID)
		c.held += int64(len(r.ID)) + keptCost
	case c.plan.ordered:
		if c.count > c.query.Offset && len(c.page) < c.query.Limit {
			c.page = append(c.page, r)
		}
	case c.query.Limit > 0:
		c.scratch = appendKey(c.scratch[:0], c.query.order, r)
		if c.cut != "" && string(c.scratch) > c.cut {
			return
		}
		k := keyed{string(c.scratch), r}
		c.top = append(c.top, k)
		if c.held += k.size(); len(c.top) >= 2*(c.query.Offset+c.query.Limit)+1024 {
			c.sortTop()
		}
	}
}

// sortTop leaves what can be on the page or before it.
func (c *collector) sortTop() {
	slices.SortFunc(c.top, func(a, b keyed) int { return strings.Compare(a.key, b.key) })
	keep := c.query.Offset + c.query.Limit
	if len(c.top) <= keep {
		return
	}
	for _, k := range c.top[keep:] {
		c.held -= k.size()
	}
	clear(c.top[keep:])
	c.top = c.top[:keep]
	c.cut = c.top[keep-1].key
}

// rows returns the page.
func (c *collector) rows() []*Row {
	if c.plan.ordered {
		return c.page
	}
	c.sortTop()
	for _, k := range c.top[min(c.query.Offset, len(c.top)):] {
		c.page = append(c.page, k.row)
	}
	return c.page
}
