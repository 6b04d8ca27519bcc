package query

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/fold"
	"github.com/rosey-bot/rosey/kvstore/jsondoc"
)

// refMatch says whether a record matches a filter, both as encoding/json reads
// them, as the documentation has it and in the plainest way.
func refMatch(record map[string]any, filter map[string]any) bool {
	for name, operand := range filter {
		ok := false
		switch name {
		case "$and":
			ok = !slices.ContainsFunc(operand.([]any), func(f any) bool { return !refMatch(record, f.(map[string]any)) })
		case "$or":
			ok = slices.ContainsFunc(operand.([]any), func(f any) bool { return refMatch(record, f.(map[string]any)) })
		case "$not":
			ok = !refMatch(record, operand.(map[string]any))
		default:
			value, exists := refField(record, name)
			ok = refField1(value, exists, operand)
		}
		if !ok {
			return false
		}
	}
	return true
}

func refField(record map[string]any, path string) (value any, ok bool) {
	value = record
	for part := range strings.SplitSeq(path, ".") {
		m, isObject := value.(map[string]any)
		if !isObject {
			return nil, false
		}
		if value, ok = m[part]; !ok {
			return nil, false
		}
	}
	return value, true
}

func refField1(value any, exists bool, condition any) bool {
	operators, isObject := condition.(map[string]any)
	isOperators := false
	for name := range operators {
		isOperators = isOperators || strings.HasPrefix(name, "$")
	}
	if !isObject || !isOperators {
		return refCompareValues(value, condition) == 0
	}
	for name, operand := range operators {
		if !refOperator(name, value, exists, operand) {
			return false
		}
	}
	return true
}

func refOperator(name string, value any, exists bool, operand any) bool {
	kind := func(v any) int {
		if r := refRank(v); r != 1 {
			return r
		}
		return 2
	}
	c := refCompareValues(value, operand)
	same := kind(value) == kind(operand)
	text, isText := value.(string)
	in := func() bool {
		return slices.ContainsFunc(operand.([]any), func(o any) bool { return refCompareValues(value, o) == 0 })
	}
	switch name {
	case "$eq":
		return c == 0
	case "$ne":
		return c != 0
	case "$gt":
		return same && c > 0
	case "$gte":
		return same && c >= 0
	case "$lt":
		return same && c < 0
	case "$lte":
		return same && c <= 0
	case "$in":
		return in()
	case "$nin":
		return !in()
	case "$exists":
		return exists == operand.(bool)
	case "$like", "$ilike":
		return isText && likeByHand([]rune(operand.(string)), []rune(text), name == "$ilike")
	case "$alike":
		return isText && likeByHand([]rune(fold.Key(operand.(string))), []rune(fold.Key(text)), false)
	case "$contains":
		if o, ok := operand.(string); ok && isText {
			return strings.Contains(text, o)
		}
		list, _ := value.([]any)
		return slices.ContainsFunc(list, func(e any) bool { return refCompareValues(e, operand) == 0 })
	case "$not":
		return !refField1(value, exists, operand)
	}
	panic(name)
}

// refQuery answers a query in the plainest way.
func refQuery(records []map[string]any, q event.Query) (page []string, count int) {
	filter := map[string]any{}
	if q.Filter != nil {
		filter = refDecode(q.Filter).(map[string]any)
	}
	var matches []map[string]any
	for _, r := range records {
		if refMatch(r, filter) {
			matches = append(matches, r)
		}
	}
	order := strings.Split(q.OrderBy, ",")
	slices.SortFunc(matches, func(a, b map[string]any) int {
		for _, o := range append(order, "id") {
			words := strings.Fields(o)
			if len(words) == 0 {
				continue
			}
			x, _ := refField(a, words[0])
			y, _ := refField(b, words[0])
			if c := refCompareValues(x, y); c != 0 {
				if len(words) == 2 && strings.EqualFold(words[1], "DESC") {
					return -c
				}
				return c
			}
		}
		return 0
	})
	count = len(matches)
	offset, limit := 0, 100
	if q.Offset != nil {
		offset = *q.Offset
	}
	if q.Limit != nil {
		limit = *q.Limit
	}
	for i := offset; i < min(offset+limit, count); i++ {
		page = append(page, fmt.Sprint(matches[i]["id"]))
	}
	return page, count
}

func refDecode(raw []byte) any {
	var v any
	d := json.NewDecoder(strings.NewReader(string(raw)))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		panic(err)
	}
	return v
}

// The view answers every query as the reference does, with whatever indexes
// earlier queries left it with and whatever writes came in between.
func TestQueriesAgainstReference(t *testing.T) {
	t.Parallel()
	rapid.Check(t, queriesAgainstReference)
}

