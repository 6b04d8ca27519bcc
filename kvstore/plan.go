package kvstore

import (
	"slices"
	"sort"
	"strings"
	"time"
)

// A plan says which part of which index holds every match, and what is left to
// do there.
type plan struct {
	columns  []column
	spans    []span // of the index's keys, in its order
	ordered  bool   // the index has the query's order
	residual filter // what spans do not see to
	filtered bool   // residual is not empty
}

// conditions are the parts of a filter that must all hold.
func (f *filter) conditions(to []*filter) []*filter {
	if f.op != '&' {
		return append(to, f)
	}
	for i := range f.subs {
		to = f.subs[i].conditions(to)
	}
	return to
}

// bounds are the spans of one field.
type bounds struct {
	field field
	spans []span
}

func (b bounds) exact() bool { return len(b.spans) == 1 && b.spans[0].exact }

// boundsOf are the fields that a filter bounds, by name.
func boundsOf(conditions []*filter) []bounds {
	var all []bounds
	for _, c := range conditions {
		s := c.test.spans
		if c.test.match != nil {
			s = c.test.within
		}
		if c.op != '?' || s == nil {
			continue
		}
		i := slices.IndexFunc(all, func(b bounds) bool { return b.field.name == c.test.field.name })
		if i < 0 {
			all = append(all, bounds{c.test.field, s})
		} else {
			all[i].spans = intersect(all[i].spans, s)
		}
	}
	slices.SortFunc(all, func(a, b bounds) int { return strings.Compare(a.field.name, b.field.name) })
	return all
}

// makePlan looks for the index that leaves the least to do. has tells whether
// an index exists already.
//
// The fields that must equal one value come first in it; where those, and a
// range of what follows, are the whole filter, the number of matches is a
// difference of two ranks, and a page of them costs no more than its length and
// a search.
func makePlan(q query, has func([]column) bool) plan {
	conditions := q.filter.conditions(nil)
	all := boundsOf(conditions)
	var p plan
	var prefix []byte
	bound := map[string]bool{} // by the plan's spans
	for _, b := range all {
		if b.field.name == idField.name && b.exact() {
			p.columns, p.spans, p.ordered = []column{{field: idField}}, b.spans, true
			p.leave(conditions, map[string]bool{idField.name: true})
			return p
		}
	}
	for _, b := range all {
		if b.exact() {
			p.columns = append(p.columns, column{field: b.field})
			prefix = append(prefix, b.spans[0].lo...)
			bound[b.field.name] = true
		}
	}
	order := slices.DeleteFunc(slices.Clone(q.order), func(c column) bool { return bound[c.name] })
	if len(order) == 0 || order[len(order)-1].name != idField.name {
		order = append(order, column{field: idField})
	}

	ranged := bestRange(all, order[0].name)
	switch {
	case ranged == nil || ranged.field.name == order[0].name:
		p.columns = append(p.columns, order...)
		p.ordered = true
	case ranged.field.name == idField.name:
		p.columns = append(p.columns, column{field: idField})
	default:
		p.columns = append(p.columns, column{field: ranged.field}, column{field: idField})
	}
	whole := span{lo: string(prefix), hi: after(string(prefix))}
	if ranged == nil {
		p.spans = []span{whole}
	} else {
		bound[ranged.field.name] = true
		p.spans = within(whole, ranged.spans, p.columns[len(bound)-1].descending)
	}
	p.leave(conditions, bound)

	if len(bound) == 0 && p.filtered && !has(p.columns) {
		// The order alone is not worth an index where every record is tested anyway.
		p.columns, p.ordered = []column{{field: idField}}, len(order) == 1 && !order[0].descending
	}
	return p
}

// bestRange is the bounds, other than of one value, that the plan should use:
// those of the field that the result is ordered by, else of fewest values.
func bestRange(all []bounds, first string) *bounds {
	var best *bounds
	rank := func(b *bounds) int {
		switch s := b.spans; {
		case b.field.name == first:
			return 0
		case !slices.ContainsFunc(s, func(s span) bool { return !s.exact }):
			return 1
		default:
			return 2
		}
	}
	for i := range all {
		if b := &all[i]; !b.exact() && (best == nil || rank(b) < rank(best)) {
			best = b
		}
	}
	return best
}

