package kvstore_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/kvstore"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

func TestUpdates(t *testing.T) {
	t.Parallel()
	s, _ := newStore(t)
	ctx := streamstest.Context(t)
	for _, c := range []struct{ name, data, ops, want string }{
		{"set", `{"a":1}`, `{"$set":{"a":[1],"b.c":"x"}}`, `{"id":"r","a":[1],"b":{"c":"x"}}`},
		{"unset", `{"a":1,"b":{"c":1,"d":2}}`, `{"$unset":["a","b.c","no.such"]}`, `{"id":"r","b":{"d":2}}`},
		{"unset as an object", `{"a":1,"b":2}`, `{"$unset":{"a":true}}`, `{"id":"r","b":2}`},
		{"inc", `{"a":1}`, `{"$inc":{"a":2,"b":-1}}`, `{"id":"r","a":3,"b":-1}`},
		{"inc exactly", `{"a":9007199254740993,"b":0.1}`, `{"$inc":{"a":1,"b":0.2}}`, `{"id":"r","a":9007199254740994,"b":0.3}`},
		{"max", `{"a":1,"b":5,"c":"x"}`, `{"$max":{"a":3,"b":3,"c":9,"d":0}}`, `{"id":"r","a":3,"b":5,"c":"x","d":0}`},
		{"min", `{"a":1,"b":5,"c":"x"}`, `{"$min":{"a":3,"b":3,"c":9,"d":0}}`, `{"id":"r","a":1,"b":3,"c":9,"d":0}`},
		{"push", `{"a":[1]}`, `{"$push":{"a":[2],"b.c":"x"}}`, `{"id":"r","a":[1,[2]],"b":{"c":["x"]}}`},
		{"several", `{"n":1,"l":[],"x":0}`, `{"$inc":{"n":1},"$push":{"l":1},"$unset":["x"],"$set":{"y":null}}`, `{"id":"r","n":2,"l":[1],"y":null}`},
		{"nothing", `{"a":1}`, `{"$set":{"a":1}}`, `{"id":"r","a":1}`},
	} {
		before := set(t, s, "c", "r", c.data)
		u, err := s.Update(ctx, event.Update{Collection: "c", ID: "r", Ops: operators(c.ops)})
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got := get(t, s, "c", "r"); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
		changed := 1
		if c.name == "nothing" {
			changed = 0
		}
		if u.Changed != changed || (u.Revision == before.Revision) != (changed == 0) {
			t.Errorf("%s: %+v", c.name, u)
		}
	}
	for ops, names := range map[string]string{
		`{"votes":1}`: "unknown operator votes", `{}`: "nothing", `{"$set":{}}`: "nothing", `{"$set":1}`: "$set", `{"$foo":{"a":1}}`: "$foo", `{"$inc":{"a":"1"}}`: "$inc", `{"$inc":{"s":1}}`: "s is a string",
		`{"$push":{"s":1}}`: "s is a string", `{"$set":{"s.t":1}}`: "s is a string", `{"$set":{"id":1}}`: "id", `{"$set":{"a..b":1}}`: "a..b", `{"$unset":[1]}`: "$unset",
		`{"$set":{"a":1},"$inc":{"a":1}}`: "a is changed", `{"$set":{"a":{}},"$unset":["a.b"]}`: "a.b",
	} {
		before := set(t, s, "c", "r", `{"s":"text"}`)
		_, err := s.Update(ctx, event.Update{Collection: "c", ID: "r", Ops: operators(ops)})
		if event.CodeOf(err) != event.InvalidInput || !strings.Contains(err.Error(), names) {
			t.Errorf("%s: got %v, want INVALID_INPUT naming %q", ops, err, names)
		}
		if r, err := s.Get(ctx, event.Get{Collection: "c", ID: "r"}); err != nil || r.Revision != before.Revision {
			t.Errorf("%s changed the record to %s, %v", ops, r.Data, err)
		}
	}
	for _, collection := range []string{"c", "no-such"} {
		_, err := s.Update(ctx, event.Update{Collection: collection, ID: "missing", Ops: operators(`{"$set":{"a":1}}`)})
		if event.CodeOf(err) != event.RecordNotFound {
			t.Errorf("missing record of %s: %v", collection, err)
		}
	}
}

func operators(raw string) map[string]json.RawMessage {
	var ops map[string]json.RawMessage
	if err := json.Unmarshal([]byte(raw), &ops); err != nil {
		panic(err)
	}
	return ops
}

