//go:build jaeger

package cmd

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/connect"
	"github.com/rosey-bot/rosey/telemetry/oteltest"
	"github.com/rosey-bot/rosey/telemetry/propagation"
)

// jaeger is a running Jaeger with memory storage, on free loopback ports.
type jaeger struct {
	grpc, http, query string // URLs
}

// startJaeger starts the Jaeger that ROSEY_JAEGER names (see make jaeger-test).
func startJaeger(t *testing.T) *jaeger {
	t.Helper()
	exe := os.Getenv("ROSEY_JAEGER")
	if exe == "" {
		t.Fatal("ROSEY_JAEGER does not name a Jaeger: run make jaeger-test")
	}
	ports := map[string]string{}
	args := []string{"--collector.otlp.enabled=true"}
	var held []net.Listener // until all are found, or one might be found twice
	for _, name := range []string{
		"collector.otlp.grpc.host-port", "collector.otlp.http.host-port", "query.http-server.host-port", "query.grpc-server.host-port",
		"collector.grpc-server.host-port", "collector.http-server.host-port", "admin.http.host-port", "http-server.host-port",
		"processor.jaeger-compact.server-host-port", "processor.jaeger-binary.server-host-port", "processor.zipkin-compact.server-host-port",
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, l)
		ports[name] = l.Addr().String()
		args = append(args, "--"+name+"="+ports[name])
	}
	for _, l := range held {
		l.Close()
	}
	args = append(args, "--reporter.grpc.host-port="+ports["collector.grpc-server.host-port"])
	var out lockedBuffer
	cmd := exec.Command(exe, args...)
	cmd.Env = append(os.Environ(), "SPAN_STORAGE_TYPE=memory")
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	err := until(soon(t), func() bool {
		resp, err := http.Get("http://" + ports["admin.http.host-port"] + "/")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	if err != nil {
		t.Fatalf("Jaeger does not answer: %v\n%s", err, out.String())
	}
	return &jaeger{"http://" + ports["collector.otlp.grpc.host-port"], "http://" + ports["collector.otlp.http.host-port"], "http://" + ports["query.http-server.host-port"]}
}

func (j *jaeger) env(protocol string) []string {
	endpoint := j.http
	if protocol == "grpc" {
		endpoint = j.grpc
	}
	return []string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + endpoint, "OTEL_EXPORTER_OTLP_PROTOCOL=" + protocol, "OTEL_BSP_SCHEDULE_DELAY=100"}
}

// jaegerTrace is what Jaeger's API says of a trace, as far as it is looked at.
type jaegerTrace struct {
	TraceID   string
	Spans     []jaegerSpan
	Processes map[string]struct{ ServiceName string }
}

type jaegerSpan struct {
	TraceID, SpanID, OperationName, ProcessID string
	StartTime, Duration                       int64 // us
	References                                []struct{ RefType, TraceID, SpanID string }
	Tags                                      []struct {
		Key   string
		Value any
	}
	Warnings []string
}

// spans are the spans of Jaeger's answer in our own terms.
func (tr jaegerTrace) spans() []oteltest.Span {
	kinds := map[string]trace.SpanKind{"producer": trace.SpanKindProducer, "consumer": trace.SpanKindConsumer,
		"client": trace.SpanKindClient, "server": trace.SpanKindServer, "internal": trace.SpanKindInternal}
	var all []oteltest.Span
	for _, s := range tr.Spans {
		span := oteltest.Span{TraceID: s.TraceID, SpanID: s.SpanID, Name: s.OperationName, Service: tr.Processes[s.ProcessID].ServiceName,
			Start: time.UnixMicro(s.StartTime), End: time.UnixMicro(s.StartTime + s.Duration), Attributes: map[string]any{}}
		for _, r := range s.References {
			if r.RefType == "CHILD_OF" {
				span.ParentID = r.SpanID
			}
		}
		for _, tag := range s.Tags {
			span.Attributes[tag.Key] = tag.Value
		}
		span.Kind = kinds[fmt.Sprint(span.Attributes["span.kind"])]
		if span.Attributes["error"] == true {
			span.Status = codes.Error
		}
		all = append(all, span)
	}
	return all
}

func (j *jaeger) get(ctx context.Context, path string) (int, []jaegerTrace, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, j.query+path, nil)
	if err != nil {
		return 0, nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	var answer struct{ Data []jaegerTrace }
	return resp.StatusCode, answer.Data, json.NewDecoder(resp.Body).Decode(&answer)
}

