package replay

import (
	"slices"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

// A plan is a query's selection from one stream: its server-side filters, none for
// everything, and whether subjects must be matched again here because JetStream does
// not accept the exact filters.
type plan struct {
	stream  string
	filters []string
	recheck bool
}

// plans returns the selection from each stream that can hold a match, in the
// topology's order.
func (f Filter) plans() ([]plan, error) {
	patterns := f.Subjects
	if len(patterns) == 0 {
		patterns = f.likely()
	}
	wanted := map[string][]string{}
	for _, p := range patterns {
		found, err := streams.Overlapping(p)
		if err != nil {
			return nil, err
		}
		for stream, filters := range found {
			wanted[stream] = append(wanted[stream], filters...)
		}
	}
	var plans []plan
	for _, spec := range streams.Specs() {
		if filters := wanted[spec.Name]; len(filters) > 0 {
			plans = append(plans, planFor(spec, filters))
		}
	}
	return plans, nil
}

// likely returns the subjects that can match the filter's other fields.
func (f Filter) likely() []string {
	switch {
	case f.Plugin != "":
		return []string{"plugin." + f.Plugin + ".>", event.AllSends, event.RequestSubject("*"), event.RequestSubject("*", ">"), event.AllDatabase}
	case f.User != "" || f.Channel != "":
		return []string{event.AllCytube, event.AllPlugin}
	}
	return []string{">"}
}

// planFor reduces filters to what JetStream accepts: a consumer's filters must
// not overlap.
func planFor(spec streams.Spec, filters []string) plan {
	var kept []string
	for i, f := range filters {
		redundant := false
		for j, g := range filters {
			redundant = redundant || j != i && covers(g, f) && (f != g || j < i)
		}
		if !redundant {
			kept = append(kept, f)
		}
	}
	all := len(spec.Due) == 0
	for _, subject := range spec.Subjects {
		all = all && slices.ContainsFunc(kept, func(f string) bool { return covers(f, subject) })
	}
	if all {
		return plan{stream: spec.Name}
	}
	for i := range kept {
		for j := range i {
			if _, overlap := streams.Intersect(kept[i], kept[j]); overlap {
				return plan{stream: spec.Name, recheck: true}
			}
		}
	}
	return plan{stream: spec.Name, filters: kept}
}

// covers reports whether pattern matches all that other matches.
func covers(pattern, other string) bool {
	common, ok := streams.Intersect(other, pattern)
	return ok && common == other
}