func TestUpdateByFilter(t *testing.T) {
	t.Parallel()
	s, _ := newStore(t)
	ctx := streamstest.Context(t)
	for i := range 50 {
		set(t, s, "c", "", fmt.Sprintf(`{"n":%d,"even":%v}`, i, i%2 == 0))
	}
	for _, c := range []struct {
		filter, ops      string
		matched, changed int
	}{
		{`{"even":true}`, `{"$inc":{"n":100}}`, 25, 25},
		{`{"even":true}`, `{"$max":{"n":120}}`, 25, 10},
		{`{"even":7}`, `{"$set":{"n":0}}`, 0, 0},
		{`{}`, `{"$set":{"even":false}}`, 50, 25},
	} {
		u, err := s.Update(ctx, event.Update{Collection: "c", Filter: json.RawMessage(c.filter), Ops: operators(c.ops)})
		if err != nil || u.Matched != c.matched || u.Changed != c.changed {
			t.Errorf("%s %s: %+v, %v", c.filter, c.ops, u, err)
		}
	}
	set(t, s, "c", "x", `{"n":"text"}`)
	_, err := s.Update(ctx, event.Update{Collection: "c", Filter: json.RawMessage(`{}`), Ops: operators(`{"$inc":{"n":1}}`)})
	e := event.AsError(err, "")
	if e == nil || e.Code != event.InvalidInput || e.Details["id"] != event.ID("x") || e.Details["changed"] == nil {
		t.Errorf("a record that cannot be changed: %v %+v", err, e)
	}
	if u, err := s.Update(ctx, event.Update{Collection: "no-such", Filter: json.RawMessage(`{}`), Ops: operators(`{"$inc":{"n":1}}`)}); err != nil || u.Matched != 0 {
		t.Errorf("missing collection: %+v, %v", u, err)
	}
}

// An update changes every record that its filter matches, however they are found.
func TestUpdateByFilterChangesAll(t *testing.T) {
	t.Parallel()
	streamstest.Slow(t, "writes thousands of records")
	server := streamstest.Server(t)
	const records = 1200
	for name, c := range map[string]struct {
		limit        int64
		filter, plan string
	}{
		"scan":   {kvstore.DefaultMemoryLimit, `{}`, "scan"},
		"range":  {kvstore.DefaultMemoryLimit, `{"n":{"$gte":0}}`, "index"},
		"or":     {kvstore.DefaultMemoryLimit, `{"$or":[{"n":{"$lt":9}},{"n":{"$gt":8}}]}`, "index"},
		"stream": {1000, `{}`, "stream"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := streamstest.Context(t)
			s := openStore(t, jetStream(t, streamstest.Connect(t, server)), kvstore.WithMemoryLimit(c.limit))
			fill(t, s, name, records, func(i int) string { return fmt.Sprintf(`{"id":%d,"n":%d}`, i+1, i) })
			u, err := s.Update(ctx, event.Update{Collection: name, Filter: json.RawMessage(c.filter), Ops: operators(`{"$set":{"done":true}}`)})
			if err != nil || u.Matched != records || u.Changed != records {
				t.Errorf("%+v, %v", u, err)
			}
			if r := find(t, s, name, `{"done":true}`, ""); r.Count != records {
				t.Errorf("%d of %d records are changed", r.Count, records)
			}
			if r := find(t, s, name, c.filter, ""); r.Explain.Plan != c.plan {
				t.Errorf("the records are found by %s", r.Explain.Plan)
			}
		})
	}
}

// Concurrent updates of one record lose nothing.
func TestUpdatesDoNotLoseEachOther(t *testing.T) {
	t.Parallel()
	server := streamstest.Server(t)
	a, b := openStore(t, jetStream(t, streamstest.Connect(t, server))), openStore(t, jetStream(t, streamstest.Connect(t, server)))
	set(t, a, "c", "r", `{"n":0,"l":[]}`)
	ctx := streamstest.Context(t)
	var wait sync.WaitGroup
	const workers, each = 6, 25
	for w := range workers {
		s := []*kvstore.Store{a, b}[w%2]
		wait.Go(func() {
			for i := range each {
				if _, err := s.Update(ctx, event.Update{Collection: "c", ID: "r", Ops: operators(fmt.Sprintf(`{"$inc":{"n":1},"$push":{"l":%d}}`, w*1000+i))}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
	var r struct {
		N int
		L []int
	}
	if err := json.Unmarshal([]byte(get(t, a, "c", "r")), &r); err != nil || r.N != workers*each || len(r.L) != workers*each {
		t.Errorf("n is %d with %d elements, want %d: %v", r.N, len(r.L), workers*each, err)
	}
}

// An update does not write what reads would refuse.
func TestUpdatesStayReadable(t *testing.T) {
	t.Parallel()
	s, _ := newStore(t)
	ctx := streamstest.Context(t)
	set(t, s, "c", "r", `{"n":1.5e-9999}`)
	for name, ops := range map[string]string{
		"too deep":  `{"$set":{"a` + strings.Repeat(".a", 600) + `":1}}`,
		"too small": `{"$inc":{"n":1e-9999}}`,
	} {
		if _, err := s.Update(ctx, event.Update{Collection: "c", ID: "r", Ops: operators(ops)}); event.CodeOf(err) != event.InvalidInput {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := get(t, s, "c", "r"); got != `{"id":"r","n":1.5e-9999}` {
		t.Errorf("the record is %s", got)
	}
}