// tree waits until Jaeger shows the trace of a conversation as the wanted tree.
func (j *jaeger) tree(t *testing.T, correlation, want string) *oteltest.Tree {
	t.Helper()
	id := propagation.TraceID(correlation).String()
	want = unindent(want)
	var got *oteltest.Tree
	var problem error
	err := until(soon(t), func() bool {
		status, found, err := j.get(t.Context(), "/api/traces/"+id)
		if got, problem = nil, err; err != nil || status != http.StatusOK || len(found) != 1 {
			return false
		}
		for _, s := range found[0].Spans {
			for _, w := range s.Warnings {
				// A consumer may begin before the producer has its acknowledgement,
				// which to Jaeger are clocks that differ.
				if !strings.Contains(w, "clock skew") {
					problem = fmt.Errorf("Jaeger warns of %s: %s", s.OperationName, w)
					return false
				}
			}
		}
		got, problem = oteltest.TreeOf(found[0].spans(), id)
		return problem == nil && got.String() == want
	})
	if err != nil {
		t.Fatalf("Jaeger shows trace %s as\n%v%v\nwant\n%s", id, got, problem, want)
	}
	t.Logf("%s (correlation ID %s)\n%s", id, correlation, got)
	return got
}

// A real bot, its plugins' processes, and a real Jaeger that is asked for traces
// by the correlation IDs that rosey replay shows.
func TestJaeger(t *testing.T) {
	j := startJaeger(t)
	store := t.TempDir()
	bot := startWith(t, j.env("http/protobuf"), "run", "--local", "--plugins", "quote-db", "--store", store)
	plugin := startWith(t, j.env("grpc"), "plugin", "run", "dice-roller", "--store", store)
	waitPlugin(t, store, `"state":"running"`)
	nc, err := connect.Dial(connect.Remote{Store: store, Name: "test"})
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}

	// A typed command, handled in the bot, with the database.
	bot.say("!quote add to be or not to be")
	bot.expect("^rosey: .*#1")
	j.tree(t, correlationOf(t, store, "!quote add to be or not to be"), `
		send cytube.chat [producer rosey]
			process cytube.chat [consumer rosey]
				send plugin.{name}.command [producer rosey]
					process plugin.{name}.command [consumer rosey]
						send database.query [client rosey]
							process database.query [server rosey]
						send database.set [client rosey]
							process database.set [server rosey]
						send cytube.send.chat [producer rosey]
							process cytube.send.chat [consumer rosey]
								send cytube.chat [producer rosey]
									process cytube.chat [consumer rosey]
						send plugin.{name}.event.quote_added [producer rosey]
	`)

	// One handled in a process of its own.
	bot.say("!roll 2d6")
	bot.expect("Rolled 2d6")
	mine := strings.ReplaceAll(answered, "SERVICE", "rosey-plugin-dice-roller")
	j.tree(t, correlationOf(t, store, "!roll 2d6"), mine)

	j.redelivered(t, js, bot, plugin, store, mine)
	j.failingAttempts(t, js, bot, store)
	j.otherID(t, js, bot)

	for name, want := range map[string]int{strings.Repeat("1", 32): http.StatusNotFound, correlationOf(t, store, "!roll 2d6"): http.StatusBadRequest} {
		if status, _, _ := j.get(t.Context(), "/api/traces/"+name); status != want {
			t.Errorf("trace %s: status %d, want %d", name, status, want)
		}
	}
}

// redelivered looks at a command that is redelivered, because whoever took it never
// finished.
func (j *jaeger) redelivered(t *testing.T, js jetstream.JetStream, bot, plugin *process, store, mine string) {
	t.Helper()
	plugin.kill()
	durable, err := js.Consumer(t.Context(), streams.Plugin, streams.Durable("dice-roller"))
	if err != nil {
		t.Fatal(err)
	}
	bot.say("!roll 3d6")
	taken, err := durable.Next(jetstream.FetchMaxWait(30 * time.Second))
	if err != nil {
		t.Fatal(err)
	}
	if meta, err := taken.Metadata(); err != nil || meta.NumDelivered != 1 {
		t.Fatalf("the first delivery is %+v, %v", meta, err)
	}
	startWith(t, j.env("grpc"), "plugin", "run", "dice-roller", "--store", store)
	bot.expect("Rolled 3d6")
	got := j.tree(t, correlationOf(t, store, "!roll 3d6"), mine)
	if n := got.Find("process plugin.{name}.command").Attributes["rosey.delivery.attempt"]; n != 2.0 {
		t.Errorf("the attempt is %v, want 2", n)
	}
}