// FuzzQueriesAgainstReference is TestQueriesAgainstReference with what the fuzzer
// found to take new paths. Behind its bytes come random ones of their own, so that each
// execution runs to its end: on the fuzzer's alone nearly all end before the first query.
func FuzzQueriesAgainstReference(f *testing.F) {
	f.Add([]byte{})
	check := rapid.MakeFuzz(queriesAgainstReference)
	f.Fuzz(func(t *testing.T, input []byte) {
		const enough = 1 << 18
		bytes := make([]byte, max(len(input), enough))
		_, _ = rand.NewChaCha8(sha256.Sum256(input)).Read(bytes) // never fails
		copy(bytes, input)
		check(t, bytes)
	})
}

func queriesAgainstReference(t *rapid.T) {
	m := modelled{NewView(1 << 40), map[event.ID]string{}}
	t.Repeat(map[string]func(*rapid.T){
		"write":              m.write,
		"delete":             m.remove,
		"build under writes": m.build,
		"query":              m.queries,
		"":                   m.check,
	})
}

// modelled is a view and the records that should be in it.
type modelled struct {
	view    *View
	records map[event.ID]string
}

func (m modelled) write(t *rapid.T) {
	for _, w := range someWrites.Draw(t, "writes") {
		n, err := jsondoc.ParseObject([]byte(w.record))
		if err != nil {
			t.Fatal(err)
		}
		m.records[w.id] = string(n.Document(w.id))
		m.view.apply(w.id, &Row{w.id, 1, m.records[w.id]})
	}
}

func (m modelled) remove(t *rapid.T) {
	id := someID.Draw(t, "id")
	delete(m.records, id)
	m.view.apply(id, nil)
}

// build makes an index, and writes before it is finished.
func (m modelled) build(t *rapid.T) {
	columns, err := parseOrder(someOrder.Draw(t, "columns"))
	if err != nil || m.view.find(columns) != nil {
		return
	}
	b := m.view.begin(columns)
	m.write(t)
	b.fill()
	m.remove(t)
	m.write(t)
	if m.view.finish(b) == nil {
		t.Fatal("there is no room for an index")
	}
}

func (m modelled) queries(t *rapid.T) {
	for _, req := range someQueries.Draw(t, "queries") {
		m.query(t, req)
	}
}

// query compares the view and a scan with the reference.
func (m modelled) query(t *rapid.T, req event.Query) {
	q, err := Parse(req)
	if err != nil {
		t.Fatalf("%s %q: %v", req.Filter, req.OrderBy, err)
	}
	all := make([]map[string]any, 0, len(m.records))
	for _, data := range m.records {
		all = append(all, refDecode([]byte(data)).(map[string]any))
	}
	page, count := refQuery(all, req)
	matches, _ := refQuery(all, event.Query{Filter: req.Filter, Limit: new(len(all))})
	slices.Sort(matches)
	check := func(how string, got Result) {
		var ids []string
		for _, r := range got.Rows {
			ids = append(ids, string(r.ID))
		}
		if diff := cmp.Diff(page, ids); diff != "" || got.Count != count {
			t.Fatalf("%s: filter %s order %q limit %v offset %v: count %d, want %d (-want +got):\n%s%+v", how, req.Filter, req.OrderBy, q.Limit, q.Offset, got.Count, count, diff, got.Explain)
		}
	}
	got, err := m.view.Run(context.Background(), q)
	if err != nil {
		t.Fatal(err)
	}
	check("view", got)
	// The same without any index, as it is scanned, with much memory or little.
	scan := func(q Query, budget int64) (Result, bool) {
		s := NewScan(q, budget)
		for id, data := range m.records {
			if s.Add(&Row{id, 1, data}) != nil {
				return Result{}, false
			}
		}
		return s.Result(), true
	}
	scanned, _ := scan(q, 1<<40)
	check("scan", scanned)
	if scanned, ok := scan(q, rapid.Int64Range(1, 6000).Draw(t, "budget")); ok {
		check("scan with little memory", scanned)
	}
	q.AllIDs = true
	scanned, _ = scan(q, 1<<40)
	if got, err = m.view.Run(context.Background(), q); err != nil {
		t.Fatal(err)
	}
	for how, got := range map[string]Result{"view": got, "scan": scanned} {
		var ids []string
		for _, id := range got.IDs {
			ids = append(ids, string(id))
		}
		slices.Sort(ids)
		if diff := cmp.Diff(matches, ids); diff != "" || got.Count != count {
			t.Fatalf("%s: filter %s order %q: %d ids of %d (-want +got):\n%s", how, req.Filter, req.OrderBy, len(ids), count, diff)
		}
	}
}

// check checks what the view counts.
func (m modelled) check(t *rapid.T) {
	var want int64
	for id, data := range m.records {
		want += int64(len(data)+len(appendOrderedID(nil, id))) + rowCost
	}
	for _, x := range m.view.indexes {
		if want += x.bytes; x.tree.Len() != len(m.records) {
			t.Fatalf("index %s has %d entries for %d records", x.name, x.tree.Len(), len(m.records))
		}
	}
	if m.view.bytes != want || m.view.primary.tree.Len() != len(m.records) {
		t.Fatalf("the view counts %d bytes, and has %d", m.view.bytes, want)
	}
}
