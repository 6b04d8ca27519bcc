package kvstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rosey-bot/rosey/event"
)

// Limits of a query. MaxLimit bounds what one answer holds; a larger limit is
// refused only where it would leave out records.
const (
	DefaultLimit = 100
	MaxLimit     = 10_000
	MaxOffset    = 1_000_000_000
)

// Result is the outcome of a query.
type Result struct {
	Records []Record
	Count   int      // of all records that match, beyond the limit too
	Explain *Explain // if it was asked for
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

// A query is database.query's request, parsed.
type query struct {
	filter        filter
	order         []column // ends with the id, so that no two records are equal
	limit, offset int
	all           bool // the ids of all matches are wanted, in any order, instead of a page of records
}

func parseQuery(req event.Query) (query, error) {
	q := query{limit: DefaultLimit}
	invalid := func(name, format string, args ...any) error {
		return event.Errorf(event.InvalidInput, name+" "+format, args...).With("field", name).With("collection", req.Collection)
	}
	if req.Limit != nil {
		if *req.Limit < 0 {
			return q, invalid("limit", "must be 0 or more, not %d", *req.Limit)
		}
		q.limit = min(*req.Limit, MaxLimit)
	}
	if req.Offset != nil {
		if q.offset = *req.Offset; q.offset < 0 || q.offset > MaxOffset {
			return q, invalid("offset", "must be 0 to %d, not %d", MaxOffset, q.offset)
		}
	}
	var err error
	if q.order, err = parseOrder(req.OrderBy); err != nil {
		return q, invalid("order_by", "%w", err)
	}
	q.filter, err = parseFilter(req.Filter)
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
		if c.name == idField.name { // nothing can be behind what is unique
			return order[:i+1], nil
		}
	}
	return append(order, column{field: idField}), nil
}

// Query finds records (contract: database.query). It sees every write that was
// acknowledged before it was called, whoever made it. A missing collection has
// no records.
func (s *Store) Query(ctx context.Context, req event.Query) (Result, error) {
	found, err := s.find(ctx, req)
	if err != nil {
		return Result{}, err
	}
	result := Result{Records: make([]Record, len(found.rows)), Count: found.count}
	if req.Explain {
		result.Explain = &found.explain
	}
	for i, r := range found.rows {
		result.Records[i] = Record{r.id, r.revision, json.RawMessage(r.data)}
	}
	return result, nil
}

// found is the outcome of a query before it is copied for the caller.
type found struct {
	rows    []*row
	ids     []event.ID // instead of rows, where all are wanted
	count   int
	explain Explain
}

func (s *Store) find(ctx context.Context, req event.Query) (found, error) {
	q, err := parseQuery(req)
	if err != nil {
		return found{}, err
	}
	out, err := s.lookFor(ctx, req.Collection, q)
	if left := out.count - q.offset; err == nil && req.Limit != nil && *req.Limit > MaxLimit && left > MaxLimit {
		return found{}, event.Errorf(event.InvalidInput, "limit %d asks for %d records, and an answer has at most %d: ask for the rest with an offset", *req.Limit, min(left, *req.Limit), MaxLimit).
			With("field", "limit").With("collection", req.Collection)
	}
	return out, err
}

func (s *Store) lookFor(ctx context.Context, collection string, q query) (found, error) {
	start := time.Now()
	var out found
	err := s.with(ctx, "query", collection, false, func(b *bucket) error {
		v, err := b.queries.fresh(ctx)
		if errors.Is(err, errTooLarge) {
			out, err = b.streamQuery(ctx, q)
			return err
		}
		if err == nil {
			out, err = v.run(ctx, q)
		}
		return err
	})
	if errors.Is(err, errNoBucket) {
		return found{explain: Explain{Plan: "scan"}}, nil
	}
	out.explain.Duration = float64(time.Since(start).Microseconds()) / 1e3
	return out, err
}
