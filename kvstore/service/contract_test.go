package service_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"

	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/kvstore"
	"github.com/rosey-bot/rosey/kvstore/service"
	"github.com/rosey-bot/rosey/streams/embedded"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

func TestMain(m *testing.M) {
	if store := os.Getenv(storeVariable); store != "" {
		fmt.Fprintln(os.Stderr, beServer(store))
		os.Exit(1)
	}
	streamstest.Main(m)
}

var quiet = slog.New(slog.DiscardHandler)

// newService starts a database service on a server of its own.
func newService(t testing.TB, opts ...kvstore.Option) (*service.Service, *nats.Conn) {
	t.Helper()
	server := streamstest.Server(t)
	return addService(t, server, opts...), streamstest.Connect(t, server)
}

// addService starts one more instance.
func addService(t testing.TB, server *embedded.Server, opts ...kvstore.Option) *service.Service {
	t.Helper()
	return serve(t, streamstest.Connect(t, server), opts...)
}

// serve starts an instance on a connection.
func serve(t testing.TB, nc *nats.Conn, opts ...kvstore.Option) *service.Service {
	t.Helper()
	return start(t, service.New(nc, newStore(t, nc, opts...), service.Options{}))
}

// start starts an instance for the time of the test.
func start(t testing.TB, s *service.Service) *service.Service {
	t.Helper()
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func jetStream(t testing.TB, nc *nats.Conn) jetstream.JetStream {
	t.Helper()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

// ask makes a request and returns the answer without its revision, which is
// checked to be there when the contract's own fields say success.
func ask(t testing.TB, nc *nats.Conn, subject, body string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	msg, err := nc.RequestWithContext(ctx, subject, []byte(body))
	if err != nil {
		t.Fatalf("%s %s: %v", subject, body, err)
	}
	return string(msg.Data)
}

// withoutRevision takes the answer's revision away, which depends on what was
// written before.
func withoutRevision(t testing.TB, answer string) string {
	t.Helper()
	head, tail, ok := strings.Cut(answer, `,"revision":`)
	if !ok {
		t.Fatalf("no revision: %s", answer)
	}
	return head + strings.TrimLeft(tail, "0123456789")
}

// The contract's Database Events section, request by request and answer by
// answer.
func TestContractExamples(t *testing.T) {
	t.Parallel()
	_, nc := newService(t)
	alice := `{"id":42,"text":"Hello, world!","user":"alice","timestamp":1732645200}`
	for _, step := range []struct{ subject, request, want string }{
		{"database.get", `{"collection":"quotes","id":42}`,
			`{"success":false,"error":"record 42 not found in collection quotes","error_code":"RECORD_NOT_FOUND","details":{"collection":"quotes","id":42}}`},
		{"database.query", `{"collection":"quotes","filter":{"user":"alice"}}`, `{"success":true,"data":[],"count":0,"error":null}`},
		{"database.delete", `{"collection":"quotes","id":42}`,
			`{"success":false,"error":"record 42 not found in collection quotes","error_code":"RECORD_NOT_FOUND","details":{"collection":"quotes","id":42}}`},
		{"database.set", `{"collection":"quotes","id":42,"data":{"text":"Hello, world!","user":"alice","timestamp":1732645200}}`, `{"success":true,"id":42,"error":null}`},
		{"database.get", `{"collection":"quotes","id":42}`, `{"success":true,"data":` + alice + `,"error":null}`},
		{"database.get", `{"collection":"quotes","id":"42"}`, `{"success":true,"data":` + alice + `,"error":null}`},
		{"database.get", `{"subject":"database.get","data":{"collection":"quotes","id":42},"timestamp":1732645200.0,"priority":1,"correlation_id":null,"metadata":{}}`,
			`{"success":true,"data":` + alice + `,"error":null}`},
		{"database.set", `{"collection":"quotes","id":38,"data":{"text":"Goodbye!","user":"alice","timestamp":1732640000}}`, `{"success":true,"id":38,"error":null}`},
		{"database.set", `{"collection":"quotes","id":142,"data":{"text":"Hm","user":"carol","timestamp":1}}`, `{"success":true,"id":142,"error":null}`},
		{"database.set", `{"collection":"quotes","id":null,"data":{"text":"New quote!","user":"bob","timestamp":1732645300}}`, `{"success":true,"id":143,"error":null}`},
		{"database.query", `{"collection":"quotes","filter":{"user":"alice"},"limit":10,"order_by":"timestamp DESC"}`,
			`{"success":true,"data":[` + alice + `,{"id":38,"text":"Goodbye!","user":"alice","timestamp":1732640000}],"count":2,"error":null}`},
		{"database.query", `{"collection":"quotes","filter":{"user":"alice"},"limit":1,"offset":1,"order_by":"timestamp DESC"}`,
			`{"success":true,"data":[{"id":38,"text":"Goodbye!","user":"alice","timestamp":1732640000}],"count":2,"error":null}`},
		{"database.delete", `{"collection":"quotes","id":42}`, `{"success":true,"error":null}`},
		{"database.delete", `{"collection":"quotes","id":42}`,
			`{"success":false,"error":"record 42 not found in collection quotes","error_code":"RECORD_NOT_FOUND","details":{"collection":"quotes","id":42}}`},
		{"database.get", `{"collection":"quotes","id":42}`,
			`{"success":false,"error":"record 42 not found in collection quotes","error_code":"RECORD_NOT_FOUND","details":{"collection":"quotes","id":42}}`},
		{"database.query", `{"collection":"quotes"}`,
			`{"success":true,"data":[{"id":38,"text":"Goodbye!","user":"alice","timestamp":1732640000},{"id":142,"text":"Hm","user":"carol","timestamp":1},{"id":143,"text":"New quote!","user":"bob","timestamp":1732645300}],"count":3,"error":null}`},
		{"database.set", `{"collection":"quotes","id":"a b/ü","data":{"big":12345678901234567890,"f":1.50,"t":"<&>"}}`, `{"success":true,"id":"a b/ü","error":null}`},
		{"database.get", `{"collection":"quotes","id":"a b/ü"}`, `{"success":true,"data":{"id":"a b/ü","big":12345678901234567890,"f":1.50,"t":"<&>"},"error":null}`},
	} {
		got := ask(t, nc, step.subject, step.request)
		if op := strings.TrimPrefix(step.subject, "database."); (op == "get" || op == "set") && strings.HasPrefix(step.want, `{"success":true`) {
			got = withoutRevision(t, got)
		}
		if got != step.want {
			t.Errorf("%s %s\n got %s\nwant %s", step.subject, step.request, got, step.want)
		}
	}
}

func TestBadRequests(t *testing.T) {
	t.Parallel()
	_, nc := newService(t)
	ask(t, nc, "database.set", `{"collection":"c","id":1,"data":{"a":1}}`)
	for _, c := range []struct{ subject, request, field string }{
		{"database.get", `nonsense`, ""},
		{"database.get", ``, ""},
		{"database.get", `{"id":1}`, "collection"},
		{"database.get", `{"collection":"c"}`, "id"},
		{"database.get", `{"collection":"c","id":1.5}`, "id"},
		{"database.get", `{"collection":"a b","id":1}`, "collection"},
		{"database.get", `{"collection":"` + strings.Repeat("x", 65) + `","id":1}`, "collection"},
		{"database.get", `{"collection":"c","id":"` + strings.Repeat("x", 257) + `"}`, "id"},
		{"database.get", `{"collection":"c","id":"\ud800"}`, "id"},
		{"database.set", `{"collection":"c","id":"\ud800","data":{}}`, "id"},
		{"database.set", `{"collection":"c","id":9223372036854775808,"data":{}}`, "id"},
		{"database.set", `{"collection":"c","id":1}`, "data"},
		{"database.set", `{"collection":"c","id":1,"data":[]}`, "data"},
		{"database.set", `{"collection":"c","id":1,"data":{"id":2}}`, "data"},
		{"database.set", `{"collection":"c","data":{"id":2}}`, "data"},
		{"database.set", `{"collection":"c","data":{"n":1e99999}}`, "data"},
		{"database.set", `{"collection":"c","data":{"n":` + strings.Repeat("[", 600) + strings.Repeat("]", 600) + `}}`, "data"},
		{"database.set", `{"collection":"c","data":{},"if_revision":7}`, "if_revision"},
		{"database.query", `{"collection":"c","limit":-1}`, "limit"},
		{"database.query", `{"collection":"c","offset":-1}`, "offset"},
		{"database.query", `{"collection":"c","order_by":"a UP"}`, "order_by"},
		{"database.query", `{"collection":"c","order_by":"a,,b"}`, "order_by"},
		{"database.query", `{"collection":"c","order_by":"a,a DESC"}`, "order_by"},
		{"database.query", `{"collection":"c","filter":[]}`, "filter"},
		{"database.query", `{"collection":"c","filter":{"a":{"$foo":1}}}`, "filter"},
	} {
		answer := ask(t, nc, c.subject, c.request)
		var got struct {
			Success bool           `json:"success"`
			Error   string         `json:"error"`
			Code    string         `json:"error_code"`
			Details map[string]any `json:"details"`
		}
		if err := json.Unmarshal([]byte(answer), &got); err != nil {
			t.Errorf("%s %s: %v: %s", c.subject, c.request, err, answer)
			continue
		}
		if got.Success || got.Code != "INVALID_INPUT" || got.Details["field"] != c.field || got.Error == "" {
			t.Errorf("%s %.100s: got %s, want INVALID_INPUT for %q", c.subject, c.request, answer, c.field)
		}
	}
	if got := withoutRevision(t, ask(t, nc, "database.get", `{"collection":"c","id":1}`)); got != `{"success":true,"data":{"id":1,"a":1},"error":null}` {
		t.Errorf("a bad request changed a record: %s", got)
	}
	ask(t, nc, "database.set", `{"collection":"c","id":9223372036854775807,"data":{}}`) // a good one, the highest
	if got := ask(t, nc, "database.set", `{"collection":"c","data":{}}`); !strings.Contains(got, `"id":2,`) {
		t.Errorf("after all the ids the numbers go on with %s", got)
	}
}

func set(t testing.TB, s *kvstore.Store, collection string, id event.ID, data string) {
	t.Helper()
	if _, err := s.Set(streamstest.Context(t), event.Set{Collection: collection, ID: id, Data: json.RawMessage(data)}); err != nil {
		t.Fatal(err)
	}
}

// newStore opens a store on a connection.
func newStore(t testing.TB, nc *nats.Conn, opts ...kvstore.Option) *kvstore.Store {
	t.Helper()
	s, err := kvstore.NewStore(jetStream(t, nc), append([]kvstore.Option{kvstore.WithLogger(quiet)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}
