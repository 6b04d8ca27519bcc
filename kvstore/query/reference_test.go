package query

import (
	"bytes"
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

var (
	someValue = rapid.OneOf(
		rapid.Custom(func(t *rapid.T) string { return fmt.Sprint(rapid.IntRange(0, 5).Draw(t, "n")) }),
		rapid.SampledFrom([]string{"null", "true", "false", `"a"`, `"b"`, `"ab"`, `"A"`, `""`, "1.0", "2.5", "-1", "1e1", "9007199254740993", "9007199254740992", `[1,"a"]`, `[]`, `{"c":1}`, `{}`}),
		rapid.SampledFrom([]string{"-0", "-0.0E+5", "0e9", "100000000000000000000000000000000000001", "1e38", "1.00e400", "-1e400", "1e-400", "-9007199254740993", "0.1", "0.10000000000000000001"}),
		rapid.Map(someText, quote),
		rapid.SampledFrom([]string{`"\ud800"`, `"\u0061"`, `[[]]`, `[null]`, `[1.0,"A"]`, `{"c":{"c":0}}`, `{"c":null}`, `{"":[]}`}),
	)
	// someText has what sorts, folds or encodes in a way of its own.
	someText  = rapid.StringOfN(rapid.SampledFrom([]rune("aAbsſkK\u0000\u0001ßİı\uffff\U0001f600%_\\")), 0, 4, -1)
	someField = rapid.SampledFrom([]string{"a", "b", "s", "o.c", "o", "l", "id", "missing", "ſ", "o.c.c"})
	someOrder = rapid.Custom(func(t *rapid.T) string {
		fields := rapid.SliceOfNDistinct(someField, 0, 3, rapid.ID[string]).Draw(t, "fields")
		for i := range fields {
			fields[i] += rapid.SampledFrom([]string{"", " DESC", " asc", " desc"}).Draw(t, "direction")
		}
		return strings.Join(fields, ", ")
	})
)

// quote returns s as JSON.
func quote(s string) string {
	literal, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(literal)
}

// Draws within a generator are not logged each, which would take most of the time.
var (
	someWrites = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) write {
		return write{someID.Draw(t, "id"), someRecord(t)}
	}), 1, 12)
	someQueries = rapid.SliceOfN(rapid.Custom(someQuery), 1, 8)
)

// write is a write of a record.
type write struct {
	id     event.ID
	record string
}

func someRecord(t *rapid.T) string {
	members := []string{}
	for _, name := range []string{"a", "b", "s", "l", "o", "ſ"} {
		if rapid.IntRange(0, 3).Draw(t, "has") == 0 {
			continue
		}
		value := someValue.Draw(t, name)
		switch name {
		case "o":
			value = `{"c":` + value + `}`
		case "l":
			value = `[` + strings.Join(rapid.SliceOfN(someValue, 0, 3).Draw(t, "l"), ",") + `]`
		}
		members = append(members, fmt.Sprintf("%q:%s", name, value))
	}
	return "{" + strings.Join(members, ",") + "}"
}