// failingAttempts looks at a command whose attempts fail until the database writes again.
func (j *jaeger) failingAttempts(t *testing.T, js jetstream.JetStream, bot *process, store string) {
	t.Helper()
	bucket, err := js.Stream(t.Context(), "KV_db_quotes")
	if err != nil {
		t.Fatal(err)
	}
	cfg := bucket.CachedInfo().Config
	full := cfg
	full.MaxMsgSize = 1
	if _, err := js.UpdateStream(t.Context(), full); err != nil {
		t.Fatal(err)
	}
	bot.say("!quote add that is the question")
	if err := until(soon(t), func() bool { return strings.Contains(bot.stderr.String(), "handler failed, retrying") }); err != nil {
		t.Fatal(err)
	}
	if _, err := js.UpdateStream(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	bot.expect("^rosey: .*#")
	id := correlationOf(t, store, "!quote add that is the question")
	attempts := j.attempts(t, id, 2)
	for i, a := range attempts {
		last := i == len(attempts)-1
		if a.Attributes["rosey.delivery.attempt"] != float64(i+1) || (a.Status == codes.Error) == last {
			t.Errorf("attempt %d: status %v, %v", i+1, a.Status, a.Attributes)
		}
		if !last && a.Attributes["error.type"] != string(event.DatabaseError) {
			t.Errorf("attempt %d failed with %v", i+1, a.Attributes["error.type"])
		}
	}
}

// otherID looks at a conversation whose ID is no UUID, begun by somebody who knows
// nothing of traces: it is found by the hashed ID and by its own.
func (j *jaeger) otherID(t *testing.T, js jetstream.JetStream, bot *process) {
	t.Helper()
	command := body(map[string]any{"subject": event.CommandSubject("dice-roller"), "correlation_id": "order 66",
		"data": event.Command{Command: "roll", Args: []string{"4d6"}, User: "alice", Channel: "local", RawMessage: "!roll 4d6"}})
	if _, err := js.Publish(t.Context(), event.CommandSubject("dice-roller"), command); err != nil {
		t.Fatal(err)
	}
	bot.expect("Rolled 4d6")
	j.tree(t, "order 66", `
		send plugin.{name}.command [producer rosey-plugin-dice-roller]
			process plugin.{name}.command [consumer rosey-plugin-dice-roller]
				send cytube.send.chat [producer rosey-plugin-dice-roller]
					process cytube.send.chat [consumer rosey]
						send cytube.chat [producer rosey]
							process cytube.chat [consumer rosey]
	`)
	tags := url.Values{"service": {"rosey"}, "tags": {`{"messaging.message.conversation_id":"order 66"}`}}
	if _, found, err := j.get(t.Context(), "/api/traces?"+tags.Encode()); err != nil || len(found) != 1 {
		t.Errorf("%d traces have the conversation's ID, %v", len(found), err)
	}
}

// attempts waits for at least n attempts at a conversation's command and gives
// them all.
func (j *jaeger) attempts(t *testing.T, correlation string, n int) []*oteltest.Tree {
	t.Helper()
	id := propagation.TraceID(correlation).String()
	var got *oteltest.Tree
	err := until(soon(t), func() bool {
		_, found, err := j.get(t.Context(), "/api/traces/"+id)
		if err != nil || len(found) != 1 {
			return false
		}
		got, err = oteltest.TreeOf(found[0].spans(), id)
		return err == nil && got.Find("send cytube.send.chat") != nil && len(got.Find("send plugin.{name}.command").Children) >= n
	})
	if err != nil {
		t.Fatalf("Jaeger shows\n%v", got)
	}
	t.Logf("%s (correlation ID %s)\n%s", id, correlation, got)
	return got.Find("send plugin.{name}.command").Children
}

// What happened while no collector was there is sent to one afterwards, and what
// is sent twice is shown once.
func TestJaegerOfThePast(t *testing.T) {
	const tree = `
		send cytube.chat [producer rosey]
			process cytube.chat [consumer rosey]
				send plugin.{name}.command [producer rosey]
					process plugin.{name}.command [consumer rosey]
						send cytube.send.chat [producer rosey]
							process cytube.send.chat [consumer rosey]
								send cytube.chat [producer rosey]
									process cytube.chat [consumer rosey]
	`
	store := t.TempDir()
	j := startJaeger(t)
	lines := []string{"!roll 2d6", "!roll 3d6"}
	for _, line := range lines {
		if r := rosey(t, line+"\n", "run", "--local", "--plugins", "dice-roller", "--store", store); r.code != 0 {
			t.Fatalf("%+v", r)
		}
		if r := rosey(t, "", "replay", "--since", "1h", "--export-otlp", j.http, "--store", store); r.code != 0 || !strings.Contains(r.stdout, "traces to") {
			t.Fatalf("%+v", r)
		}
		// What Jaeger shows of the last line tells that it has taken in the others.
		j.tree(t, correlationOf(t, store, line), tree)
	}
	for _, line := range lines {
		j.tree(t, correlationOf(t, store, line), tree)
	}
}
