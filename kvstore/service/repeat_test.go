package service_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/kvstore"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// sender returns a function that makes requests with a message ID.
func sender(t *testing.T, nc *nats.Conn) func(subject, id, body string) string {
	return func(subject, id, body string) string {
		t.Helper()
		msg := nats.NewMsg(subject)
		msg.Data = []byte(body)
		msg.Header.Set(jetstream.MsgIDHeader, id)
		reply, err := nc.RequestMsgWithContext(streamstest.Context(t), msg)
		if err != nil {
			t.Fatal(err)
		}
		return string(reply.Data)
	}
}

// A repeated request has the answer and the effect of the first, also when other
// writes came in between.
func TestRepeatedRequests(t *testing.T) {
	t.Parallel()
	_, nc := newService(t)
	send := sender(t, nc)
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
}

// So it has when the history does not go back to the first any more.
func TestRequestsRepeatedLongAfter(t *testing.T) {
	t.Parallel()
	_, nc := newService(t)
	send := sender(t, nc)
	ask(t, nc, "database.set", `{"collection":"u","id":1,"data":{"n":1}}`)
	removed := send("database.delete", "d1", `{"collection":"u","id":1}`)
	updated := ""
	inserted := send("database.set", "i1", `{"collection":"u","data":{"n":1}}`)
	rewrite := fmt.Sprintf(`{"collection":"u","id":%s,"data":{}}`, idOf(t, inserted))
	for i := range 2 * kvstore.History {
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
}

// A repeated update changes nothing again, of one record or of many.
func TestRepeatedUpdates(t *testing.T) {
	t.Parallel()
	_, nc := newService(t)
	send := sender(t, nc)
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
}

// A message ID that was not used is free after a failure.
func TestRepeatsOfFailedRequests(t *testing.T) {
	t.Parallel()
	_, nc := newService(t)
	send := sender(t, nc)
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
}

// A repeated delete does not delete what was written since.
func TestRepeatedDeletes(t *testing.T) {
	t.Parallel()
	_, nc := newService(t)
	send := sender(t, nc)
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

// So it has where the server does not know the message ID, as beyond the duplicate window or
// under another secret, if the request says since when there may have been an earlier one.
func TestRequestsRepeatedUnderAnotherSecret(t *testing.T) {
	t.Parallel()
	_, nc := newService(t)
	ask(t, nc, "database.set", `{"collection":"set","id":1,"data":{"n":0}}`)
	before := time.Now()
	send := func(subject, id, body string) string {
		t.Helper()
		msg := nats.NewMsg(subject)
		msg.Data = []byte(body)
		msg.Header.Set(streams.HeaderRequestID, id)
		msg.Header.Set(streams.HeaderEarlier, before.UTC().Format(time.RFC3339Nano))
		reply, err := nc.RequestMsgWithContext(streamstest.Context(t), msg)
		if err != nil {
			t.Fatal(err)
		}
		return string(reply.Data)
	}
	for i, c := range []struct{ subject, request string }{
		{"database.set", `{"collection":"insert","data":{"n":1}}`},
		{"database.update", `{"collection":"set","id":1,"ops":{"$inc":{"n":1}}}`},
		{"database.batch", `{"collection":"batch","operations":[{"op":"set","data":{"n":1}},{"op":"set","data":{"n":2}}]}`},
		{"database.delete", `{"collection":"set","id":1}`},
	} {
		id := fmt.Sprintf("plugin-x/PLUGIN:1/request/%d", i)
		first := send(c.subject, id+"~AAAA", c.request)
		if again := send(c.subject, id+"~BBBB", c.request); again != first {
			t.Errorf("%s: first %s, then %s", c.subject, first, again)
		}
	}
	for collection, want := range map[string]string{"insert": `"data":[{"id":1,"n":1}]`, "batch": `"data":[{"id":1,"n":1},{"id":2,"n":2}]`, "set": `"data":[]`} {
		if got := ask(t, nc, "database.query", `{"collection":"`+collection+`"}`); !strings.Contains(got, want) {
			t.Errorf("%s: %s, want %s", collection, got, want)
		}
	}
}
