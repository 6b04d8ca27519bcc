package query

import (
	"encoding/json"
	"fmt"
	"strings"

	"pgregory.net/rapid"

	"github.com/rosey-bot/rosey/event"
)

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
