package service_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/kvstore"
	"github.com/rosey-bot/rosey/kvstore/service"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
	"github.com/rosey-bot/rosey/streams/tracing"
	"github.com/rosey-bot/rosey/telemetry/propagation"
)

// Several instances share the requests: each is answered once, all of them by
// the service and none by the stream that records them.
func TestInstancesShareRequests(t *testing.T) {
	t.Parallel()
	server := streamstest.Server(t)
	bus := streamstest.Bus(t, server)
	for range 2 {
		addService(t, server)
	}
	nc := bus.Conn()
	const requests = 300
	var wait sync.WaitGroup
	for w := range 3 {
		wait.Go(func() {
			for i := range requests / 3 {
				got := ask(t, nc, "database.set", fmt.Sprintf(`{"collection":"c","id":"%d-%d","data":{}}`, w, i))
				if !strings.HasPrefix(got, fmt.Sprintf(`{"success":true,"id":"%d-%d","error":null`, w, i)) {
					t.Errorf("answer %s", got)
				}
			}
		})
	}
	wait.Wait()
	stats := serviceStats(t, nc, 2)
	total := 0
	for _, s := range stats {
		if s["set"].Requests == 0 {
			t.Error("an instance had nothing to do")
		}
		total += s["set"].Requests
	}
	if total != requests {
		t.Errorf("%d requests were handled %d times", requests, total)
	}
	streamstest.Recorded(t, bus.JetStream(), streams.Database, requests)
}

// serviceStats asks instances for their figures, by operation.
func serviceStats(t *testing.T, nc *nats.Conn, instances int) []map[string]service.Stats {
	t.Helper()
	inbox := nc.NewRespInbox()
	sub, err := nc.SubscribeSync(inbox)
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Unsubscribe()
	if err := nc.PublishRequest("$SRV.STATS."+service.Name, inbox, nil); err != nil {
		t.Fatal(err)
	}
	var out []map[string]service.Stats
	for range instances {
		msg, err := sub.NextMsgWithContext(streamstest.Context(t))
		if err != nil {
			t.Fatal(err)
		}
		var s micro.Stats
		if err := json.Unmarshal(msg.Data, &s); err != nil {
			t.Fatal(err)
		}
		byName := map[string]service.Stats{}
		for _, e := range s.Endpoints {
			var figures service.Stats
			if err := json.Unmarshal(e.Data, &figures); err != nil {
				t.Fatalf("%s: %v", e.Data, err)
			}
			byName[e.Name] = figures
		}
		out = append(out, byName)
	}
	return out
}

func TestServiceShowsItself(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	observed := map[string]int{}
	nc := streamstest.Connect(t, streamstest.Server(t))
	start(t, service.New(nc, newStore(t, nc), service.Options{Observe: func(op string, d time.Duration, err error) {
		mu.Lock()
		defer mu.Unlock()
		observed[fmt.Sprintf("%s %v", op, event.CodeOf(err))]++
		if d <= 0 {
			t.Error("no time passed")
		}
	}}))
	ask(t, nc, "database.set", `{"collection":"c","id":1,"data":{}}`)
	ask(t, nc, "database.get", `{"collection":"c","id":1}`)
	ask(t, nc, "database.get", `{"collection":"c","id":2}`)
	ask(t, nc, "database.query", `nonsense`)

	msg, err := nc.RequestWithContext(streamstest.Context(t), "$SRV.INFO."+service.Name, nil)
	if err != nil {
		t.Fatal(err)
	}
	var info micro.Info
	if err := json.Unmarshal(msg.Data, &info); err != nil {
		t.Fatal(err)
	}
	var subjects []string
	for _, e := range info.Endpoints {
		subjects = append(subjects, e.Subject+" "+e.QueueGroup)
	}
	want := []string{"database.batch database", "database.collections database", "database.delete database", "database.get database", "database.query database", "database.set database", "database.update database"}
	if diff := cmp.Diff(want, subjects, cmpopts.SortSlices(strings.Compare)); diff != "" {
		t.Error(diff)
	}
	stats := serviceStats(t, nc, 1)[0]
	if s := stats["get"]; s.Requests != 2 || s.Errors != 1 || s.LastError == "" || s.Time <= 0 || s.Average > s.Time {
		t.Errorf("get: %+v", s)
	}
	if s := stats["query"]; s.Requests != 1 || s.Errors != 1 {
		t.Errorf("query: %+v", s)
	}
	mu.Lock()
	defer mu.Unlock()
	if diff := cmp.Diff(map[string]int{"set ": 1, "get ": 1, "get RECORD_NOT_FOUND": 1, "query INVALID_INPUT": 1}, observed); diff != "" {
		t.Error(diff)
	}

	failed, err := nc.RequestWithContext(streamstest.Context(t), "database.get", []byte(`{"collection":"c","id":2}`))
	if err != nil || failed.Header.Get(micro.ErrorCodeHeader) != "RECORD_NOT_FOUND" || failed.Header.Get(micro.ErrorHeader) == "" {
		t.Errorf("headers of a failure: %v, %v", failed.Header, err)
	}
}

