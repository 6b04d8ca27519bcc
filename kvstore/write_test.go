package kvstore_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/kvstore"
	"github.com/rosey-bot/rosey/streams/streamstest"
	"github.com/rosey-bot/rosey/telemetry/propagation"
)

// newStore opens a store on a server of its own.
func newStore(t testing.TB, opts ...kvstore.Option) (*kvstore.Store, jetstream.JetStream) {
	t.Helper()
	js := jetStream(t, streamstest.Connect(t, streamstest.Server(t)))
	return openStore(t, js, opts...), js
}

func openStore(t testing.TB, js jetstream.JetStream, opts ...kvstore.Option) *kvstore.Store {
	t.Helper()
	s, err := kvstore.NewStore(js, append([]kvstore.Option{kvstore.WithLogger(quiet)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func revision(n uint64) *uint64 { return &n }

func set(t testing.TB, s *kvstore.Store, collection string, id event.ID, data string) kvstore.Written {
	t.Helper()
	w, err := s.Set(streamstest.Context(t), event.Set{Collection: collection, ID: id, Data: json.RawMessage(data)})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func get(t testing.TB, s *kvstore.Store, collection string, id event.ID) string {
	t.Helper()
	r, err := s.Get(streamstest.Context(t), event.Get{Collection: collection, ID: id})
	if event.CodeOf(err) == event.RecordNotFound {
		return ""
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(r.Data)
}

// A repeated request has the answer and the effect of the first, also when other
// writes came in between.
func TestRepeatedRequests(t *testing.T) {
	t.Parallel()
	_, nc := newService(t)
	send := func(subject, id, body string) string {
		msg := nats.NewMsg(subject)
		msg.Data = []byte(body)
		msg.Header.Set(jetstream.MsgIDHeader, id)
		reply, err := nc.RequestMsgWithContext(streamstest.Context(t), msg)
		if err != nil {
			t.Fatal(err)
		}
		return string(reply.Data)
	}
	for _, c := range []struct{ name, subject, request, between, after string }{
		{"insert", "database.set", `{"collection":"insert","data":{"n":1}}`, `{"collection":"insert","data":{"n":2}}`, `[{"id":1,"n":1},{"id":2,"n":2}]`},
		{"set", "database.set", `{"collection":"set","id":1,"data":{"n":1}}`, `{"collection":"set","id":1,"data":{"n":2}}`, `[{"id":1,"n":2}]`},
		{"create", "database.set", `{"collection":"create","id":1,"data":{"n":1},"if_revision":0}`, `{"collection":"create","id":1,"data":{"n":2}}`, `[{"id":1,"n":2}]`},
		{"merge", "database.set", `{"collection":"merge","id":1,"merge":true,"data":{"n":1}}`, `{"collection":"merge","id":1,"merge":true,"data":{"n":2,"m":2}}`, `[{"id":1,"n":2,"m":2}]`},
		{"batch", "database.batch", `{"collection":"batch","operations":[{"op":"set","data":{"n":1}},{"op":"set","data":{"n":1}},{"op":"update","id":1,"ops":{"$inc":{"n":5}}}]}`,
			`{"collection":"batch","id":9,"data":{}}`, `[{"id":1,"n":6},{"id":2,"n":1},{"id":9}]`},
	} {
		first := send(c.subject, c.name, c.request)
		if again := send(c.subject, c.name, c.request); again != first {
			t.Errorf("%s: first %s, then %s", c.name, first, again)
		}
		ask(t, nc, "database.set", c.between)
		if again := send(c.subject, c.name, c.request); again != first {
			t.Errorf("%s: first %s, and after another write %s", c.name, first, again)
		}
		got := ask(t, nc, "database.query", `{"collection":"`+c.name+`"}`)
		if want := `"data":` + c.after; !strings.Contains(got, want) {
			t.Errorf("%s: got %s, want %s", c.name, got, want)
		}
	}

	// Also when the history does not go back to the first any more.
	ask(t, nc, "database.set", `{"collection":"u","id":1,"data":{"n":1}}`)
	removed := send("database.delete", "d1", `{"collection":"u","id":1}`)
	updated := ""
	inserted := send("database.set", "i1", `{"collection":"u","data":{"n":1}}`)
	rewrite := fmt.Sprintf(`{"collection":"u","id":%s,"data":{}}`, idOf(t, inserted))
	for i := range 2 * kvstore.DefaultHistory {
		ask(t, nc, "database.set", `{"collection":"u","id":1,"data":{"n":1}}`)
		ask(t, nc, "database.set", rewrite)
		if i == 0 {
			updated = send("database.update", "u0", `{"collection":"u","id":1,"ops":{"$set":{"n":2}}}`)
		}
	}
	if again := send("database.set", "i1", `{"collection":"u","data":{"n":1}}`); again != inserted {
		t.Errorf("insert: first %s, and long after %s", inserted, again)
	}
	ask(t, nc, "database.delete", strings.Replace(rewrite, `,"data":{}`, "", 1))
	ask(t, nc, "database.delete", `{"collection":"u","id":1}`)
	if again := send("database.delete", "d1", `{"collection":"u","id":1}`); again != removed {
		t.Errorf("delete: first %s, and long after %s", removed, again)
	}
	if again := send("database.update", "u0", `{"collection":"u","id":1,"ops":{"$set":{"n":2}}}`); again != updated {
		t.Errorf("update: first %s, and long after %s", updated, again)
	}

	ask(t, nc, "database.set", `{"collection":"u","id":1,"data":{"n":1}}`)
	first := send("database.update", "u1", `{"collection":"u","id":1,"ops":{"$inc":{"n":1}}}`)
	ask(t, nc, "database.update", `{"collection":"u","id":1,"ops":{"$inc":{"n":10}}}`)
	if again := send("database.update", "u1", `{"collection":"u","id":1,"ops":{"$inc":{"n":1}}}`); again != first {
		t.Errorf("update: first %s, then %s", first, again)
	}
	for range 2 {
		send("database.update", "u2", `{"collection":"u","filter":{},"ops":{"$inc":{"n":100}}}`)
	}
	if got := ask(t, nc, "database.get", `{"collection":"u","id":1}`); !strings.Contains(got, `{"id":1,"n":112}`) {
		t.Errorf("updated twice: %s", got)
	}
	// A message id that was not used is free after a failure.
	ask(t, nc, "database.set", `{"collection":"u","id":"x","data":{"n":1}}`)
	if got := send("database.set", "x1", `{"collection":"u","id":"x","data":{"n":2},"if_revision":99999}`); event.CodeOf(event.ReplyError([]byte(got))) != event.DatabaseError || !strings.Contains(got, `"if_revision":99999`) {
		t.Errorf("conflict: %s", got)
	}
	if got := send("database.update", "x1", `{"collection":"u","id":"y","ops":{"$inc":{"n":1}}}`); event.CodeOf(event.ReplyError([]byte(got))) != event.RecordNotFound {
		t.Errorf("update of what is not there: %s", got)
	}
	if got := ask(t, nc, "database.get", `{"collection":"u","id":"x"}`); !strings.Contains(got, `{"id":"x","n":1}`) {
		t.Errorf("after requests that failed: %s", got)
	}
	if got := send("database.set", "x1", `{"collection":"u","id":"x","data":{"n":3}}`); !strings.Contains(got, `"success":true`) {
		t.Errorf("after requests that failed: %s", got)
	}
	if got := ask(t, nc, "database.get", `{"collection":"u","id":"x"}`); !strings.Contains(got, `{"id":"x","n":3}`) {
		t.Errorf("after a request that succeeded: %s", got)
	}

	for _, request := range []string{`{"collection":"u","id":1}`, `{"collection":"u","id":1,"if_revision":1}`} {
		ask(t, nc, "database.set", `{"collection":"u","id":1,"data":{}}`)
		if strings.Contains(request, "if_revision") {
			request = strings.Replace(request, "1}", fmt.Sprint(revisionOf(t, ask(t, nc, "database.get", `{"collection":"u","id":1}`)))+"}", 1)
		}
		first := send("database.delete", request, request)
		if again := send("database.delete", request, request); again != first || !strings.Contains(first, `"success":true`) {
			t.Errorf("delete: first %s, then %s", first, again)
		}
		ask(t, nc, "database.set", `{"collection":"u","id":1,"data":{"alive":true}}`)
		if again := send("database.delete", request, request); again != first {
			t.Errorf("delete: first %s, and after another write %s", first, again)
		}
		if got := ask(t, nc, "database.get", `{"collection":"u","id":1}`); !strings.Contains(got, `"alive"`) {
			t.Errorf("a repeated delete deleted a new record: %s", got)
		}
	}
}

func idOf(t testing.TB, answer string) event.ID {
	t.Helper()
	var a struct{ ID event.ID }
	if err := json.Unmarshal([]byte(answer), &a); err != nil || a.ID == "" {
		t.Fatalf("no id: %s", answer)
	}
	return a.ID
}

func revisionOf(t testing.TB, answer string) uint64 {
	t.Helper()
	var a struct{ Revision uint64 }
	if err := json.Unmarshal([]byte(answer), &a); err != nil || a.Revision == 0 {
		t.Fatalf("no revision: %s", answer)
	}
	return a.Revision
}

// The order of the server's checks that the store relies on: a write's expected
// sequence, its message id, the expected last message id. Should a server have
// another, this test fails.
func TestOrderOfTheServersChecks(t *testing.T) {
	t.Parallel()
	_, js := newStore(t)
	ctx := streamstest.Context(t)
	if _, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "S", Subjects: []string{"s"}}); err != nil {
		t.Fatal(err)
	}
	publish := func(id string, opts ...jetstream.PublishOpt) (*jetstream.PubAck, error) {
		return js.Publish(ctx, "s", nil, append(opts, jetstream.WithMsgID(id))...)
	}
	if _, err := publish("m", jetstream.WithExpectLastSequencePerSubject(0)); err != nil {
		t.Fatal(err)
	}
	if ack, err := publish("m", jetstream.WithExpectLastSequencePerSubject(0)); err == nil {
		t.Errorf("repeated with the first's expectation: %+v", ack)
	}
	if ack, err := publish("m", jetstream.WithExpectLastSequencePerSubject(1)); err != nil || !ack.Duplicate || ack.Sequence != 1 {
		t.Errorf("repeated with the right expectation: %+v, %v", ack, err)
	}
	if ack, err := publish("m", jetstream.WithExpectLastMsgID("nonsense")); err != nil || !ack.Duplicate || ack.Sequence != 1 {
		t.Errorf("repeated with a wrong last message id: %+v, %v", ack, err)
	}
	if ack, err := publish("n", jetstream.WithExpectLastMsgID("nonsense")); err == nil {
		t.Errorf("a wrong last message id: %+v", ack)
	}
	if ack, err := publish("n"); err != nil || ack.Duplicate {
		t.Errorf("the id of a write that failed: %+v, %v", ack, err)
	}
}

func TestRevisions(t *testing.T) {
	t.Parallel()
	s, _ := newStore(t)
	ctx := streamstest.Context(t)
	setIf := func(rev uint64) error {
		_, err := s.Set(ctx, event.Set{Collection: "c", ID: "x", Data: json.RawMessage(`{}`), IfRevision: &rev})
		return err
	}
	isConflict := func(what string, err error, expected, actual uint64) {
		t.Helper()
		e := event.AsError(err, "")
		if e == nil || e.Code != event.DatabaseError || e.Details["if_revision"] != expected || e.Details["revision"] != actual || e.Details["id"] != event.ID("x") {
			t.Errorf("%s: got %v %+v, want a conflict of %d with %d", what, err, e, expected, actual)
		}
	}
	isConflict("replace what does not exist", setIf(7), 7, 0)
	if err := setIf(0); err != nil {
		t.Fatal(err)
	}
	r, err := s.Get(ctx, event.Get{Collection: "c", ID: "x"})
	if err != nil {
		t.Fatal(err)
	}
	isConflict("create what exists", setIf(0), 0, r.Revision)
	isConflict("replace another revision", setIf(r.Revision+9), r.Revision+9, r.Revision)
	if err := setIf(r.Revision); err != nil {
		t.Error(err)
	}
	_, err = s.Set(ctx, event.Set{Collection: "c", ID: "x", Data: json.RawMessage(`{"m":1}`), Merge: true, IfRevision: &r.Revision})
	isConflict("merge into another revision", err, r.Revision, r.Revision+1)
	_, err = s.Delete(ctx, event.Delete{Collection: "c", ID: "x", IfRevision: &r.Revision})
	isConflict("delete another revision", err, r.Revision, r.Revision+1)
	if _, err = s.Delete(ctx, event.Delete{Collection: "c", ID: "x", IfRevision: revision(r.Revision + 1)}); err != nil {
		t.Error(err)
	}
	isConflict("replace what was deleted", setIf(r.Revision+1), r.Revision+1, 0)
	if err := setIf(0); err != nil {
		t.Errorf("create what was deleted: %v", err)
	}
}

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
			if r := query(t, s, name, `{"done":true}`, ""); r.Count != records {
				t.Errorf("%d of %d records are changed", r.Count, records)
			}
			if r := query(t, s, name, c.filter, ""); r.Explain.Plan != c.plan {
				t.Errorf("the records are found by %s", r.Explain.Plan)
			}
		})
	}
}

