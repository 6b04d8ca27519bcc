package cmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel/codes"

	"github.com/rosey-bot/rosey/consumers"
	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/plugins/host"
	"github.com/rosey-bot/rosey/replay"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/connect"
	"github.com/rosey-bot/rosey/streams/tracing"
	"github.com/rosey-bot/rosey/telemetry"
	"github.com/rosey-bot/rosey/telemetry/oteltest"
	"github.com/rosey-bot/rosey/telemetry/propagation"
)

// A traced is a running bot whose spans, and those of every process around it,
// arrive at one collector.
type traced struct {
	t         *testing.T
	ctx       context.Context
	store     string
	collector *oteltest.Receiver
	bot       *process
	nc        *nats.Conn
	js        jetstream.JetStream
}

func newTraced(t *testing.T) *traced {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testPatience)
	t.Cleanup(cancel)
	return &traced{t: t, ctx: ctx, store: t.TempDir(), collector: oteltest.Start(t)}
}

// startTraced has a bot run in its local room.
func startTraced(t *testing.T, protocol string, args ...string) *traced {
	t.Helper()
	w := newTraced(t)
	w.bot = startWith(t, w.collector.Environ(protocol), append([]string{"run", "--local", "--log-level", "debug", "--log-format", "json", "--store", w.store}, args...)...)
	w.bot.say("hi")
	w.bot.expect("^operator: hi")
	w.connect()
	return w
}

// connect connects the test itself to a bot that is up.
func (w *traced) connect() {
	w.t.Helper()
	var err error
	if w.nc, err = connect.Dial(connect.Remote{Store: w.store, Name: "test"}); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(w.nc.Close)
	if w.js, err = jetstream.New(w.nc); err != nil {
		w.t.Fatal(err)
	}
}

// host runs plugins as a process of their own would, under the service's name.
func (w *traced) host(service string, ps ...plugins.Plugin) {
	w.t.Helper()
	tel, err := telemetry.Setup(w.ctx, telemetry.Config{Service: service, Exporter: w.collector.Exporter(w.t, "http/protobuf"), BatchDelay: 10 * time.Millisecond})
	if err != nil {
		w.t.Fatal(err)
	}
	kv, err := w.js.KeyValue(w.ctx, router.Bucket)
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(w.ctx)
	host := host.Host{Bus: streams.NewBus(w.nc, w.js, tracing.With(tel.Tracer("streams"))), Bucket: kv,
		Logger: slog.New(slog.DiscardHandler), Backoff: []time.Duration{time.Millisecond}}
	ended := make(chan error, len(ps))
	for _, p := range ps {
		go func() { ended <- host.Run(ctx, p) }()
	}
	w.t.Cleanup(func() {
		cancel()
		for range ps {
			if err := <-ended; err != nil {
				w.t.Error(err)
			}
		}
		_ = tel.Shutdown(context.Background())
	})
	for _, p := range ps {
		w.until("plugin "+p.Name, func() bool {
			c, err := w.js.Consumer(w.ctx, streams.Plugin, streams.Durable(p.Name))
			return err == nil && c.CachedInfo().NumWaiting > 0
		})
	}
}

func (w *traced) until(what string, ok func() bool) {
	w.t.Helper()
	if err := until(w.ctx, ok); err != nil {
		w.t.Fatalf("%s: %v", what, err)
	}
}

// conversation types a line and returns its correlation ID.
func (w *traced) conversation(line string) string {
	w.t.Helper()
	w.bot.say(line)
	_, text, _ := strings.Cut(line, "!") // behind who says it
	return w.stored(event.SubjectChat, "!"+text).CorrelationID
}

// stored waits for the last event of a subject whose data contains a text.
func (w *traced) stored(subject, text string) (found streams.Stored) {
	w.t.Helper()
	query := replay.Query{Filter: replay.Filter{Subjects: []string{subject}}}
	w.until(subject+" "+text, func() (ok bool) {
		for e, err := range replay.Read(w.ctx, w.js, query) {
			if err != nil {
				w.t.Fatal(err)
			}
			if s, err := e.Decode(); err == nil && strings.Contains(string(s.Data), text) {
				found, ok = s, true
			}
		}
		return ok
	})
	return found
}