func TestCorrelationReachesHistory(t *testing.T) {
	t.Parallel()
	s, nc := newService(t)
	ctx := streamstest.Context(t)
	withHeader := nats.NewMsg("database.set")
	withHeader.Data = []byte(`{"collection":"c","id":1,"data":{}}`)
	withHeader.Header.Set(propagation.HeaderCorrelation, "from-header")
	if _, err := nc.RequestMsgWithContext(ctx, withHeader); err != nil {
		t.Fatal(err)
	}
	ask(t, nc, "database.update", `{"subject":"database.update","data":{"collection":"c","id":1,"ops":{"$set":{"a":1}}},"correlation_id":"from-envelope"}`)
	ask(t, nc, "database.batch", `{"subject":"database.batch","data":{"operations":[{"op":"delete","collection":"c","id":1}]},"correlation_id":"from-batch"}`)
	history, err := s.Store().History(ctx, "c", "1")
	if err != nil || len(history) != 3 {
		t.Fatal(history, err)
	}
	for i, want := range []string{"from-header", "from-envelope", "from-batch"} {
		if history[i].CorrelationID != want {
			t.Errorf("revision %d was made by %q, want %q", i, history[i].CorrelationID, want)
		}
	}
}

// A request whose sender does not wait for the answer is carried out.
func TestRequestWithoutReply(t *testing.T) {
	t.Parallel()
	_, nc := newService(t)
	if err := nc.Publish("database.set", []byte(`{"collection":"c","id":1,"data":{"a":1}}`)); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(20 * time.Second)
	for !strings.Contains(ask(t, nc, "database.get", `{"collection":"c","id":1}`), `"a":1`) {
		if time.Now().After(deadline) {
			t.Fatal("the record did not come")
		}
	}
}

func TestAnswerTooLarge(t *testing.T) {
	t.Parallel()
	_, nc := newService(t)
	text := strings.Repeat("x", 500_000)
	for range 3 {
		ask(t, nc, "database.set", `{"collection":"c","data":{"text":"`+text+`"}}`)
	}
	got := ask(t, nc, "database.query", `{"collection":"c"}`)
	if err := event.ReplyError([]byte(got)); event.CodeOf(err) != event.InvalidInput || !strings.Contains(err.Error(), "max_payload") {
		t.Errorf("%.200s", got)
	}
	if got := ask(t, nc, "database.query", `{"collection":"c","limit":1}`); !strings.Contains(got, `"count":3`) {
		t.Errorf("%.100s", got)
	}
	// A record must fit too, with what its key and its envelope take.
	if got := ask(t, nc, "database.set", `{"collection":"c","id":"`+strings.Repeat("x", 200)+`","data":{"t":"`+strings.Repeat("x", 1<<20-300)+`"}}`); event.CodeOf(event.ReplyError([]byte(got))) != event.InvalidInput &&
		!strings.Contains(got, `"success":true`) {
		t.Errorf("%.200s", got)
	}
}

// Stop answers every request that it took.
func TestStopAnswersWhatItTook(t *testing.T) {
	t.Parallel()
	server := streamstest.Server(t)
	s := addService(t, server)
	nc := streamstest.Connect(t, server)
	ctx := streamstest.Context(t)
	var wait sync.WaitGroup
	started := make(chan struct{}, 1)
	for w := range 8 {
		wait.Go(func() {
			for i := 0; ; i++ {
				op := []string{`database.set {"collection":"c","data":{}}`, `database.query {"collection":"c"}`}[w%2]
				subject, body, _ := strings.Cut(op, " ")
				msg, err := nc.RequestWithContext(ctx, subject, []byte(body))
				if errors.Is(err, nats.ErrNoResponders) {
					return
				}
				if err != nil {
					t.Errorf("%s: %v", subject, err)
					return
				}
				if err := event.ReplyError(msg.Data); err != nil {
					t.Errorf("%s: %v", subject, err)
				}
				if i == 20 {
					select {
					case started <- struct{}{}:
					default:
					}
				}
			}
		})
	}
	<-started
	if err := s.Stop(); err != nil {
		t.Error(err)
	}
	wait.Wait()
	if err := s.Stop(); err != nil {
		t.Error("stopped twice:", err)
	}
}

