package query

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/kvstore/jsondoc"
)

// FuzzFilter reads filters and orders as a request brings them and puts records
// to them: whatever they are, they are refused with INVALID_INPUT or tell the
// same of a record each time, and the opposite of what $not of them tells.
func FuzzFilter(f *testing.F) {
	for _, s := range []struct{ filter, record, order string }{
		{`{"user":"alice"}`, `{"user":"alice"}`, "user DESC"},
		{`{"a.b":{"$gt":1,"$lte":2e3},"$or":[{"c":null},{"d":{"$in":[1,"x",[]]}}]}`, `{"a":{"b":7},"d":"x"}`, "a.b, c ASC,d"},
		{`{"$not":{"$and":[{"t":{"$regex":"(?i)^he"}},{"n":{"$exists":true}}]}}`, `{"t":"Hello"}`, "id"},
		{`{"t":{"$contains":"ell","$not":{"$ne":"x"}}}`, `{"t":["x"]}`, ""},
		{`{"t":{"$startswith":"\u0000"},"$or":[]}`, `{"t":"\u0000\uffff"}`, "t asc asc"},
		{`{"":1,"a..b":2}`, `{"":1}`, ",,"},
		{`{}`, `{}`, "\xfe0"},
		{strings.Repeat(`{"$not":`, 40) + `{}` + strings.Repeat(`}`, 40), `{}`, "x,x"},
	} {
		f.Add(s.filter, s.record, s.order)
	}
	f.Fuzz(func(t *testing.T, text, record, order string) {
		q, err := Parse(event.Query{Collection: "c", Filter: json.RawMessage(text), OrderBy: order})
		if err != nil {
			if event.CodeOf(err) != event.InvalidInput {
				t.Fatalf("refused with %v", err)
			}
			return
		}
		if n := len(q.order); n == 0 || q.order[n-1].name != idField.name {
			t.Fatalf("the order %q does not end with the id", order)
		}
		data, err := jsondoc.Canonical([]byte(record), "7")
		if err != nil {
			return
		}
		opposite, err := ParseFilter(json.RawMessage(`{"$not":` + text + `}`))
		if err != nil {
			if strings.Contains(err.Error(), "nested deeper") {
				return
			}
			t.Fatalf("%s is a filter, but its $not is not: %v", text, err)
		}
		var scratch []byte
		first := q.Filter.Matches(string(data), &scratch)
		if q.Filter.Matches(string(data), &scratch) != first {
			t.Fatalf("%s tells two things of %s", text, data)
		}
		if opposite.Matches(string(data), &scratch) == first {
			t.Fatalf("%s and its opposite both say %t of %s", text, first, data)
		}
		for _, c := range q.order {
			if key := c.appendValue(nil, string(data)); len(key) == 0 {
				t.Fatalf("%s has no place in the order by %s", data, c)
			}
		}
	})
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