func someCondition(t *rapid.T, depth int) string {
	op := rapid.SampledFrom([]string{"", "$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$in", "$nin", "$exists", "$like", "$ilike", "$alike", "$contains", "$not", "range"}).Draw(t, "op")
	ordered := func() string {
		return rapid.OneOf(rapid.Custom(func(t *rapid.T) string { return fmt.Sprint(rapid.IntRange(0, 5).Draw(t, "n")) }),
			rapid.SampledFrom([]string{`"a"`, `"ab"`, "true", "2.5", "9007199254740993", "-0", "1e400"}), rapid.Map(someText, quote)).Draw(t, "operand")
	}
	switch op {
	case "":
		return someValue.Draw(t, "value")
	case "$gt", "$gte", "$lt", "$lte":
		return fmt.Sprintf(`{%q:%s}`, op, ordered())
	case "range":
		return fmt.Sprintf(`{"$gte":%s,"$lt":%s}`, ordered(), ordered())
	case "$in", "$nin":
		return fmt.Sprintf(`{%q:[%s]}`, op, strings.Join(rapid.SliceOfN(someValue, 0, 3).Draw(t, "list"), ","))
	case "$exists":
		return fmt.Sprintf(`{"$exists":%v}`, rapid.Bool().Draw(t, "want"))
	case "$like", "$ilike", "$alike":
		return fmt.Sprintf(`{%q:%s}`, op, quote(someText.Draw(t, "pattern")))
	case "$not":
		if depth > 0 {
			return fmt.Sprintf(`{"$not":%s}`, someCondition(t, depth-1))
		}
		return fmt.Sprintf(`{"$not":{"$eq":%s}}`, someValue.Draw(t, "value"))
	}
	return fmt.Sprintf(`{%q:%s}`, op, someValue.Draw(t, "value"))
}

func someFilter(t *rapid.T, depth int) string {
	var members []string
	for _, name := range rapid.SliceOfNDistinct(someField, 0, 3, rapid.ID[string]).Draw(t, "fields") {
		members = append(members, fmt.Sprintf("%q:%s", name, someCondition(t, 1)))
	}
	if depth > 0 && rapid.IntRange(0, 2).Draw(t, "nest") == 0 {
		switch op := rapid.SampledFrom([]string{"$and", "$or", "$not"}).Draw(t, "nested"); op {
		case "$not":
			members = append(members, `"$not":`+someFilter(t, depth-1))
		default:
			members = append(members, fmt.Sprintf(`%q:[%s,%s]`, op, someFilter(t, depth-1), someFilter(t, depth-1)))
		}
	}
	return "{" + strings.Join(members, ",") + "}"
}

func someQuery(t *rapid.T) event.Query {
	q := event.Query{Collection: "c", OrderBy: someOrder.Draw(t, "order")}
	switch rapid.IntRange(0, 6).Draw(t, "filtered") {
	case 0:
	case 1, 2: // what an index can do in full
		field := someField.Draw(t, "field")
		q.Filter = fmt.Appendf(nil, `{%q:%s}`, field, someCondition(t, 0))
		q.OrderBy = field + rapid.SampledFrom([]string{"", " DESC"}).Draw(t, "direction")
	case 3: // branches that indexes can do
		var branches []string
		for range rapid.IntRange(1, 3).Draw(t, "branches") {
			branches = append(branches, fmt.Sprintf(`{%q:%s}`, someField.Draw(t, "field"), someCondition(t, 0)))
		}
		q.Filter = fmt.Appendf(nil, `{"$or":[%s]}`, strings.Join(branches, ","))
	default:
		q.Filter = json.RawMessage(someFilter(t, 2))
	}
	if rapid.Bool().Draw(t, "limited") {
		limit, offset := rapid.IntRange(0, 8).Draw(t, "limit"), rapid.IntRange(0, 8).Draw(t, "offset")
		q.Limit, q.Offset = &limit, &offset
	}
	return q
}

var someID = rapid.OneOf(
	rapid.Custom(func(t *rapid.T) event.ID { return event.IntID(int64(rapid.IntRange(-3, 40).Draw(t, "n"))) }),
	rapid.SampledFrom([]event.ID{"a", "b", "ab", "x y", "01"}),
)

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

