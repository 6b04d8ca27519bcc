package query

import (
	"context"
	"slices"
	"strings"
	"time"
)

// snapshotFrom is how many rows a query may look at under the view's lock;
// beyond it works on a snapshot, which writes do not have to wait for.
const snapshotFrom = 2000

// An access is a plan and what it is carried out on.
type access struct {
	*plan
	index *index
	tree  *tree
	parts []keyRange
}

// measure finds the plan's spans in the tree, and returns how many rows they have.
func (p *access) measure() (total int) {
	p.parts = make([]keyRange, len(p.spans))
	for i, s := range p.spans {
		p.parts[i] = rangeOf(p.tree, s)
		total += p.parts[i].n
	}
	return total
}

// Run answers a query from the view.
func (v *View) Run(ctx context.Context, q Query) (Result, error) {
	has := func(c []column) bool { return v.find(c) != nil }
	built := false
	for attempt := 0; ; attempt++ {
		v.mu.RLock()
		plans := makePlans(q, has)
		i := slices.IndexFunc(plans, func(p plan) bool { return v.find(p.columns) == nil })
		if i >= 0 {
			v.mu.RUnlock()
			x, made, err := v.index(ctx, plans[i].columns)
			if err != nil {
				return Result{}, err
			}
			built = built || made
			// An index that others push out as soon as it is made is of no use.
			if x != nil && attempt < 2*maxIndexes {
				continue
			}
			v.mu.RLock()
			plans = []plan{v.scan(q)}
		}
		accesses, total := v.accesses(plans)
		if len(accesses) > 1 && total > v.primary.tree.Len() {
			plans = []plan{v.scan(q)}
			accesses, total = v.accesses(plans)
		}
		if total <= snapshotFrom || !q.AllIDs && !slices.ContainsFunc(plans, func(p plan) bool { return p.filtered || !p.ordered }) {
			out := v.collect(q, accesses, built, v.primary.tree.Len())
			v.mu.RUnlock()
			return out, nil
		}
		v.mu.RUnlock()
		v.mu.Lock()
		if slices.ContainsFunc(accesses, func(p access) bool { return v.find(p.columns) != p.index }) {
			v.mu.Unlock()
			continue
		}
		for i := range accesses {
			accesses[i].tree = accesses[i].tree.IsoCopy()
		}
		records := v.primary.tree.Len()
		v.mu.Unlock()
		for i := range accesses {
			accesses[i].measure() // what was written in between is in the snapshot too
		}
		return v.collect(q, accesses, built, records), nil
	}
}

// scan returns the plan to look at every record.
func (v *View) scan(q Query) plan {
	return plan{columns: v.primary.columns, spans: []span{{}}, residual: q.Filter, filtered: len(q.Filter.subs) > 0,
		ordered: len(q.order) == 1 && !q.order[0].descending}
}

// accesses returns those of the plans, and how many rows they have.
func (v *View) accesses(plans []plan) (accesses []access, total int) {
	accesses = make([]access, len(plans))
	for i := range plans {
		x := v.find(plans[i].columns)
		x.used.Store(time.Now().UnixNano())
		accesses[i] = access{plan: &plans[i], index: x, tree: x.tree}
		total += accesses[i].measure()
	}
	return accesses, total
}

func (v *View) collect(q Query, accesses []access, built bool, records int) Result {
	e := Explain{Plan: "index", Built: built, Records: records}
	c := collector{query: q}
	var names []string
	for _, p := range accesses {
		c.plan = p.plan
		rows := 0
		for _, s := range p.parts {
			c.collect(p.tree, s)
			rows += s.n
		}
		if p.index == v.primary && rows == records {
			e.Plan = "scan"
		}
		if !slices.Contains(names, p.index.name) {
			names = append(names, p.index.name)
		}
		e.Ranges += len(p.spans)
		e.Filtered = e.Filtered || p.filtered
		e.Sorted = e.Sorted || !p.ordered
	}
	if e.Index = strings.Join(names, " or "); e.Plan == "scan" {
		e.Index, e.Ranges = "", 0
	}
	e.Examined = c.examined
	return Result{Rows: c.rows(), IDs: c.ids, Count: c.count, Explain: e}
}
