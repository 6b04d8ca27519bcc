package query_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"pgregory.net/rapid"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/kvstore"
	"github.com/rosey-bot/rosey/kvstore/query"
	"github.com/rosey-bot/rosey/kvstore/service"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// model is a collection as it should be.
type model struct {
	clients        []*nats.Conn
	requests, sent int

	records   map[event.ID]map[string]any
	revisions map[event.ID]uint64
}

// empty deletes every record, which is faster than to make a new collection.
func empty(t fatal, nc *nats.Conn, collection string) {
	var a struct{ Data []struct{ ID event.ID } }
	if err := json.Unmarshal([]byte(call(t, nc, "query", fmt.Sprintf(`{"collection":%q,"limit":10000}`, collection), "")), &a); err != nil {
		t.Fatalf("%v", err)
	}
	for _, r := range a.Data {
		call(t, nc, "delete", fmt.Sprintf(`{"collection":%q,"id":%s}`, collection, r.ID.AppendJSON(nil)), "")
	}
}

// The service does what a plain model does, step by step, whichever client asks
// and whichever instance answers, requests that are sent twice included.
func TestServiceAgainstModel(t *testing.T) {
	t.Parallel()
	m := model{clients: cluster(t)}
	rapid.Check(t, thirdOf(func(t *rapid.T) {
		empty(t, m.clients[0], collection)
		m.records, m.revisions = map[event.ID]map[string]any{}, map[event.ID]uint64{}
		t.Repeat(map[string]func(*rapid.T){
			"insert": m.insert, "set": m.set, "get": m.get, "delete": m.remove, "update": m.update, "query": m.query,
		})
	}))
	t.Logf("%d requests", m.requests)
}

const collection = "model"

var modelID = rapid.OneOf(
	rapid.Custom(func(t *rapid.T) event.ID { return event.IntID(int64(rapid.IntRange(1, 6).Draw(t, "n"))) }),
	rapid.SampledFrom([]event.ID{"a", "b.c", "ü"}),
)

func (m *model) client(t *rapid.T) *nats.Conn { return rapid.SampledFrom(m.clients).Draw(t, "client") }

// send makes a request, now and then twice.
func (m *model) send(t *rapid.T, op, body string) answer {
	m.requests++
	msgID := ""
	if rapid.IntRange(0, 3).Draw(t, "identified") == 0 {
		m.sent++
		msgID = fmt.Sprintf("%s/%d", collection, m.sent)
	}
	got := call(t, m.client(t), op, body, msgID)
	if msgID != "" && strings.Contains(got, `"success":true`) {
		if again := call(t, m.client(t), op, body, msgID); again != got {
			t.Fatalf("%s %s\nfirst  %s\nagain %s", op, body, got, again)
		}
	}
	var a answer
	if err := json.Unmarshal([]byte(got), &a); err != nil {
		t.Fatalf("%s: %v", got, err)
	}
	return a
}

func expect(t *rapid.T, what string, got, want any) {
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("%s: got %v, want %v", what, got, want)
	}
}

// condition draws an if_revision, and says whether it holds.
func (m *model) condition(t *rapid.T, id event.ID) (text string, holds bool) {
	switch rapid.IntRange(0, 5).Draw(t, "condition") {
	case 0:
		return `,"if_revision":0`, m.revisions[id] == 0
	case 1:
		return fmt.Sprintf(`,"if_revision":%d`, m.revisions[id]), true
	case 2:
		return fmt.Sprintf(`,"if_revision":%d`, m.revisions[id]+1), false
	}
	return "", true
}

func fields(data string) map[string]any { return query.RefDecode([]byte(data)).(map[string]any) }

func idText(id event.ID) string { return string(id.AppendJSON(nil)) }

func (m *model) insert(t *rapid.T) {
	data := query.SomeRecord(t)
	a := m.send(t, "set", fmt.Sprintf(`{"collection":%q,"data":%s}`, collection, data))
	// The number is above all that were used; how far depends on the instances.
	n, ok := a.ID.Int()
	if !a.Success || !ok || m.records[*a.ID] != nil {
		t.Fatalf("insert: %+v", a)
	}
	if _, used := m.revisions[*a.ID]; used {
		t.Fatalf("%d was given before", n)
	}
	m.records[*a.ID] = fields(data)
	m.revisions[*a.ID] = a.Revision
}

func (m *model) set(t *rapid.T) {
	id, data, merge := modelID.Draw(t, "id"), query.SomeRecord(t), rapid.Bool().Draw(t, "merge")
	cond, holds := m.condition(t, id)
	a := m.send(t, "set", fmt.Sprintf(`{"collection":%q,"id":%s,"data":%s,"merge":%v%s}`, collection, idText(id), data, merge, cond))
	expect(t, "set "+cond, a.Success, holds)
	if !holds {
		expect(t, "conflict", a.Code, event.DatabaseError)
		return
	}
	record := fields(data)
	if merge {
		old := maps.Clone(m.records[id])
		if old == nil {
			old = map[string]any{}
		}
		maps.Copy(old, record)
		record = old
	}
	m.records[id] = record
	m.revisions[id] = a.Revision
}