// tree waits until the trace of a conversation is the wanted tree.
func (w *traced) tree(correlation, want string) *oteltest.Tree {
	w.t.Helper()
	id := propagation.TraceID(correlation).String()
	want = unindent(want)
	ctx, cancel := context.WithTimeout(w.ctx, testPatience)
	defer cancel()
	var got *oteltest.Tree
	var problem error
	_, err := w.collector.Wait(ctx, func([]oteltest.Span) bool {
		got, problem = w.collector.Tree(id)
		return problem == nil && got.String() == want
	})
	if err != nil {
		w.t.Fatalf("the trace of %s is\n%v%v\nwant\n%s", correlation, got, problem, want)
	}
	return got
}

func unindent(tree string) string {
	tree = strings.TrimLeft(tree, "\n")
	margin := tree[:len(tree)-len(strings.TrimLeft(tree, "\t"))]
	lines := strings.Split(strings.TrimRight(tree, "\t\n"), "\n")
	for i, l := range lines {
		lines[i] = strings.ReplaceAll(strings.TrimPrefix(l, margin), "\t", "  ")
	}
	return strings.Join(lines, "\n") + "\n"
}

// wellFormed checks that every trace that arrived is one tree.
func (w *traced) wellFormed() {
	w.t.Helper()
	for _, s := range w.collector.Spans() {
		ctx, cancel := context.WithTimeout(w.ctx, testPatience)
		var problem error
		_, err := w.collector.Wait(ctx, func([]oteltest.Span) bool {
			_, problem = w.collector.Tree(s.TraceID)
			return problem == nil
		})
		cancel()
		if err != nil {
			w.t.Fatal(problem)
		}
	}
}

// rebuilt sends the traces to another collector from the streams alone, twice,
// and checks that they are the same as those that came live.
func (w *traced) rebuilt(madeUp ...string) {
	w.t.Helper()
	again := oteltest.Start(w.t)
	for i := range 2 {
		r := rosey(w.t, "", "replay", "--since", "1h", "--export-otlp", again.HTTP, "--store", w.store)
		var spans, traces int
		if _, err := fmt.Sscanf(r.stdout, "sent %d spans of %d traces", &spans, &traces); err != nil || r.code != 0 || len(again.Spans()) != spans*(i+1) {
			w.t.Fatalf("%v: %d spans came, %+v", err, len(again.Spans()), r)
		}
	}
	all := again.Spans()
	first, second := all[:len(all)/2], all[len(all)/2:]
	live := map[string]oteltest.Span{}
	for _, s := range w.collector.Spans() {
		live[s.TraceID+s.SpanID] = s
	}
	for i, s := range first {
		if second[i].SpanID != s.SpanID || second[i].ParentID != s.ParentID || !second[i].Start.Equal(s.Start) || !second[i].End.Equal(s.End) {
			w.t.Errorf("%s is %+v at first and then %+v", s.Name, s, second[i])
		}
		if _, err := oteltest.TreeOf(first, s.TraceID); err != nil {
			w.t.Fatal(err)
		}
		l, ok := live[s.TraceID+s.SpanID]
		if !ok && !slices.Contains(madeUp, s.Name) {
			w.t.Errorf("%s %s was made up: %v", s.SpanID, s.Name, s.Attributes)
		}
		if stream, _ := streams.For(fmt.Sprint(l.Attributes["messaging.destination.name"])); stream.NoAck {
			l.Status = s.Status // replies are not stored
		}
		if ok && l.Service != "afar" && (l.Name != s.Name || l.ParentID != s.ParentID || l.Kind != s.Kind || l.Status != s.Status) {
			w.t.Errorf("%s of kind %v below %s with status %v was rebuilt as %s of kind %v below %s with status %v",
				l.Name, l.Kind, l.ParentID, l.Status, s.Name, s.Kind, s.ParentID, s.Status)
		}
	}
}

