package query

import (
	"slices"
	"strings"
)

// A plan says which part of which index holds every match, and what is left to
// do there.
type plan struct {
	columns  []column
	spans    []span // of the index's keys, in its order
	ordered  bool   // the index has the query's order
	residual Filter // what spans do not see to
	filtered bool   // residual is not empty
}

// conditions appends the parts of a filter that must all hold.
func (f *Filter) conditions(to []*Filter) []*Filter {
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

// boundsOf returns the fields that the conditions bound, by name.
func boundsOf(conditions []*Filter) []bounds {
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
// range of what follows, are the whole filter, the matches lie side by side: many
// are counted by their positions, and a page of them costs no more than its
// length and a search.
func makePlan(q Query, has func([]column) bool) plan {
	conditions := q.Filter.conditions(nil)
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

// bestRange returns the bounds, other than of one value, that the plan should use:
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

// within puts spans of a column after a prefix, given as the span of all keys
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
func (p *plan) leave(conditions []*Filter, bound map[string]bool) {
	p.residual.op = '&'
	for _, c := range conditions {
		if c.op != '?' || c.test.match != nil || !bound[c.test.field.name] {
			p.residual.subs = append(p.residual.subs, *c)
		}
	}
	p.filtered = len(p.residual.subs) > 0
}
