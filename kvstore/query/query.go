// Package query answers queries on documents: filters, orders and pages of records
// that are held in memory with the indexes that queries ask for, or that are handed
// in one by one.
package query

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rosey-bot/rosey/event"
)

// Limits of a query. MaxLimit bounds what one answer holds; a larger limit is
// refused only where it would leave out records.
const (
	defaultLimit = 100
	MaxLimit     = 10_000
	MaxOffset    = 1_000_000_000
)

// A Row is a record in memory. It is never changed, only replaced.
type Row struct {
	ID       event.ID
	Revision uint64
	Data     string // canonical, see package jsondoc
}

// A Result is the outcome of a query.
type Result struct {
	Rows    []*Row
	IDs     []event.ID // instead of rows, where Query.AllIDs is set
	Count   int        // of all records that match, beyond the limit too
	Explain Explain
}

// Explain says how a query was answered.
type Explain struct {
	Plan     string  `json:"plan"`            // "index", "scan" (of the records in memory) or "stream" (of those on disk)
	Index    string  `json:"index,omitempty"` // the fields of the index
	Built    bool    `json:"built,omitempty"` // the index was made for this query
	Ranges   int     `json:"ranges"`          // parts of the index that were looked at
	Filtered bool    `json:"filtered"`        // the rest of the filter was tested record by record
	Sorted   bool    `json:"sorted"`          // the order did not come from the index
	Examined int     `json:"examined"`        // records that were looked at one by one
	Records  int     `json:"records"`         // in the collection
	Duration float64 `json:"duration_ms"`
}

// A Query asks for the records that match a filter.
type Query struct {
	Filter        Filter
	Limit, Offset int
	AllIDs        bool // the IDs of all matches are wanted, in any order, instead of a page of records

	order []column // ends with the ID, so that no two records are equal; empty with AllIDs
}

// Parse reads database.query's request. Errors are INVALID_INPUT and name the field.
func Parse(req event.Query) (Query, error) {
	q := Query{Limit: defaultLimit}
	invalid := func(name, format string, args ...any) error {
		return event.Errorf(event.InvalidInput, name+" "+format, args...).With("field", name).With("collection", req.Collection)
	}
	if req.Limit != nil {
		if *req.Limit < 0 {
			return q, invalid("limit", "must be 0 or more, not %d", *req.Limit)
		}
		q.Limit = min(*req.Limit, MaxLimit)
	}
	if req.Offset != nil {
		if q.Offset = *req.Offset; q.Offset < 0 || q.Offset > MaxOffset {
			return q, invalid("offset", "must be 0 to %d, not %d", MaxOffset, q.Offset)
		}
	}
	var err error
	if q.order, err = parseOrder(req.OrderBy); err != nil {
		return q, invalid("order_by", "%w", err)
	}
	q.Filter, err = ParseFilter(req.Filter)
	return q, err
}

// parseOrder reads "a", "a DESC" or several of them between commas.
func parseOrder(s string) ([]column, error) {
	var order []column
	if strings.TrimSpace(s) != "" {
		for part := range strings.SplitSeq(s, ",") {
			words := strings.Fields(part)
			if len(words) == 0 || len(words) > 2 || len(words) == 2 && !strings.EqualFold(words[1], "asc") && !strings.EqualFold(words[1], "desc") {
				return nil, fmt.Errorf("%q: write field, field ASC or field DESC, with commas between several", s)
			}
			f, err := newField(words[0])
			if err != nil {
				return nil, err
			}
			if slices.ContainsFunc(order, func(c column) bool { return c.name == f.name }) {
				return nil, fmt.Errorf("%q: %s is there twice", s, f.name)
			}
			order = append(order, column{f, len(words) == 2 && strings.EqualFold(words[1], "desc")})
		}
	}
	for i, c := range order {
		if c.name == idField.name { // nothing can be after what is unique
			return order[:i+1], nil
		}
	}
	return append(order, column{field: idField}), nil
}
