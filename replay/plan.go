package replay

import (
	"slices"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

// A plan is a query's selection from one stream.
type plan struct {
	stream   string
	patterns []string // of which a subject must match one; they may overlap
}

// selects reports whether the query wants an event of the stream by its subject.
func (p plan) selects(subject string) bool { return matchesAny(p.patterns, subject) }

// filters returns the patterns for the server: a direct get takes one pattern, and to
// read a stream once is faster than once for each.
func (p plan) filters() []string {
	if len(p.patterns) > 1 {
		return nil
	}
	return p.patterns
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
		if len(wanted[spec.Name]) > 0 {
			plans = append(plans, plan{spec.Name, wanted[spec.Name]})
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

func matchesAny(patterns []string, subject string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return event.Match(p, subject) })
}