// testPlugins are those that the shipped ones are too good for.
func testPlugins() []plugins.Plugin {
	say := func(c *plugins.Context) ([]event.Envelope, error) { return c.Say("done"), nil }
	return []plugins.Plugin{{
		Name: "trial", Version: "1.0.0",
		Start: func(c *plugins.Context) error {
			_, err := c.DB("trial").Add(map[string]any{"started": true})
			return errors.Join(err, c.Publish(c.Emit("started", nil)...))
		},
		Commands: []plugins.Command{
			{Name: "flaky", Handle: func(c *plugins.Context) ([]event.Envelope, error) {
				if c.Event.Attempt == 1 {
					return nil, event.Errorf(event.DatabaseError, "not yet")
				}
				return c.Say("done"), nil
			}},
			{Name: "broken", Handle: func(*plugins.Context) ([]event.Envelope, error) { panic("no") }},
			{Name: "secret", MinRank: 3, Handle: say},
			{Name: "wrong", Handle: func(*plugins.Context) ([]event.Envelope, error) {
				return nil, event.Errorf(event.InvalidInput, "that is wrong")
			}},
			{Name: "ask", Handle: func(c *plugins.Context) ([]event.Envelope, error) {
				_, err := c.Request(event.RequestSubject("trial"), map[string]any{"what": c.Command.Args[0]})
				if err != nil {
					return nil, err
				}
				return c.Say("done"), nil
			}},
			{Name: "later", Handle: func(c *plugins.Context) ([]event.Envelope, error) {
				return nil, c.After(time.Second, "t", "ring", nil)
			}},
		},
		Requests: []plugins.Endpoint{{Handle: func(c *plugins.Context) (any, error) {
			var q struct{ What string }
			if err := c.Decode(&q); err != nil {
				return nil, err
			}
			if q.What != "good" {
				return nil, event.Errorf(event.PluginError, "I will not")
			}
			return map[string]any{"success": true}, nil
		}}},
		Events: []plugins.Subscription{{Subject: event.EventSubject("trial", "ring"), Handle: say}},
	}}
}

const answered = `
	send cytube.chat [producer rosey]
		process cytube.chat [consumer rosey]
			send plugin.{name}.command [producer rosey]
				process plugin.{name}.command [consumer SERVICE]
					send cytube.send.chat [producer SERVICE]
						process cytube.send.chat [consumer rosey]
							send cytube.chat [producer rosey]
								process cytube.chat [consumer rosey]
`

func TestTraces(t *testing.T) {
	t.Parallel()
	w := startTraced(t, "grpc", "--plugins", "dice-roller,quote-db")
	w.host("rosey-plugin-trial", testPlugins()...)
	w.wholeChain()
	w.databaseRequests()
	w.ownProcess()
	w.failedAttempts()
	w.timersAndStarts()
	w.wellFormed()
	w.rebuilt()
}

// wholeChain compares each span of a command that is answered.
func (w *traced) wholeChain() {
	w.t.Helper()
	id := w.conversation("!roll 2d6")
	got := w.tree(id, strings.ReplaceAll(answered, "SERVICE", "rosey"))
	for name, want := range map[string]map[string]any{
		"send plugin.{name}.command": {
			"messaging.operation.type": "send", "messaging.operation.name": "send", "rosey.event.source": "router",
			"messaging.destination.name": "plugin.dice-roller.command", "messaging.destination.template": "plugin.{name}.command",
		},
		"process plugin.{name}.command": {
			"messaging.operation.type": "process", "messaging.destination.subscription.name": "plugin-dice-roller",
			"rosey.delivery.attempt": int64(1), "rosey.outcome": consumers.Handled,
		},
		"process cytube.send.chat": {"messaging.destination.subscription.name": "cytube-sender"},
	} {
		span := got.Find(name)
		want["messaging.system"], want["messaging.message.conversation_id"] = "nats", id
		for k, v := range want {
			if span.Attributes[k] != v {
				w.t.Errorf("%s: %s is %v, want %v", name, k, span.Attributes[k], v)
			}
		}
	}
	sent, processed := got.Find("send plugin.{name}.command"), got.Find("process plugin.{name}.command")
	if wait, ok := processed.Attributes["rosey.queue.wait"].(float64); !ok || wait < 0 || wait > 60 {
		w.t.Errorf("rosey.queue.wait is %v", processed.Attributes["rosey.queue.wait"])
	}
	if ref := sent.Attributes["messaging.message.id"]; ref != processed.Attributes["messaging.message.id"] || !strings.HasPrefix(fmt.Sprint(ref), "PLUGIN:") {
		w.t.Errorf("the command is message %v when it is sent and %v when it is processed", ref, processed.Attributes["messaging.message.id"])
	}
}

