package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nats.go/micro"

	"github.com/rosey-bot/rosey/consumers"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/kvstore"
	"github.com/rosey-bot/rosey/kvstore/service"
	"github.com/rosey-bot/rosey/replay"
	"github.com/rosey-bot/rosey/streams"
)

var usualLine = strings.Repeat("words ", 12)

// chatLine returns a chat line's event, about 300 bytes with the usual line, and its body.
func chatLine(message string) (event.Envelope, []byte) {
	return envelope(event.SubjectChat, event.Chat{User: "alice", Message: message, Channel: "bench", Rank: 1, Time: 1732645200000})
}

func envelope(subject string, payload any) (event.Envelope, []byte) {
	e := must(event.New(subject, payload))
	e.CorrelationID = event.NewCorrelationID()
	return e, must(e.MarshalJSON())
}

// measurePublish has several publishers at once, each waiting for its acknowledgements, as the Bus returns no sooner.
func measurePublish(publishers int) func(*bench) (float64, float64) {
	return func(b *bench) (ours, raw float64) {
		on := b.node(b.tempDir())
		e, body := chatLine(usualLine)
		concurrently := func(publish func(int) error) func(int) error {
			return func(n int) error {
				done := make(chan error, publishers)
				for range publishers {
					go func() { done <- repeat(publish)(max(n/publishers, 1)) }()
				}
				return repeat(func(int) error { return <-done })(publishers)
			}
		}
		return inTurn(b.n,
			concurrently(func(int) error { _, err := on.bus.Publish(b.ctx, e); return err }),
			concurrently(func(int) error { _, err := on.bare.Publish(b.ctx, e.Subject, body); return err }))
	}
}

// serve starts a micro service with one endpoint.
func (b *bench) serve(nc *nats.Conn, subject string, h micro.Handler) {
	svc := must(micro.AddService(nc, micro.Config{Name: "bench", Version: "1.0.0"}))
	b.onCleanup(svc.Stop)
	check(svc.AddEndpoint("bench", h, micro.WithEndpointSubject(subject)))
}

func measureRequest(b *bench) (ours, raw float64) {
	on := b.node(b.tempDir())
	reply := json.RawMessage(`{"success":true,"quote":{"id":42,"text":"Hello, world!","user":"alice"}}`)
	b.serve(on.bus.Conn(), "plugin.ours.request", on.bus.Service(b.ctx, func(context.Context, event.Envelope) (any, error) { return reply, nil }))
	b.serve(on.bare.Conn(), "plugin.raw.request", micro.HandlerFunc(func(r micro.Request) { _ = r.Respond(reply) }))
	payload := map[string]any{"action": "random", "channel": "main"}
	body := must(event.Encode(payload))
	return inTurn(b.n,
		repeat(func(int) error { _, err := on.bus.Request(b.ctx, "plugin.ours.request", payload); return err }),
		repeat(func(int) error {
			_, err := on.bare.Conn().RequestWithContext(b.ctx, "plugin.raw.request", body)
			return err
		}))
}

// publishAll stores n messages without waiting for each acknowledgement.
func (b *bench) publishAll(js jetstream.JetStream, n int, msg func(i int) *nats.Msg) {
	for i := range n {
		must(js.PublishMsgAsync(msg(i), jetstream.WithStallWait(10*time.Second)))
	}
	select {
	case <-js.PublishAsyncComplete():
	case <-b.ctx.Done():
		check(b.ctx.Err())
	}
}

func (b *bench) fillWithChat(js jetstream.JetStream, n int) {
	e, body := chatLine(usualLine)
	b.publishAll(js, n, func(int) *nats.Msg { return &nats.Msg{Subject: e.Subject, Data: body} })
}

// measureConsume reads with a durable consumer and acknowledges each event.
func measureConsume(b *bench) (ours, raw float64) {
	on := b.node(b.tempDir())
	b.fillWithChat(on.bare, b.n)
	ourRounds, rawRounds := 0, 0
	return inTurn(b.n, func(n int) error {
		ourRounds++
		ctx, cancel := context.WithCancel(b.ctx)
		defer cancel()
		handled := 0
		cfg := consumers.Config{Durable: fmt.Sprintf("ours-%d", ourRounds), Stream: streams.Cytube, Name: "bench",
			Observe: func(consumers.Outcome) {
				if handled++; handled == n {
					cancel()
				}
			}}
		err := consumers.Run(ctx, on.bus, cfg, func(context.Context, streams.Stored) ([]event.Envelope, error) { return nil, nil })
		if handled >= n && errors.Is(err, context.Canceled) {
			return nil
		}
		return err
	}, func(n int) error {
		rawRounds++
		messages := b.rawConsumer(on.bare, fmt.Sprintf("raw-%d", rawRounds), streams.Cytube, "")
		defer messages.Stop()
		return repeat(func(int) error {
			msg, err := rawNext(messages)
			if err != nil {
				return err
			}
			return msg.Ack()
		})(n)
	})
}

func (b *bench) rawConsumer(js jetstream.JetStream, durable, stream, filter string) jetstream.MessagesContext {
	return must(streams.PullOne(must(js.CreateConsumer(b.ctx, stream, jetstream.ConsumerConfig{
		Durable: durable, FilterSubject: filter, AckPolicy: jetstream.AckExplicitPolicy, MaxAckPending: 1000,
	}))))
}