// What is indexed is answered without looking at more records than are asked
// for.
func TestPlans(t *testing.T) {
	t.Parallel()
	v := quotes(t, 5000)
	for _, c := range []struct {
		filter, order string
		want          Explain
		count         int
	}{
		{`{}`, "", Explain{Plan: "scan", Examined: 10}, 5000},
		{`{}`, "id DESC", Explain{Plan: "index", Index: "id DESC", Ranges: 1, Built: true, Examined: 10}, 5000},
		{`{"id":17}`, "time", Explain{Plan: "index", Index: "id", Ranges: 1, Examined: 1}, 1},
		{`{"id":"17","user":"u17"}`, "", Explain{Plan: "index", Index: "id", Ranges: 1, Filtered: true, Examined: 1}, 1},
		{`{"id":{"$gte":4990}}`, "", Explain{Plan: "index", Index: "id", Ranges: 1, Examined: 10}, 10},
		{`{"user":"u3"}`, "", Explain{Plan: "index", Index: "user, id", Ranges: 1, Built: true, Examined: 10}, 100},
		{`{"user":"u3"}`, "time DESC", Explain{Plan: "index", Index: "user, time DESC, id", Ranges: 1, Built: true, Examined: 10}, 100},
		{`{"user":"u4"}`, "time DESC", Explain{Plan: "index", Index: "user, time DESC, id", Ranges: 1, Examined: 10}, 100},
		{`{"user":"u4","time":{"$gte":4000}}`, "time DESC", Explain{Plan: "index", Index: "user, time DESC, id", Ranges: 1, Examined: 10}, 20},
		{`{"user":"u4","time":{"$gte":4000}}`, "score", Explain{Plan: "index", Index: "user, time, id", Ranges: 1, Built: true, Sorted: true, Examined: 20}, 20},
		{`{"time":{"$gte":10,"$lt":30}}`, "time", Explain{Plan: "index", Index: "time, id", Ranges: 1, Built: true, Examined: 10}, 20},
		{`{"time":{"$in":[3,1,99999,3]}}`, "time", Explain{Plan: "index", Index: "time, id", Ranges: 3, Examined: 2}, 2},
		{`{"time":{"$in":[3,1,99999,7]}}`, "time DESC", Explain{Plan: "index", Index: "time DESC, id", Ranges: 4, Built: true, Examined: 3}, 3},
		{`{"user":{"$in":["u1","u2"]}}`, "time DESC", Explain{Plan: "index", Index: "user, id", Ranges: 2, Sorted: true, Examined: 200}, 200},
		{`{"text":{"$like":"t499%"}}`, "", Explain{Plan: "index", Index: "text, id", Ranges: 1, Built: true, Filtered: true, Sorted: true, Examined: 11}, 11},
		{`{"text":{"$like":"%99"}}`, "time", Explain{Plan: "index", Index: "time, id", Ranges: 1, Filtered: true, Examined: 5000}, 50},
		{`{"text":{"$like":"%99"}}`, "even", Explain{Plan: "scan", Filtered: true, Sorted: true, Examined: 5000}, 50},
		{`{"$or":[{"user":"u1"},{"score":3}]}`, "score", Explain{Plan: "scan", Filtered: true, Sorted: true, Examined: 5000}, 800},
		{`{"even":{"$ne":7},"$or":[{"time":{"$lt":5}},{"user":"u1","time":{"$gt":4900}},{"id":3}]}`, "time", Explain{Plan: "index", Index: "time, id", Ranges: 1, Filtered: true, Examined: 5000}, 7},
		{`{"$or":[{"user":"u1"},{"user":"u3"}]}`, "", Explain{Plan: "index", Index: "user, id", Ranges: 2, Sorted: true, Examined: 200}, 200},
		{`{"$or":[{"time":{"$lt":3}},{"time":{"$gte":4998}},{"time":{"$gt":1,"$lt":5}}]}`, "time", Explain{Plan: "index", Index: "time, id", Ranges: 2, Examined: 7}, 7},
		{`{"$or":[{"user":"u1"},{"text":{"$like":"%9"}}]}`, "", Explain{Plan: "scan", Filtered: true, Examined: 5000}, 600},
		{`{"$or":[{"user":{"$gt":""}},{"time":{"$gte":0}}]}`, "", Explain{Plan: "scan", Filtered: true, Examined: 5000}, 5000},
		{`{"user":"u1","score":{"$gt":9},"time":{"$lt":0}}`, "", Explain{Plan: "index", Index: "user, score, id", Ranges: 1, Built: true, Filtered: true, Sorted: true, Examined: 0}, 0},
		{`{"time":{"$gt":5,"$lt":3}}`, "", Explain{Plan: "index", Index: "time, id", Ranges: 0, Sorted: true, Examined: 0}, 0},
	} {
		limit := 10
		q, err := Parse(event.Query{Filter: json.RawMessage(c.filter), OrderBy: c.order, Limit: &limit})
		if err != nil {
			t.Fatal(err)
		}
		got, err := v.Run(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		c.want.Records = 5000
		if c.order == "time DESC" && !slices.IsSortedFunc(got.Rows, func(a, b *Row) int {
			return -bytes.Compare(q.order[0].appendValue(nil, a.Data), q.order[0].appendValue(nil, b.Data))
		}) {
			t.Errorf("%s order %q is out of order", c.filter, c.order)
		}
		if diff := cmp.Diff(c.want, got.Explain); diff != "" || got.Count != c.count && c.filter[1] != '$' {
			t.Errorf("%s order %q: count %d, want %d (-want +got):\n%s", c.filter, c.order, got.Count, c.count, diff)
		}
	}
}

// quotes returns a view of n records.
func quotes(t *testing.T, n int) *View {
	t.Helper()
	v := NewView(1 << 40)
	for i := range n {
		id := event.IntID(int64(i))
		record, err := jsondoc.ParseObject(fmt.Appendf(nil, `{"user":"u%d","time":%d,"score":%d,"text":"t%d","even":%v}`, i%50, i, i%7, i, i%2 == 0))
		if err != nil {
			t.Fatal(err)
		}
		v.apply(id, &Row{id, 1, string(record.Document(id))})
	}
	return v
}

func TestFilterErrors(t *testing.T) {
	t.Parallel()
	for filter, names := range map[string]string{
		`{"a":{"$foo":1}}`: "$foo", `{"$foo":1}`: "$foo", `{"a":{"$gt":null}}`: "$gt", `{"a":{"$gt":[1]}}`: "$gt", `{"a":{"$lte":{}}}`: "$lte",
		`{"a":{"$in":1}}`: "$in", `{"a":{"$nin":{}}}`: "$nin", `{"a":{"$exists":1}}`: "$exists", `{"a":{"$like":1}}`: "$like", `{"a":{"$ilike":null}}`: "$ilike", `{"a":{"$alike":1}}`: "$alike",
		`{"$and":{}}`: "$and", `{"$or":[]}`: "$or", `{"$or":[1]}`: "$or", `{"$not":[]}`: "$not", `{"a":{"$gt":1,"b":2}}`: `"b"`, `{"a..b":1}`: "a..b", `{"":1}`: "empty",
		`{"a":{"$not":{"$bar":1}}}`: "$bar", `{"$and":[{"x.y":{"$baz":1}}]}`: "$baz",
	} {
		_, err := ParseFilter(json.RawMessage(filter))
		if event.CodeOf(err) != event.InvalidInput || !strings.Contains(err.Error(), names) {
			t.Errorf("%s: got %v, want INVALID_INPUT naming %s", filter, err, names)
		}
	}
}

// A view makes room by dropping indexes, and keeps no more of them than
// maxIndexes.
func TestIndexesAreBounded(t *testing.T) {
	t.Parallel()
	v := NewView(1 << 40)
	for i := range 300 {
		id := event.IntID(int64(i))
		v.apply(id, &Row{id, 1, fmt.Sprintf(`{"id":%d,"a":%d}`, i, i)})
	}
	run := func(order string) Result {
		q, err := Parse(event.Query{OrderBy: order})
		if err != nil {
			t.Fatal(err)
		}
		got, err := v.Run(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	for i := range 3 * maxIndexes {
		if got := run(fmt.Sprintf("f%d", i)); !got.Explain.Built {
			t.Fatalf("query %d: %+v", i, got.Explain)
		}
	}
	if len(v.indexes) != maxIndexes {
		t.Errorf("%d indexes", len(v.indexes))
	}
	v.limit = v.bytes - 1
	if !v.shrink() || len(v.indexes) != maxIndexes-1 {
		t.Errorf("shrunk to %d indexes and %d of %d bytes", len(v.indexes), v.bytes, v.limit)
	}
	v.limit = v.bytes + 10
	if got := run("a DESC"); got.Explain.Plan != "scan" || !got.Explain.Sorted || got.Count != 300 || got.Rows[0].ID != "299" {
		t.Errorf("without room for an index: %+v", got.Explain)
	}
}

// A page of a long result is its right part, whether it has to be sorted or lies
// in an index.
func TestLongResults(t *testing.T) {
	t.Parallel()
	const records = 20_000
	for filter, sorted := range map[string]bool{`{"n":{"$ne":-1}}`: true, `{"n":{"$gte":0}}`: false} {
		v := NewView(1 << 40)
		for i := range records {
			id := event.IntID(int64(i))
			v.apply(id, &Row{id, 1, fmt.Sprintf(`{"id":%d,"n":%d}`, i, i*7919%records)})
		}
		for _, offset := range []int{0, 1, 500, records - 5, records} {
			limit := 10
			q, err := Parse(event.Query{Filter: json.RawMessage(filter), OrderBy: "n DESC", Limit: &limit, Offset: &offset})
			if err != nil {
				t.Fatal(err)
			}
			got, err := v.Run(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			if got.Count != records || got.Explain.Sorted != sorted || len(got.Rows) != min(limit, records-offset) {
				t.Errorf("%s, offset %d: %d rows of %d, %+v", filter, offset, len(got.Rows), got.Count, got.Explain)
			}
			for i, r := range got.Rows {
				if value, _ := jsondoc.Lookup(r.Data, []string{`"n"`}); value != fmt.Sprint(records-1-offset-i) {
					t.Fatalf("%s, offset %d: row %d is %s", filter, offset, i, r.Data)
				}
			}
		}
	}
}

func run(t *testing.T, v *View, filter, order string) string {
	t.Helper()
	q, err := Parse(event.Query{Filter: json.RawMessage(filter), OrderBy: order})
	if err != nil {
		t.Fatal(err)
	}
	got, err := v.Run(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, r := range got.Rows {
		ids = append(ids, string(r.ID))
	}
	return strings.Join(ids, " ")
}

// A condition that nothing can meet is not lost beside others on its field.
func TestUnsatisfiableConditions(t *testing.T) {
	t.Parallel()
	v := NewView(1 << 40)
	v.apply("1", &Row{"1", 1, `{"id":1,"n":5}`})
	for _, filter := range []string{`{"n":{"$in":[],"$gt":0}}`, `{"n":{"$gt":0,"$lt":0}}`, `{"n":{"$in":[]}}`, `{"n":{"$gt":7,"$lt":3,"$gte":5}}`, `{"$or":[{"n":{"$in":[]}},{"n":{"$in":[]}}]}`} {
		if got := run(t, v, filter, ""); got != "" {
			t.Errorf("%s finds %q", filter, got)
		}
	}
}

// A field whose name looks like a direction has an index of its own.
func TestFieldNamedLikeADirection(t *testing.T) {
	t.Parallel()
	v := NewView(1 << 40)
	v.apply("1", &Row{"1", 1, `{"id":1,"a":1,"a DESC":1}`})
	v.apply("2", &Row{"2", 1, `{"id":2,"a":2,"a DESC":2}`})
	if got := run(t, v, `{"a DESC":{"$gt":0}}`, ""); got != "1 2" {
		t.Errorf("by the field: %q", got)
	}
	if got := run(t, v, `{}`, "a DESC"); got != "2 1" {
		t.Errorf("in descending order: %q", got)
	}
}