// within puts spans of a column behind a prefix, given as the span of all keys
// that begin with it.
func within(prefix span, column []span, descending bool) []span {
	out := make([]span, 0, len(column))
	for _, s := range column {
		if descending {
			s = s.reversed()
		}
		k := span{lo: prefix.lo + s.lo, hi: prefix.hi}
		if s.hi != "" {
			k.hi = prefix.lo + s.hi
		}
		out = append(out, k)
	}
	if descending {
		slices.Reverse(out)
	}
	return out
}

// leave makes the residual: the conditions that bounding these fields does not
// fulfil.
func (p *plan) leave(conditions []*filter, bound map[string]bool) {
	p.residual.op = '&'
	for _, c := range conditions {
		if c.op != '?' || c.test.match != nil || !bound[c.test.field.name] {
			p.residual.subs = append(p.residual.subs, *c)
		}
	}
	p.filtered = len(p.residual.subs) > 0
}

// snapshotFrom is how many rows a query may look at under the view's lock;
// beyond it works on a snapshot, which writes do not have to wait for.
const snapshotFrom = 2000

// run answers a query from the view.
func (v *view) run(q query) found {
	v.mu.RLock()
	p := makePlan(q, func(c []column) bool { return v.find(c) != nil })
	x, built := v.find(p.columns), false
	if x == nil {
		v.mu.RUnlock()
		v.mu.Lock()
		if x = v.find(p.columns); x == nil {
			x, built = v.build(p.columns), true
		}
		if x == nil { // there is no room for it
			x, built = v.primary, false
			p = plan{columns: x.columns, spans: []span{{}}, residual: q.filter, filtered: true,
				ordered: len(q.order) == 1 && !q.order[0].descending}
		}
		v.mu.Unlock()
		v.mu.RLock()
	}
	x.used.Store(time.Now().UnixNano())
	e := Explain{Plan: "index", Index: x.name, Built: built, Ranges: len(p.spans), Filtered: p.filtered, Sorted: !p.ordered, Records: v.primary.tree.Len()}
	ranges := make([]rankRange, len(p.spans))
	total := 0
	for i, s := range p.spans {
		ranges[i] = ranks(x.tree, s)
		total += ranges[i].to - ranges[i].from
	}
	if x == v.primary && total == e.Records {
		e.Plan, e.Index, e.Ranges = "scan", "", 0
	}
	c := collector{q: q, plan: &p}
	t := x.tree
	if (p.filtered || !p.ordered) && total > snapshotFrom {
		v.mu.RUnlock()
		v.mu.Lock()
		t = x.tree.IsoCopy()
		v.mu.Unlock()
		// What was written in between is in the snapshot too.
		total = 0
		for i, s := range p.spans {
			ranges[i] = ranks(t, s)
			total += ranges[i].to - ranges[i].from
		}
	} else {
		defer v.mu.RUnlock()
	}
	for _, r := range ranges {
		c.collect(t, r)
	}
	e.Examined = c.examined
	return found{c.rows(), c.count, e}
}

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

// build makes an index over columns, or returns nil when it would take the view
// beyond its limit. The caller holds the lock.
func (v *view) build(columns []column) *index {
	x := &index{name: indexName(columns), columns: columns, tree: newTree()}
	entries := make([]keyed, 0, v.primary.tree.Len())
	v.primary.tree.Scan(func(k keyed) bool {
		v.scratch = appendKey(v.scratch[:0], columns, k.row)
		entries = append(entries, keyed{string(v.scratch), k.row})
		x.bytes += int64(len(v.scratch)) + entryCost
		return v.bytes+x.bytes <= v.limit
	})
	if v.bytes+x.bytes > v.limit {
		return nil
	}
	slices.SortFunc(entries, func(a, b keyed) int { return strings.Compare(a.key, b.key) })
	for _, e := range entries {
		x.tree.Load(e)
	}
	for len(v.indexes) >= maxIndexes {
		v.drop(v.oldest())
	}
	v.indexes[x.name] = x
	v.bytes += x.bytes
	return x
}

func (v *view) oldest() *index {
	var oldest *index
	for _, x := range v.indexes {
		if oldest == nil || x.used.Load() < oldest.used.Load() {
			oldest = x
		}
	}
	return oldest
}

func (v *view) drop(x *index) {
	delete(v.indexes, x.name)
	v.bytes -= x.bytes
}