// fill imports n records, each as line makes it.
func fill(t testing.TB, s *kvstore.Store, collection string, n int, line func(i int) string) {
	t.Helper()
	var lines strings.Builder
	for i := range n {
		lines.WriteString(line(i) + "\n")
	}
	if done, err := s.Import(streamstest.Context(t), collection, strings.NewReader(lines.String()), nil); err != nil || done != n {
		t.Fatalf("imported %d of %d records: %v", done, n, err)
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

func TestBatch(t *testing.T) {
	t.Parallel()
	_, nc := newService(t)
	got := ask(t, nc, "database.batch", `{"collection":"c","operations":[
		{"op":"set","data":{"a":1}},
		{"op":"update","id":1,"ops":{"$inc":{"a":1}}},
		{"op":"get","id":1},
		{"op":"set","collection":"other","id":"x","data":{"t":"<&>"}},
		{"op":"get","collection":"other","id":"x"},
		{"op":"delete","id":1}]}`)
	var answer struct {
		Success bool
		Data    []json.RawMessage
		Count   int
		Failed  int
		Error   *string
		Code    string `json:"error_code"`
		Details struct{ Failed []int }
	}
	if err := json.Unmarshal([]byte(got), &answer); err != nil || !answer.Success || answer.Count != 6 || answer.Failed != 0 || answer.Error != nil {
		t.Fatalf("%v: %s", err, got)
	}
	for i, want := range []string{`"id":1`, `"changed":1`, `"data":{"id":1,"a":2}`, `"id":"x"`, `{"t":"<&>"`, `{"success":true,"error":null}`} {
		if !strings.Contains(string(answer.Data[i]), want) && !strings.Contains(string(answer.Data[i]), strings.Replace(want, `{"t"`, `"t"`, 1)) {
			t.Errorf("operation %d: %s, want %s", i, answer.Data[i], want)
		}
	}
	got = ask(t, nc, "database.batch", `{"collection":"c","operations":[{"op":"get","id":1},{"op":"set","data":{}},{"op":"drop"},7,{"op":"set"}]}`)
	answer.Data, answer.Details.Failed = nil, nil
	if err := json.Unmarshal([]byte(got), &answer); err != nil || answer.Success || answer.Count != 5 || answer.Failed != 4 || answer.Code != "RECORD_NOT_FOUND" ||
		!cmp.Equal(answer.Details.Failed, []int{0, 2, 3, 4}) || event.ReplyError([]byte(got)) == nil {
		t.Fatalf("%v: %s", err, got)
	}
	for _, bad := range []string{`{}`, `{"operations":{}}`, `{"operations":[` + strings.Repeat("1,", event.MaxBatch) + `1]}`} {
		if got := ask(t, nc, "database.batch", bad); event.CodeOf(event.ReplyError([]byte(got))) != event.InvalidInput {
			t.Errorf("%.40s: %s", bad, got)
		}
	}
}

func TestCollections(t *testing.T) {
	t.Parallel()
	s, nc := newService(t)
	if got := ask(t, nc, "database.collections", `{}`); got != `{"success":true,"data":[],"count":0,"error":null}` {
		t.Errorf("an empty store: %s", got)
	}
	for i := range 5 {
		set(t, s.Store(), "numbers", "", fmt.Sprintf(`{"n":%d}`, i))
		set(t, s.Store(), "words", event.ID(fmt.Sprint("w", i)), `{}`)
	}
	ask(t, nc, "database.delete", `{"collection":"numbers","id":2}`)
	ask(t, nc, "database.query", `{"collection":"words"}`) // counted in memory, the others on disk
	list, err := s.Store().Collections(streamstest.Context(t))
	if err != nil {
		t.Fatal(err)
	}
	for i := range list {
		if list[i].Bytes == 0 {
			t.Errorf("%s has no bytes", list[i].Name)
		}
		list[i].Bytes = 0
	}
	if diff := cmp.Diff([]kvstore.Collection{{Name: "numbers", Count: 4}, {Name: "words", Count: 5}}, list); diff != "" {
		t.Error(diff)
	}
}

// No number is given twice: not with several instances, not across deletes and
// compactions, not when clients use numbers of their own.
func TestNumbersAreNeverGivenTwice(t *testing.T) {
	t.Parallel()
	server := streamstest.Server(t)
	ctx := streamstest.Context(t)
	stores := make([]*kvstore.Store, 3)
	for i := range stores {
		stores[i] = openStore(t, jetStream(t, streamstest.Connect(t, server)))
	}
	var mu sync.Mutex
	given := map[event.ID]int{}
	own := map[event.ID]bool{}
	var wait sync.WaitGroup
	for w := range 9 {
		s := stores[w%len(stores)]
		random := rand.New(rand.NewPCG(1, uint64(w)))
		wait.Go(func() {
			for range 40 {
				wr, err := s.Set(ctx, event.Set{Collection: "c", Data: json.RawMessage(`{}`)})
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				if given[wr.ID]++; own[wr.ID] {
					t.Errorf("%s was given after a client had used it", wr.ID)
				}
				mu.Unlock()
				switch random.IntN(6) {
				case 0:
					if _, err := s.Delete(ctx, event.Delete{Collection: "c", ID: wr.ID}); err != nil {
						t.Error(err)
					}
				case 1: // a number that is about to be given
					n, _ := wr.ID.Int()
					id := event.IntID(n + int64(random.IntN(5)))
					_, err := s.Set(ctx, event.Set{Collection: "c", ID: id, Data: json.RawMessage(`{}`), IfRevision: revision(0)})
					if err == nil {
						mu.Lock()
						own[id] = true
						mu.Unlock()
						_, err = s.Delete(ctx, event.Delete{Collection: "c", ID: id})
					}
					if err != nil && event.CodeOf(err) != event.DatabaseError && event.CodeOf(err) != event.RecordNotFound {
						t.Error(err)
					}
				case 2:
					if random.IntN(8) == 0 {
						if _, err := s.Compact(ctx, "c", 0); err != nil {
							t.Error(err)
						}
					}
				}
			}
		})
	}
	wait.Wait()
	for id, n := range given {
		if n != 1 {
			t.Errorf("%s was given %d times", id, n)
		}
	}
	if len(given) != 9*40 {
		t.Errorf("%d numbers were given", len(given))
	}

	// A fresh instance goes on above everything that ever was.
	highest := int64(0)
	for id := range given {
		n, _ := id.Int()
		highest = max(highest, n)
	}
	set(t, stores[0], "c", event.IntID(highest+1000), `{}`)
	if _, err := stores[1].Delete(ctx, event.Delete{Collection: "c", ID: event.IntID(highest + 1000)}); err != nil {
		t.Fatal(err)
	}
	if _, err := stores[2].Compact(ctx, "c", 0); err != nil {
		t.Fatal(err)
	}
	fresh := openStore(t, jetStream(t, streamstest.Connect(t, server)))
	if w := set(t, fresh, "c", "", `{}`); w.ID != event.IntID(highest+1001) {
		t.Errorf("after %d was used and forgotten comes %s", highest+1000, w.ID)
	}
	set(t, fresh, "c", "9223372036854775807", `{}`)
	if _, err := fresh.Set(ctx, event.Set{Collection: "c", Data: json.RawMessage(`{}`)}); event.CodeOf(err) != event.DatabaseError {
		t.Errorf("after the last number: %v", err)
	}
}

func TestHistory(t *testing.T) {
	t.Parallel()
	s, _ := newStore(t, kvstore.WithHistory(3))
	ctx := streamstest.Context(t)
	for i := range 3 {
		step := kvstore.WithMsgID(propagation.WithCorrelation(ctx, fmt.Sprint("c-", i)), fmt.Sprint("m-", i))
		if _, err := s.Set(step, event.Set{Collection: "c", ID: "a b", Data: json.RawMessage(fmt.Sprintf(`{"n":%d}`, i))}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Delete(propagation.WithCorrelation(ctx, "c-3"), event.Delete{Collection: "c", ID: "a b"}); err != nil {
		t.Fatal(err)
	}
	got, err := s.History(ctx, "c", "a b")
	if err != nil {
		t.Fatal(err)
	}
	for i := range got {
		if age := time.Since(got[i].Time); age < 0 || age > time.Minute || got[i].Revision == 0 || i > 0 && got[i].Revision <= got[i-1].Revision {
			t.Errorf("revision %+v", got[i])
		}
		got[i].Time, got[i].Revision = time.Time{}, 0
	}
	want := []kvstore.Revision{
		{Data: json.RawMessage(`{"id":"a b","n":1}`), CorrelationID: "c-1", MsgID: "m-1"},
		{Data: json.RawMessage(`{"id":"a b","n":2}`), CorrelationID: "c-2", MsgID: "m-2"},
		{Deleted: true, Data: json.RawMessage(`null`), CorrelationID: "c-3"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, c := range []string{"c", "no-such"} {
		if _, err := s.History(ctx, c, "never"); event.CodeOf(err) != event.RecordNotFound {
			t.Errorf("no history in %s: %v", c, err)
		}
	}
}

func TestExportAndImport(t *testing.T) {
	t.Parallel()
	s, _ := newStore(t)
	ctx := streamstest.Context(t)
	for i := range 30 {
		set(t, s, "from", "", fmt.Sprintf(`{"n":%d,"t":"<&> ü \u2028"}`, i))
	}
	set(t, s, "from", "x.y z", `{"big":12345678901234567890}`)
	for _, id := range []event.ID{"3", "7"} {
		if _, err := s.Delete(ctx, event.Delete{Collection: "from", ID: id}); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	last := 0
	n, err := s.Export(ctx, "from", &out, func(done, total int) { last = done })
	if err != nil || n != 29 || strings.Count(out.String(), "\n") != 29 || strings.Contains(out.String(), "counter") {
		t.Fatalf("%d records, %v:\n%s", n, err, &out)
	}
	if last != 31 {
		t.Errorf("progress went to %d", last)
	}
	if n, err = s.Import(propagation.WithCorrelation(ctx, "import-1"), "to", bytes.NewReader(out.Bytes()), nil); err != nil || n != 29 {
		t.Fatalf("imported %d, %v", n, err)
	}
	var again bytes.Buffer
	if _, err := s.Export(ctx, "to", &again, nil); err != nil || again.String() != out.String() {
		t.Errorf("what was imported differs: %v\n%s\n%s", err, &out, &again)
	}
	if w := set(t, s, "to", "", `{}`); w.ID != "31" {
		t.Errorf("the number after an import to 30 is %s", w.ID)
	}
	if h, err := s.History(ctx, "to", "1"); err != nil || h[0].CorrelationID != "import-1" {
		t.Errorf("history of an imported record: %+v, %v", h, err)
	}

	n, err = s.Import(ctx, "mixed", strings.NewReader("{\"a\":1}\n\n{\"id\":5,\"a\":2}\n{\"a\":3}\n{\"id\":5,\"a\":4}\n"), nil)
	if err != nil || n != 4 || get(t, s, "mixed", "5") != `{"id":5,"a":4}` || get(t, s, "mixed", "7") != `{"id":7,"a":3}` && get(t, s, "mixed", "6") != `{"id":6,"a":1}` {
		t.Errorf("imported %d, %v: %s", n, err, get(t, s, "mixed", "5"))
	}
	for text, names := range map[string]string{"{\"id\":1}\nnonsense": "line 2", "[]": "line 1", "{\"id\":1.5}": "line 1", "{\"id\":1}\n{\"id\":2": "line 2"} {
		n, err := s.Import(ctx, "bad", strings.NewReader(text), nil)
		if event.CodeOf(err) != event.InvalidInput || !strings.Contains(err.Error(), names) || n != strings.Count(text, "\n") {
			t.Errorf("%q: imported %d, %v, want an error that names %s", text, n, err, names)
		}
	}
	if _, err := s.Export(ctx, "no-such", &out, nil); event.CodeOf(err) != event.RecordNotFound {
		t.Errorf("export of no collection: %v", err)
	}
}

// An export that has to begin again writes each record once, and none that was
// deleted meanwhile.
func TestExportUnderWrites(t *testing.T) {
	t.Parallel()
	ctx := streamstest.Context(t)
	s, _ := newStore(t, kvstore.WithHistory(1))
	const records = 6000 // more than are fetched ahead
	fill(t, s, "c", records, func(i int) string { return fmt.Sprintf(`{"id":%d,"v":0}`, i+1) })
	var out bytes.Buffer
	starts := 0
	n, err := s.Export(ctx, "c", &out, func(done, _ int) {
		if done == 1 {
			starts++
		}
		if done > 1 || starts > 1 {
			return
		}
		if _, err := s.Delete(ctx, event.Delete{Collection: "c", ID: "1"}); err != nil {
			t.Error(err)
		}
		for _, id := range []int64{2, records - 1, records} {
			set(t, s, "c", event.IntID(id), `{"v":1}`)
		}
	})
	if err != nil || starts < 2 {
		t.Errorf("%d starts, %v", starts, err)
	}
	var want strings.Builder
	for i := 3; i <= records-2; i++ {
		fmt.Fprintf(&want, "{\"id\":%d,\"v\":0}\n", i)
	}
	for _, i := range []int{2, records - 1, records} {
		fmt.Fprintf(&want, "{\"id\":%d,\"v\":1}\n", i)
	}
	if diff := cmp.Diff(strings.Split(want.String(), "\n"), strings.Split(out.String(), "\n")); diff != "" || n != records-1 {
		t.Errorf("%d of %d records, in %d lines (-want +got):\n%.2000s", n, records-1, strings.Count(out.String(), "\n"), diff)
	}
}

func TestCompact(t *testing.T) {
	t.Parallel()
	s, js := newStore(t)
	ctx := streamstest.Context(t)
	for range 5 {
		set(t, s, "c", "", `{}`)
	}
	for _, id := range []event.ID{"2", "5"} {
		if _, err := s.Delete(ctx, event.Delete{Collection: "c", ID: id}); err != nil {
			t.Fatal(err)
		}
	}
	query := func() int {
		t.Helper()
		r, err := s.Query(ctx, event.Query{Collection: "c"})
		if err != nil {
			t.Fatal(err)
		}
		return r.Count
	}
	if n := query(); n != 3 {
		t.Errorf("%d records", n)
	}
	if n, err := s.Compact(ctx, "c", time.Hour); err != nil || n != 0 {
		t.Errorf("compacted %d, %v of those deleted an hour ago", n, err)
	}
	if n, err := s.Compact(ctx, "c", 0); err != nil || n != 2 {
		t.Errorf("compacted %d, %v", n, err)
	}
	if _, err := s.History(ctx, "c", "5"); event.CodeOf(err) != event.RecordNotFound {
		t.Errorf("history of a record that is forgotten: %v", err)
	}
	// The stream's last message is gone; queries must not wait for it.
	for _, store := range []*kvstore.Store{s, openStore(t, js)} {
		if r, err := store.Query(ctx, event.Query{Collection: "c"}); err != nil || r.Count != 3 {
			t.Errorf("after compaction: %d records, %v", r.Count, err)
		}
	}
	if w := set(t, s, "c", "", `{}`); w.ID != "6" {
		t.Errorf("the next number is %s", w.ID)
	}
}