func TestServe(t *testing.T) {
	t.Parallel()
	server := streamstest.Server(t)
	nc := streamstest.Connect(t, server)
	store := newStore(t, nc)
	s := service.New(nc, store, service.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	ready, done := make(chan struct{}), make(chan error, 1)
	client := streamstest.Connect(t, server)
	go func() { done <- s.Serve(ctx, func() { close(ready) }) }()
	<-ready
	msg, err := client.RequestWithContext(streamstest.Context(t), "database.set", []byte(`{"collection":"c","data":{}}`))
	if err != nil {
		t.Fatal(err)
	}
	if err := event.ReplyError(msg.Data); err != nil {
		t.Error(err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	closed := streamstest.Connect(t, server)
	closed.Close()
	dead := service.New(closed, store, service.Options{})
	if err := dead.Serve(t.Context(), func() {}); err == nil {
		t.Error("a service on a closed connection started")
	}
}

func TestAnswerWithoutService(t *testing.T) {
	t.Parallel()
	s := newStore(t, streamstest.Connect(t, streamstest.Server(t)))
	ctx := streamstest.Context(t)
	if got := string(service.Answer(ctx, s, "database.set", []byte(`{"collection":"c","id":1,"data":{}}`))); !strings.HasPrefix(got, `{"success":true,"id":1,"error":null`) {
		t.Error(got)
	}
	for _, c := range [][2]string{{"database.drop", `{}`}, {"get", `{}`}, {"database.get", `{`}, {"database.get", `{"collection":"c"}`}} {
		if got := service.Answer(ctx, s, c[0], []byte(c[1])); event.CodeOf(event.ReplyError(got)) != event.InvalidInput {
			t.Errorf("%v: %s", c, got)
		}
	}
	s.Close()
	if got := service.Answer(ctx, s, "database.get", []byte(`{"collection":"c","id":1}`)); event.CodeOf(event.ReplyError(got)) != event.DatabaseError {
		t.Errorf("closed: %s", got)
	}
}

func TestRequestsAreTraced(t *testing.T) {
	t.Parallel()
	spans := tracetest.NewSpanRecorder()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans), sdktrace.WithIDGenerator(propagation.IDGenerator{}))
	server := streamstest.Server(t)
	nc := streamstest.Connect(t, server)
	start(t, service.New(nc, newStore(t, nc), service.Options{Tracer: tracing.New(provider.Tracer("test"), jetStream(t, nc))}))
	correlation := "550e8400-e29b-41d4-a716-446655440000"
	ask(t, nc, "database.set", `{"subject":"database.set","data":{"collection":"c","id":1,"data":{}},"correlation_id":"`+correlation+`"}`)
	child := nats.NewMsg("database.get")
	child.Data = []byte(`{"collection":"c","id":2}`)
	child.Header["traceparent"] = []string{"00-550e8400e29b41d4a716446655440000-00f067aa0ba902b7-01"}
	if _, err := nc.RequestMsgWithContext(streamstest.Context(t), child); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(20 * time.Second)
	for len(spans.Ended()) < 2 { // a span ends after its answer
		if time.Now().After(deadline) {
			t.Fatalf("%d spans", len(spans.Ended()))
		}
	}
	ended := spans.Ended() // in any order
	slices.SortFunc(ended, func(a, b sdktrace.ReadOnlySpan) int { return -strings.Compare(a.Name(), b.Name()) })
	for i, name := range []string{"process database.set", "process database.get"} {
		span := ended[i]
		if span.Name() != name || span.SpanKind() != trace.SpanKindServer || span.SpanContext().TraceID() != propagation.TraceID(correlation) {
			t.Errorf("span %s of kind %v in trace %s", span.Name(), span.SpanKind(), span.SpanContext().TraceID())
		}
	}
	if failed := ended[1]; failed.Parent().SpanID().String() != "00f067aa0ba902b7" || failed.Status().Description == "" {
		t.Errorf("the failed get has parent %s and status %+v", failed.Parent().SpanID(), failed.Status())
	}
}

// That somebody else was faster is an answer, not something for the log to warn
// of.
func TestConflictsAreNoWarnings(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var log bytes.Buffer
	server := streamstest.Server(t)
	s := addService(t, server, kvstore.WithLogger(slog.New(slog.NewTextHandler(writerFunc(func(p []byte) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		return log.Write(p)
	}), nil))))
	nc := streamstest.Connect(t, server)
	ask(t, nc, "database.set", `{"collection":"c","id":1,"data":{}}`)
	for subject, body := range map[string]string{
		"database.set":    `{"collection":"c","id":1,"data":{},"if_revision":99}`,
		"database.delete": `{"collection":"c","id":1,"if_revision":99}`,
		"database.batch":  `{"operations":[{"op":"set","collection":"c","id":1,"data":{},"if_revision":99}]}`,
	} {
		if got := ask(t, nc, subject, body); event.CodeOf(event.ReplyError([]byte(got))) != event.DatabaseError {
			t.Errorf("%s: %s", subject, got)
		}
	}
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if log.Len() > 0 {
		t.Errorf("the log says: %s", log.String())
	}
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
