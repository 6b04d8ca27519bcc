package streams_test

import (
	"context"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// BenchmarkPublish holds the Bus against a bare PublishMsg of the same body and
// headers.
func BenchmarkPublish(b *testing.B) {
	ctx := streamstest.Context(b)
	bus := streamstest.Bus(b, streamstest.Server(b))
	e, err := event.New(event.SubjectChat, event.Chat{User: "alice", Message: strings.Repeat("words ", 25), Channel: "main", Time: 1732645200000})
	if err != nil {
		b.Fatal(err)
	}
	e.CorrelationID = event.NewCorrelationID()
	body, err := e.MarshalJSON()
	if err != nil {
		b.Fatal(err)
	}
	b.Run("raw", func(b *testing.B) {
		for b.Loop() {
			msg := &nats.Msg{Subject: e.Subject, Data: body, Header: nats.Header{"Rosey-Correlation-Id": {e.CorrelationID}}}
			if _, err := bus.JetStream().PublishMsg(ctx, msg); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("bare", func(b *testing.B) {
		for b.Loop() {
			if _, err := bus.JetStream().Publish(ctx, e.Subject, body); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("bus", func(b *testing.B) {
		for b.Loop() {
			if _, err := bus.Publish(b.Context(), e); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkRequest holds the Bus and its micro endpoint against a bare request.
func BenchmarkRequest(b *testing.B) {
	ctx := streamstest.Context(b)
	bus := streamstest.Bus(b, streamstest.Server(b))
	reply := []byte(`{"success":true}`)
	svc, err := micro.AddService(bus.Conn(), micro.Config{Name: "bench", Version: "1.0.0"})
	if err != nil {
		b.Fatal(err)
	}
	defer svc.Stop()
	for subject, handler := range map[string]micro.Handler{
		"plugin.raw.request": micro.HandlerFunc(func(r micro.Request) { _ = r.Respond(reply) }),
		"plugin.bus.request": bus.Service(b.Context(), func(context.Context, event.Envelope) (any, error) { return map[string]any{"success": true}, nil }),
	} {
		if err := svc.AddEndpoint(strings.ReplaceAll(subject, ".", "-"), handler, micro.WithEndpointSubject(subject)); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("raw", func(b *testing.B) {
		for b.Loop() {
			if _, err := bus.Conn().RequestWithContext(ctx, "plugin.raw.request", []byte(`{"action":"random"}`)); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("bus", func(b *testing.B) {
		for b.Loop() {
			if _, err := bus.Request(b.Context(), "plugin.bus.request", map[string]any{"action": "random"}); err != nil {
				b.Fatal(err)
			}
		}
	})
}