// databaseRequests compares the spans of requests to the database.
func (w *traced) databaseRequests() {
	w.t.Helper()
	w.tree(w.conversation("!quote add to be or not to be"), `
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
	got := w.tree(w.conversation("!quote 999"), `
		send cytube.chat [producer rosey]
			process cytube.chat [consumer rosey]
				send plugin.{name}.command [producer rosey]
					process plugin.{name}.command [consumer rosey] ERROR
						send database.get [client rosey] ERROR
							process database.get [server rosey] ERROR
						send cytube.send.chat [producer rosey]
							process cytube.send.chat [consumer rosey]
								send cytube.chat [producer rosey]
									process cytube.chat [consumer rosey]
	`)
	wantError(w.t, got, string(event.RecordNotFound), "process plugin.{name}.command", "send database.get", "process database.get")
}

// ownProcess compares the spans of a plugin in a process of its own.
func (w *traced) ownProcess() {
	w.t.Helper()
	w.tree(w.conversation("!ask good"), `
		send cytube.chat [producer rosey]
			process cytube.chat [consumer rosey]
				send plugin.{name}.command [producer rosey]
					process plugin.{name}.command [consumer rosey-plugin-trial]
						send plugin.{name}.request [client rosey-plugin-trial]
							process plugin.{name}.request [server rosey-plugin-trial]
						send cytube.send.chat [producer rosey-plugin-trial]
							process cytube.send.chat [consumer rosey]
								send cytube.chat [producer rosey]
									process cytube.chat [consumer rosey]
	`)
	got := w.tree(w.conversation("!ask bad"), `
		send cytube.chat [producer rosey]
			process cytube.chat [consumer rosey]
				send plugin.{name}.command [producer rosey]
					process plugin.{name}.command [consumer rosey-plugin-trial] ERROR
						send plugin.{name}.request [client rosey-plugin-trial] ERROR
							process plugin.{name}.request [server rosey-plugin-trial] ERROR
						send cytube.send.chat [producer rosey-plugin-trial]
							process cytube.send.chat [consumer rosey]
								send cytube.chat [producer rosey]
									process cytube.chat [consumer rosey]
	`)
	wantError(w.t, got, string(event.PluginError), "process plugin.{name}.command", "send plugin.{name}.request", "process plugin.{name}.request")
}

// failedAttempts compares the spans of attempts that failed: each has its own.
func (w *traced) failedAttempts() {
	w.t.Helper()
	got := w.tree(w.conversation("!flaky"), `
		send cytube.chat [producer rosey]
			process cytube.chat [consumer rosey]
				send plugin.{name}.command [producer rosey]
					process plugin.{name}.command [consumer rosey-plugin-trial] ERROR
						send cytube.send.chat [producer rosey-plugin-trial]
							process cytube.send.chat [consumer rosey]
								send cytube.chat [producer rosey]
									process cytube.chat [consumer rosey]
					process plugin.{name}.command [consumer rosey-plugin-trial]
						send cytube.send.chat [producer rosey-plugin-trial]
							process cytube.send.chat [consumer rosey]
								send cytube.chat [producer rosey]
									process cytube.chat [consumer rosey]
	`)
	attempts := got.Find("send plugin.{name}.command").Children
	for i, outcome := range []string{consumers.Retried, consumers.Handled} {
		if a := attempts[i].Attributes; a["rosey.delivery.attempt"] != int64(i+1) || a["rosey.outcome"] != outcome {
			w.t.Errorf("attempt %d: %v", i+1, a)
		}
	}
	wantError(w.t, got, string(event.DatabaseError), "process plugin.{name}.command")

	got = w.tree(w.conversation("!broken"), `
		send cytube.chat [producer rosey]
			process cytube.chat [consumer rosey]
				send plugin.{name}.command [producer rosey]
					process plugin.{name}.command [consumer rosey-plugin-trial] ERROR
						send cytube.send.chat [producer rosey-plugin-trial]
							process cytube.send.chat [consumer rosey]
								send cytube.chat [producer rosey]
									process cytube.chat [consumer rosey]
					process plugin.{name}.command [consumer rosey-plugin-trial] ERROR
						send plugin.{name}.event.dead_letter [producer rosey-plugin-trial]
						send cytube.send.chat [producer rosey-plugin-trial]
							process cytube.send.chat [consumer rosey]
								send cytube.chat [producer rosey]
									process cytube.chat [consumer rosey]
	`)
	wantError(w.t, got, string(event.PluginError), "process plugin.{name}.command")

	got = w.tree(w.conversation("alice: !secret"), `
		send cytube.chat [producer rosey]
			process cytube.chat [consumer rosey] ERROR
				send plugin.{name}.event.denied [producer rosey]
				send cytube.send.chat [producer rosey]
					process cytube.send.chat [consumer rosey]
						send cytube.chat [producer rosey]
							process cytube.chat [consumer rosey]
	`)
	wantError(w.t, got, string(event.PermissionDenied), "process cytube.chat")

	got = w.tree(w.conversation("!wrong"), strings.Replace(strings.ReplaceAll(answered, "SERVICE", "rosey-plugin-trial"),
		"process plugin.{name}.command [consumer rosey-plugin-trial]", "process plugin.{name}.command [consumer rosey-plugin-trial] ERROR", 1))
	wantError(w.t, got, string(event.InvalidInput), "process plugin.{name}.command")
}

// timersAndStarts compares what a timer causes later, and a plugin's start, which is one trace.
func (w *traced) timersAndStarts() {
	w.t.Helper()
	w.tree(w.conversation("!later"), `
		send cytube.chat [producer rosey]
			process cytube.chat [consumer rosey]
				send plugin.{name}.command [producer rosey]
					process plugin.{name}.command [consumer rosey-plugin-trial]
						send plugin.{name}.event.ring [producer rosey-plugin-trial]
							process plugin.{name}.event.ring [consumer rosey-plugin-trial]
								send cytube.send.chat [producer rosey-plugin-trial]
									process cytube.send.chat [consumer rosey]
										send cytube.chat [producer rosey]
											process cytube.chat [consumer rosey]
	`)

	// A plugin's start is one trace, whatever it does.
	w.tree(w.stored(event.EventSubject("trial", "started"), "").CorrelationID, `
		send database.set [client rosey-plugin-trial]
			process database.set [server rosey]
			send plugin.{name}.event.started [producer rosey-plugin-trial]
	`)
}

func wantError(t *testing.T, tree *oteltest.Tree, code string, names ...string) {
	t.Helper()
	for _, name := range names {
		s := tree.Find(name)
		if s.Status != codes.Error || s.Attributes["error.type"] != code || s.Message == "" {
			t.Errorf("%s: status %v %q, error.type %v, want %s", name, s.Status, s.Message, s.Attributes["error.type"], code)
		}
	}
}

// foreign is a plugin in another language: it knows NATS and the contract, and
// nothing else of ours. What it passes on is up to reply.
func (w *traced) foreign(name string, reply func(in *nats.Msg, command event.Envelope) *nats.Msg) {
	w.t.Helper()
	kv, err := w.js.KeyValue(w.ctx, router.Bucket)
	if err == nil {
		_, err = kv.PutString(w.ctx, name, fmt.Sprintf(`{"name":%q,"version":"1","commands":[%[1]q]}`, name))
	}
	if err != nil {
		w.t.Fatal(err)
	}
	sub, err := w.nc.Subscribe(event.CommandSubject(name), func(in *nats.Msg) {
		command, err := event.Decode(in.Subject, in.Data)
		if err == nil {
			err = w.nc.PublishMsg(reply(in, command))
		}
		if err != nil {
			w.t.Error(err)
		}
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = sub.Unsubscribe() })
}

func body(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

var hello = map[string]any{"message": "done"}

func TestTracesOfForeignPublishers(t *testing.T) {
	t.Parallel()
	w := startTraced(t, "http/json", "--plugins", "dice-roller,quote-db")
	w.host("rosey-plugin-trial", testPlugins()...)
	w.foreignPlugins()
	w.foundByWhatTheyName()
	w.begunByOthers()
	w.begunWithSpans()
	w.wellFormed()
	// The span named afar is its publisher's own, and is rebuilt as what it did.
	w.rebuilt("send cytube.send.chat", "send database.get", "send database.collections")
}

// foreignPlugins answer commands, each naming the conversation in its own way.
func (w *traced) foreignPlugins() {
	w.t.Helper()
	envelope := func(correlation string, meta map[string]any) []byte {
		return body(map[string]any{"subject": event.SubjectSendChat, "data": hello, "correlation_id": correlation, "metadata": meta})
	}
	w.foreign("by-correlation", func(_ *nats.Msg, c event.Envelope) *nats.Msg {
		return &nats.Msg{Subject: event.SubjectSendChat, Data: envelope(c.CorrelationID, nil)}
	})
	w.foreign("by-cause", func(_ *nats.Msg, c event.Envelope) *nats.Msg {
		ref := w.stored(event.CommandSubject("by-cause"), "").Ref
		return &nats.Msg{Subject: event.SubjectSendChat, Data: envelope(c.CorrelationID, map[string]any{"causation_id": ref.String(), "source": "by-cause"})}
	})
	w.foreign("by-traceparent", func(in *nats.Msg, _ event.Envelope) *nats.Msg {
		return &nats.Msg{Subject: event.SubjectSendChat, Data: body(hello), Header: nats.Header{"Traceparent": {in.Header.Get("traceparent")}}}
	})
	const other = "00-11111111111111111111111111111111-2222222222222222-01"
	w.foreign("by-both", func(_ *nats.Msg, c event.Envelope) *nats.Msg {
		return &nats.Msg{Subject: event.SubjectSendChat, Data: envelope(c.CorrelationID, nil), Header: nats.Header{"traceparent": {other}}}
	})
	w.foreign("by-request", func(_ *nats.Msg, c event.Envelope) *nats.Msg {
		return &nats.Msg{Subject: event.SubjectGet, Reply: w.nc.NewRespInbox(),
			Data: body(map[string]any{"subject": event.SubjectGet, "data": map[string]any{"collection": "c", "id": 1}, "correlation_id": c.CorrelationID})}
	})
}

// foundByWhatTheyName looks where in the tree what they published is found.
func (w *traced) foundByWhatTheyName() {
	w.t.Helper()
	// Who names the conversation alone is found at its beginning…
	const underTheFirst = `
		send cytube.chat [producer rosey]
			process cytube.chat [consumer rosey]
				send plugin.{name}.command [producer rosey]
			send cytube.send.chat [producer rosey]
				process cytube.send.chat [consumer rosey]
					send cytube.chat [producer rosey]
						process cytube.chat [consumer rosey]
	`
	w.tree(w.conversation("!by-correlation"), underTheFirst)
	// …who names the cause as well is found there…
	w.tree(w.conversation("!by-cause"), `
		send cytube.chat [producer rosey]
			process cytube.chat [consumer rosey]
				send plugin.{name}.command [producer rosey]
					send cytube.send.chat [producer rosey]
						process cytube.send.chat [consumer rosey]
							send cytube.chat [producer rosey]
								process cytube.chat [consumer rosey]
	`)
	// …and who passes the traceparent on needs no span made for it.
	w.tree(w.conversation("!by-traceparent"), `
		send cytube.chat [producer rosey]
			process cytube.chat [consumer rosey]
				send plugin.{name}.command [producer rosey]
					process cytube.send.chat [consumer rosey]
						send cytube.chat [producer rosey]
							process cytube.chat [consumer rosey]
	`)
	got := w.tree(w.conversation("!by-both"), underTheFirst)
	for _, name := range []string{"send cytube.send.chat", "process cytube.send.chat"} {
		if links := got.Find(name).Links; len(links) != 1 || links[0].SpanID != "2222222222222222" {
			w.t.Errorf("%s has links %v", name, links)
		}
	}
	w.tree(w.conversation("!by-request"), `
		send cytube.chat [producer rosey]
			process cytube.chat [consumer rosey]
				send plugin.{name}.command [producer rosey]
			process database.get [server rosey] ERROR
	`)
}

// begunByOthers publishes what begins conversations.
func (w *traced) begunByOthers() {
	w.t.Helper()
	// Conversations that others begin, here without any ID, as from the NATS CLI…
	spoken := `
		send cytube.send.chat [producer rosey]
			process cytube.send.chat [consumer rosey]
				send cytube.chat [producer rosey]
					process cytube.chat [consumer rosey]
	`
	w.publish(event.SubjectSendChat, nil, body(map[string]any{"message": "from afar"}))
	w.tree(w.stored(event.SubjectChat, "from afar").CorrelationID, spoken)
	// …with an ID that is no UUID, which another process goes on with…
	command := func(correlation string) []byte {
		return body(map[string]any{"subject": event.CommandSubject("trial"), "correlation_id": correlation,
			"data": event.Command{Command: "flaky", Args: []string{}, User: "alice", Channel: "local"}})
	}
	w.publish(event.CommandSubject("trial"), nil, command("order 66"))
	w.tree("order 66", `
		send plugin.{name}.command [producer rosey-plugin-trial]
			process plugin.{name}.command [consumer rosey-plugin-trial] ERROR
				send cytube.send.chat [producer rosey-plugin-trial]
					process cytube.send.chat [consumer rosey]
						send cytube.chat [producer rosey]
							process cytube.chat [consumer rosey]
			process plugin.{name}.command [consumer rosey-plugin-trial]
				send cytube.send.chat [producer rosey-plugin-trial]
					process cytube.send.chat [consumer rosey]
						send cytube.chat [producer rosey]
							process cytube.chat [consumer rosey]
	`)
	// …in two events, of which the second is handled by a process that has not
	// met the first…
	w.publish(event.SubjectSendChat, nil, body(map[string]any{"subject": event.SubjectSendChat, "data": map[string]any{"message": "one of two"}, "correlation_id": "two of them"}))
	w.stored(event.SubjectChat, "one of two")
	w.publish(event.CommandSubject("trial"), nil, command("two of them"))
	w.tree("two of them", `
		send cytube.send.chat [producer rosey]
			process cytube.send.chat [consumer rosey]
				send cytube.chat [producer rosey]
					process cytube.chat [consumer rosey]
			send plugin.{name}.command [producer rosey-plugin-trial]
				process plugin.{name}.command [consumer rosey-plugin-trial] ERROR
					send cytube.send.chat [producer rosey-plugin-trial]
						process cytube.send.chat [consumer rosey]
							send cytube.chat [producer rosey]
								process cytube.chat [consumer rosey]
				process plugin.{name}.command [consumer rosey-plugin-trial]
					send cytube.send.chat [producer rosey-plugin-trial]
						process cytube.send.chat [consumer rosey]
							send cytube.chat [producer rosey]
								process cytube.chat [consumer rosey]
	`)
}

// begunWithSpans publishes with a span, requests, and publishes what is malformed.
func (w *traced) begunWithSpans() {
	w.t.Helper()
	// …with a span of their own, of which they tell the collector themselves…
	tel, err := telemetry.Setup(w.ctx, telemetry.Config{Service: "afar", Exporter: w.collector.Exporter(w.t, "grpc")})
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, span := tel.Tracer("").Start(w.ctx, "afar")
	header := nats.Header{}
	propagation.Inject(ctx, header)
	w.publish(event.SubjectSendChat, header, body(hello))
	span.End()
	if err := tel.Shutdown(w.ctx); err != nil {
		w.t.Fatal(err)
	}
	w.tree(span.SpanContext().TraceID().String(), `
		afar [internal afar]
			process cytube.send.chat [consumer rosey]
				send cytube.chat [producer rosey]
					process cytube.chat [consumer rosey]
	`)
	// …and requests, the span of whose answer is all there is.
	reply, err := w.nc.RequestWithContext(w.ctx, event.SubjectCollections, []byte(`{}`))
	if err != nil || !strings.Contains(string(reply.Data), `"success":true`) {
		w.t.Fatalf("%v: %s", err, reply.Data)
	}
	// A malformed event belongs to a conversation of its own.
	malformed := w.publish(event.CommandSubject("trial"), nil, []byte(`{"nonsense":true}`))
	w.tree(malformed.CorrelationID, `
		send plugin.{name}.command [producer rosey-plugin-trial]
			process plugin.{name}.command [consumer rosey-plugin-trial] ERROR
				send plugin.{name}.event.dead_letter [producer rosey-plugin-trial]
	`)
}

// publish stores a message as others do, and returns it as it is read.
func (w *traced) publish(subject string, header nats.Header, data []byte) streams.Stored {
	w.t.Helper()
	ack, err := w.js.PublishMsg(w.ctx, &nats.Msg{Subject: subject, Header: header, Data: data})
	if err != nil {
		w.t.Fatal(err)
	}
	stream, err := w.js.Stream(w.ctx, ack.Stream)
	if err != nil {
		w.t.Fatal(err)
	}
	raw, err := stream.GetMsg(w.ctx, ack.Sequence)
	if err != nil {
		w.t.Fatal(err)
	}
	s, _ := streams.ReadRaw(ack.Stream, raw)
	return s
}