func (m *model) get(t *rapid.T) {
	id := modelID.Draw(t, "id")
	a := m.send(t, "get", fmt.Sprintf(`{"collection":%q,"id":%s}`, collection, idText(id)))
	record, exists := m.records[id]
	expect(t, "get", a.Success, exists)
	if exists {
		got := fields(string(a.Data))
		delete(got, "id")
		if query.RefCompareValues(got, record) != 0 || a.Revision != m.revisions[id] {
			t.Fatalf("get %s: %s at %d, want %v at %d", id, a.Data, a.Revision, record, m.revisions[id])
		}
	}
}

func (m *model) remove(t *rapid.T) {
	id := modelID.Draw(t, "id")
	_, exists := m.records[id]
	cond, holds := m.condition(t, id)
	a := m.send(t, "delete", fmt.Sprintf(`{"collection":%q,"id":%s%s}`, collection, idText(id), cond))
	expect(t, "delete "+cond, a.Success, exists && holds)
	if a.Success {
		delete(m.records, id)
		m.revisions[id] = 0
	} else if !exists {
		expect(t, "delete", a.Code, event.RecordNotFound)
	}
}

func (m *model) update(t *rapid.T) {
	id := modelID.Draw(t, "id")
	n := rapid.IntRange(0, 3).Draw(t, "n")
	a := m.send(t, "update", fmt.Sprintf(`{"collection":%q,"id":%s,"ops":{"$inc":{"count":%d},"$push":{"list":%d},"$unset":["a"]}}`, collection, idText(id), n, n))
	record, exists := m.records[id]
	expect(t, "update", a.Success, exists)
	if !exists {
		return
	}
	record = maps.Clone(record)
	count, _ := record["count"].(json.Number)
	before, _ := count.Int64()
	list, _ := record["list"].([]any)
	record["count"] = json.Number(fmt.Sprint(before + int64(n)))
	record["list"] = append(slices.Clone(list), json.Number(fmt.Sprint(n)))
	delete(record, "a")
	m.records[id] = record
	m.revisions[id] = a.Revision
}

func (m *model) query(t *rapid.T) {
	q := query.SomeQuery(t)
	q.Collection = collection
	body, err := event.Encode(q)
	if err != nil {
		t.Fatal(err)
	}
	var all []map[string]any
	for id, record := range m.records {
		record = maps.Clone(record)
		record["id"] = query.RefDecode([]byte(idText(id)))
		all = append(all, record)
	}
	page, count := query.RefQuery(all, q)
	a := m.send(t, "query", string(body))
	var got []struct{ ID event.ID }
	if err := json.Unmarshal(a.Data, &got); err != nil {
		t.Fatalf("%s: %v", a.Data, err)
	}
	var ids []string
	for _, r := range got {
		ids = append(ids, string(r.ID))
	}
	if !slices.Equal(ids, page) || a.Count != count {
		t.Fatalf("query %s: %v of %d, want %v of %d", body, ids, a.Count, page, count)
	}
}

// cluster is several instances of the service on one server, one of which keeps
// no collection in memory, and several clients.
func cluster(t *testing.T) (clients []*nats.Conn) {
	t.Helper()
	server := streamstest.Server(t)
	for _, limit := range []int64{1 << 30, 1 << 30, 1} {
		nc := streamstest.Connect(t, server)
		js, err := jetstream.New(nc)
		if err != nil {
			t.Fatal(err)
		}
		store, err := kvstore.NewStore(js, kvstore.WithMemoryLimit(limit), kvstore.WithLogger(slog.New(slog.DiscardHandler)))
		if err != nil {
			t.Fatal(err)
		}
		s := service.New(nc, store, service.Options{})
		if err := s.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := s.Stop(); err != nil {
				t.Error(err)
			}
		})
		clients = append(clients, streamstest.Connect(t, server))
	}
	return clients
}

type fatal interface{ Fatalf(string, ...any) }

// call makes a request with a message ID, if it has one.
func call(t fatal, nc *nats.Conn, op, body, id string) string {
	msg := nats.NewMsg("database." + op)
	msg.Data = []byte(body)
	if id != "" {
		msg.Header.Set(jetstream.MsgIDHeader, id)
	}
	reply, err := nc.RequestMsg(msg, 4*time.Minute)
	if err != nil {
		t.Fatalf("%s %s: %v", op, body, err)
	}
	return string(reply.Data)
}

type answer struct {
	Success  bool
	ID       *event.ID
	Data     json.RawMessage
	Revision uint64
	Changed  int
	Code     event.Code `json:"error_code"`
	Count    int
}

// thirdOf runs a third of rapid's checks: these take long. More come with
// -rapid.checks.
func thirdOf(check func(*rapid.T)) func(*rapid.T) {
	var n atomic.Int64
	return func(t *rapid.T) {
		if n.Add(1)%3 == 1 {
			check(t)
		}
	}
}