// rawNext waits for the next message, also when the server lost the request for it.
func rawNext(messages jetstream.MessagesContext) (jetstream.Msg, error) {
	for {
		if msg, err := messages.Next(); !errors.Is(err, jetstream.ErrNoHeartbeat) {
			return msg, err
		}
	}
}

func measureReplay(b *bench) (ours, raw float64) {
	on := b.node(b.tempDir())
	stored := b.n * 2
	b.fillWithChat(on.bare, stored)
	return inTurn(stored*rounds, func(n int) error {
		seen := 0
		for _, err := range replay.Read(b.ctx, on.bus.JetStream(), replay.Query{Filter: replay.Filter{Subjects: []string{event.AllCytube}}}) {
			if err != nil {
				return err
			}
			seen++
		}
		if seen != n {
			return fmt.Errorf("read %d of %d events", seen, n)
		}
		return nil
	}, func(n int) error {
		c := must(on.bare.OrderedConsumer(b.ctx, streams.Cytube, jetstream.OrderedConsumerConfig{FilterSubjects: []string{event.AllCytube}}))
		messages := must(c.Messages())
		defer messages.Stop()
		return repeat(func(int) error { _, err := messages.Next(); return err })(n)
	})
}

// measureStoredSize is the bytes that a chat line takes in the store: as the bot's event, and as its bare payload.
func measureStoredSize(b *bench) (ours, raw float64) {
	on := b.node(b.tempDir())
	e, _ := chatLine(usualLine)
	const lines = 1000
	bytes := func(publish func(int) error) float64 {
		stream := must(on.bare.Stream(b.ctx, streams.Cytube))
		before := stream.CachedInfo().State.Bytes
		check(repeat(publish)(lines))
		return float64(must(stream.Info(b.ctx)).State.Bytes-before) / lines
	}
	return bytes(func(int) error { _, err := on.bus.Publish(b.ctx, e); return err }),
		bytes(func(int) error { _, err := on.bare.Publish(b.ctx, e.Subject, e.Data); return err })
}

const records = 100 // in the database

var record = json.RawMessage(`{"text":"Hello, world! A quote of middling length, as people write them.","user":"alice","timestamp":1732645200}`)

// rawDatabase is what a bare micro service does on nats.go's KV.
type rawDatabase func(kv jetstream.KeyValue, id string, data []byte) (reply any, err error)

// serve handles a request to the bare service.
func (d rawDatabase) serve(kv jetstream.KeyValue) micro.HandlerFunc {
	return func(r micro.Request) {
		var req struct {
			Collection string          `json:"collection"`
			ID         int             `json:"id"`
			Data       json.RawMessage `json:"data"`
		}
		reply, err := any(nil), json.Unmarshal(r.Data(), &req)
		if err == nil {
			reply, err = d(kv, fmt.Sprint(req.ID), req.Data)
		}
		if err != nil {
			_ = r.Error("500", err.Error(), nil)
			return
		}
		_ = r.RespondJSON(reply)
	}
}

// measureDatabase makes requests to the database service, and the same ones to the bare service.
func measureDatabase(b *bench, subject string, bare rawDatabase, payload func(id int) any) (ours, raw float64) {
	on := b.node(b.tempDir())
	db := service.New(on.bus.Conn(), must(kvstore.NewStore(on.bus.JetStream())), service.Options{})
	check(db.Start())
	b.onCleanup(db.Stop)
	kv := must(on.bare.CreateKeyValue(b.ctx, jetstream.KeyValueConfig{Bucket: "raw", History: 10}))
	b.serve(on.bare.Conn(), "plugin.rawdb.request", bare.serve(kv))
	var bodies [records][]byte
	for i := range records {
		bodies[i] = must(json.Marshal(payload(i)))
		must(on.bus.Request(b.ctx, event.SubjectSet, setRequest(i)))
		must(kv.Put(b.ctx, fmt.Sprint(i), record))
	}
	return inTurn(b.n,
		repeat(func(i int) error { _, err := on.bus.Request(b.ctx, subject, payload(i%records)); return err }),
		repeat(func(i int) error {
			_, err := on.bare.Conn().RequestWithContext(b.ctx, "plugin.rawdb.request", bodies[i%records])
			return err
		}))
}

func setRequest(id int) any {
	return event.Set{Collection: "bench", ID: event.IntID(int64(id)), Data: record}
}

func measureSet(b *bench) (ours, raw float64) {
	return measureDatabase(b, event.SubjectSet, func(kv jetstream.KeyValue, id string, data []byte) (any, error) {
		_, err := kv.Put(b.ctx, id, data)
		return map[string]any{"success": true, "id": id, "error": nil}, err
	}, setRequest)
}

func measureGet(b *bench) (ours, raw float64) {
	return measureDatabase(b, event.SubjectGet, func(kv jetstream.KeyValue, id string, _ []byte) (any, error) {
		entry, err := kv.Get(b.ctx, id)
		if err != nil {
			return nil, err
		}
		return map[string]any{"success": true, "data": json.RawMessage(entry.Value()), "error": nil}, nil
	}, func(id int) any { return event.Get{Collection: "bench", ID: event.IntID(int64(id))} })
}
