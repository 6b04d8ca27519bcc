package query

import (
	"context"
	"time"
)

// snapshotFrom is how many rows a query may look at under the view's lock;
// beyond it works on a snapshot, which writes do not have to wait for.
const snapshotFrom = 2000

// An access is a plan and what it is carried out on.
type access struct {
	plan
	index *index
	tree  *tree
	parts []keyRange
	total int // rows that they have
}

// measure finds the plan's spans in the tree.
func (p *access) measure() {
	p.parts, p.total = make([]keyRange, len(p.spans)), 0
	for i, s := range p.spans {
		p.parts[i] = rangeOf(p.tree, s)
		p.total += p.parts[i].n
	}
}

// Run answers a query from the view.
func (v *View) Run(ctx context.Context, q Query) (Result, error) {
	built := false
	for attempt := 0; ; attempt++ {
		v.mu.RLock()
		p := makePlan(q, func(c []column) bool { return v.find(c) != nil })
		if v.find(p.columns) == nil {
			v.mu.RUnlock()
			x, made, err := v.index(ctx, p.columns)
			if err != nil {
				return Result{}, err
			}
			built = built || made
			// An index that others push out as soon as it is made is of no use.
			if x != nil && attempt < 2*maxIndexes {
				continue
			}
			v.mu.RLock()
			p = v.scan(q)
		}
		x := v.find(p.columns)
		x.used.Store(time.Now().UnixNano())
		a := access{plan: p, index: x, tree: x.tree}
		a.measure()
		if a.total <= snapshotFrom || p.ordered && !p.filtered && !q.AllIDs {
			out := v.collect(q, a, built, v.primary.tree.Len())
			v.mu.RUnlock()
			return out, nil
		}
		v.mu.RUnlock()
		v.mu.Lock()
		if v.find(p.columns) != x {
			v.mu.Unlock()
			continue
		}
		a.tree = x.tree.IsoCopy()
		records := v.primary.tree.Len()
		v.mu.Unlock()
		a.measure() // what was written in between is in the snapshot too
		return v.collect(q, a, built, records), nil
	}
}

// scan returns the plan to look at every record.
func (v *View) scan(q Query) plan {
	return plan{columns: v.primary.columns, spans: []span{{}}, residual: q.Filter, filtered: len(q.Filter.subs) > 0,
		ordered: len(q.order) == 1 && !q.order[0].descending}
}

func (v *View) collect(q Query, p access, built bool, records int) Result {
	c := collector{query: q, plan: &p.plan}
	for _, s := range p.parts {
		c.collect(p.tree, s)
	}
	e := Explain{Plan: "index", Index: p.index.name, Built: built, Ranges: len(p.spans), Filtered: p.filtered, Sorted: !p.ordered,
		Examined: c.examined, Records: records}
	if p.index == v.primary && p.total == records {
		e.Plan, e.Index, e.Ranges = "scan", "", 0
	}
	return Result{Rows: c.rows(), IDs: c.ids, Count: c.count, Explain: e}
}
