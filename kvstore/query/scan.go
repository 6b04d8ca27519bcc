package query

import "github.com/rosey-bot/rosey/event"

// A Scan answers a query from records that are handed to it one by one, in any
// order, and keeps only those that can be on the page.
type Scan struct {
	collector
	budget int64
}

// NewScan starts to answer a query that may keep so many bytes of records.
func NewScan(q Query, budget int64) *Scan {
	return &Scan{collector{query: q, plan: &plan{residual: q.Filter, filtered: len(q.Filter.subs) > 0}}, budget}
}

// Add hands the scan one record. It returns an INVALID_INPUT error that says what to
// do where the matches that can be on the page are beyond the budget.
func (s *Scan) Add(r *Row) error {
	s.examined++
	if s.test(r); s.held <= s.budget {
		return nil
	}
	// Only half is kept then, so that the next sorting is not for a few records.
	if s.sortTop(); s.held <= s.budget/2 {
		return nil
	}
	field, advice := "limit", "ask for less at a time"
	switch {
	case s.query.AllIDs:
		field, advice = "filter", "change fewer records at a time"
	case s.query.Offset > 0:
		field, advice = "offset", "filter for what comes after the last record that you have, instead of skipping it"
	}
	return event.Errorf(event.InvalidInput, "the collection is larger than the memory limit, and what was asked for takes more than the %d bytes that a query of it may: %s", s.budget, advice).With("field", field)
}

// Result returns the answer from the records so far.
func (s *Scan) Result() Result {
	return Result{Rows: s.rows(), IDs: s.ids, Count: s.count, Explain: Explain{
		Plan: "stream", Filtered: s.plan.filtered, Sorted: true, Examined: s.examined, Records: s.examined,
	}}
}
