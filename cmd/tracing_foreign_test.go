package cmd

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/telemetry"
	"github.com/rosey-bot/rosey/telemetry/propagation"
)

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
		send plugin.{name}.command [producer rosey-plugin-trial]`+flakyAttempts(3))
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
			send plugin.{name}.command [producer rosey-plugin-trial]`+flakyAttempts(4))
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
