package kvstore

import (
	"slices"
	"sort"
	"strings"
)

// A rankRange is a part of a tree by position.
type rankRange struct{ from, to int }

func ranks(t *tree, s span) rankRange {
	r := rankRange{0, t.Len()}
	if s.lo != "" {
		r.from = rank(t, s.lo)
	}
	if s.hi != "" {
		r.to = max(r.from, rank(t, s.hi))
	}
	return r
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
	top      []keyed
	cut      string // nothing behind it can be on the page
	count    int
	examined int
	scratch  []byte
}

// collect goes through a range of the tree.
func (c *collector) collect(t *tree, r rankRange) {
	n := r.to - r.from
	if n <= 0 {
		return
	}
	if c.plan.ordered && !c.plan.filtered {
		skip := min(n, max(0, c.q.offset-c.count))
		take := min(n-skip, c.q.limit-len(c.page))
		c.count += n
		c.walk(t, r.from+skip, take, func(k keyed) { c.page = append(c.page, k.row) })
		return
	}
	c.walk(t, r.from, n, func(k keyed) { c.test(k.row) })
}

func (c *collector) walk(t *tree, from, n int, f func(keyed)) {
	if n <= 0 {
		return
	}
	c.examined += n
	first, _ := t.GetAt(from)
	t.Ascend(first, func(k keyed) bool {
		f(k)
		n--
		return n > 0
	})
}

func (c *collector) test(r *row) {
	if c.plan.filtered && !c.plan.residual.matches(r.data, &c.scratch) {
		return
	}
	c.count++
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
	c.top = append(c.top, keyed{string(c.scratch), r})
	if len(c.top) >= 2*keep+1024 {
		c.sortTop()
		c.cut = c.top[len(c.top)-1].key
	}
}

func (c *collector) sortTop() {
	slices.SortFunc(c.top, func(a, b keyed) int { return strings.Compare(a.key, b.key) })
	clear(c.top[min(len(c.top), c.q.offset+c.q.limit):])
	c.top = c.top[:min(len(c.top), c.q.offset+c.q.limit)]
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
