package cmd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

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

// startTraced has a bot run in its local channel.
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
	_, text, _ := strings.Cut(line, "!") // after who says it
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
	export := func() []oteltest.Span {
		before := len(again.Spans())
		r := rosey(w.t, "", "replay", "--since", "1h", "--export-otlp", again.HTTP, "--store", w.store)
		came := again.Spans()[before:]
		var spans, traces int
		if _, err := fmt.Sscanf(r.stdout, "sent %d spans of %d traces", &spans, &traces); err != nil || r.code != 0 || len(came) != spans {
			w.t.Fatalf("%v: %d spans came, %+v", err, len(came), r)
		}
		return came
	}
	first, second := export(), export()
	for len(first) != len(second) && w.ctx.Err() == nil { // the bot has gone on meanwhile
		first, second = second, export()
	}
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

// flakyAttempts are the spans of the command flaky of testPlugins, so many tabs deep: an
// attempt that fails, which its user hears of, and one that answers.
func flakyAttempts(depth int) string {
	return strings.ReplaceAll(`
process plugin.{name}.command [consumer rosey-plugin-trial] ERROR
	send cytube.send.chat [producer rosey-plugin-trial]
		process cytube.send.chat [consumer rosey]
			send cytube.chat [producer rosey]
				process cytube.chat [consumer rosey]
process plugin.{name}.command [consumer rosey-plugin-trial]
	send cytube.send.chat [producer rosey-plugin-trial]
		process cytube.send.chat [consumer rosey]
			send cytube.chat [producer rosey]
				process cytube.chat [consumer rosey]`, "\n", "\n"+strings.Repeat("\t", depth))
}
