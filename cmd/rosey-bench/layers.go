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
	"github.com/rosey-bot/rosey/replay"
	"github.com/rosey-bot/rosey/streams"
)

var usualLine = strings.Repeat("words ", 12)

// chatLine is a chat line's event, about 300 bytes with the usual line, and its body.
func chatLine(message string) (event.Envelope, []byte, error) {
	e, err := event.New(event.SubjectChat, event.Chat{User: "alice", Message: message, Channel: "bench", Rank: 1, Time: 1732645200000})
	if err != nil {
		return e, nil, err
	}
	e.CorrelationID = event.NewCorrelationID()
	body, err := e.MarshalJSON()
	return e, body, err
}

// measurePublish has several publishers at once, each waiting for its acknowledgements, as the Bus returns no sooner.
func measurePublish(publishers int) func(context.Context, *bench) (float64, float64, error) {
	return func(ctx context.Context, b *bench) (ours, raw float64, err error) {
		on, err := b.node(ctx)
		if err != nil {
			return 0, 0, err
		}
		e, body, err := chatLine(usualLine)
		if err != nil {
			return 0, 0, err
		}
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
			concurrently(func(int) error { _, err := on.bus.Publish(ctx, e); return err }),
			concurrently(func(int) error { _, err := on.bare.Publish(ctx, e.Subject, body); return err }))
	}
}

// serve starts a micro service with one endpoint.
func (b *bench) serve(nc *nats.Conn, subject string, h micro.Handler) error {
	svc, err := micro.AddService(nc, micro.Config{Name: "bench", Version: "1.0.0"})
	if err != nil {
		return fmt.Errorf("start a service: %w", err)
	}
	b.onCleanup(svc.Stop)
	return svc.AddEndpoint("bench", h, micro.WithEndpointSubject(subject))
}

func measureRequest(ctx context.Context, b *bench) (ours, raw float64, err error) {
	on, err := b.node(ctx)
	if err != nil {
		return 0, 0, err
	}
	reply := json.RawMessage(`{"success":true,"quote":{"id":42,"text":"Hello, world!","user":"alice"}}`)
	err = errors.Join(
		b.serve(on.bus.Conn(), "plugin.ours.request", on.bus.Service(ctx, func(context.Context, event.Envelope) (any, error) { return reply, nil })),
		b.serve(on.bare.Conn(), "plugin.raw.request", micro.HandlerFunc(func(r micro.Request) { _ = r.Respond(reply) })))
	if err != nil {
		return 0, 0, err
	}
	payload := map[string]any{"action": "random", "channel": "main"}
	body, err := event.Encode(payload)
	if err != nil {
		return 0, 0, err
	}
	return inTurn(b.n,
		repeat(func(int) error { _, err := on.bus.Request(ctx, "plugin.ours.request", payload); return err }),
		repeat(func(int) error {
			_, err := on.bare.Conn().RequestWithContext(ctx, "plugin.raw.request", body)
			return err
		}))
}

// publishAll stores n messages without waiting for each acknowledgement.
func publishAll(ctx context.Context, js jetstream.JetStream, n int, msg func(i int) (*nats.Msg, error)) error {
	err := repeat(func(i int) error {
		m, err := msg(i)
		if err != nil {
			return err
		}
		_, err = js.PublishMsgAsync(m, jetstream.WithStallWait(10*time.Second))
		return err
	})(n)
	if err != nil {
		return fmt.Errorf("fill a store: %w", err)
	}
	select {
	case <-js.PublishAsyncComplete():
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func fillWithChat(ctx context.Context, js jetstream.JetStream, n int) error {
	e, body, err := chatLine(usualLine)
	if err != nil {
		return err
	}
	return publishAll(ctx, js, n, func(int) (*nats.Msg, error) { return &nats.Msg{Subject: e.Subject, Data: body}, nil })
}

// measureConsume reads with a durable consumer and acknowledges each event.
func measureConsume(ctx context.Context, b *bench) (ours, raw float64, err error) {
	on, err := b.node(ctx)
	if err != nil {
		return 0, 0, err
	}
	if err := fillWithChat(ctx, on.bare, b.n); err != nil {
		return 0, 0, err
	}
	ourRounds, rawRounds := 0, 0
	return inTurn(b.n, func(n int) error {
		ourRounds++
		ctx, cancel := context.WithCancel(ctx)
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
		messages, err := rawConsumer(ctx, on.bare, fmt.Sprintf("raw-%d", rawRounds), streams.Cytube, "")
		if err != nil {
			return err
		}
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

func rawConsumer(ctx context.Context, js jetstream.JetStream, durable, stream, filter string) (jetstream.MessagesContext, error) {
	c, err := js.CreateConsumer(ctx, stream, jetstream.ConsumerConfig{
		Durable: durable, FilterSubject: filter, AckPolicy: jetstream.AckExplicitPolicy, MaxAckPending: 1000,
	})
	if err != nil {
		return nil, err
	}
	return streams.OneByOne(c)
}

// rawNext waits for the next message, also when the server lost the request for it.
func rawNext(messages jetstream.MessagesContext) (jetstream.Msg, error) {
	for {
		if msg, err := messages.Next(); !errors.Is(err, jetstream.ErrNoHeartbeat) {
			return msg, err
		}
	}
}

func measureReplay(ctx context.Context, b *bench) (ours, raw float64, err error) {
	on, err := b.node(ctx)
	if err != nil {
		return 0, 0, err
	}
	stored := b.n * 2
	if err := fillWithChat(ctx, on.bare, stored); err != nil {
		return 0, 0, err
	}
	return inTurn(stored*rounds, func(n int) error {
		seen := 0
		for _, err := range replay.Read(ctx, on.bus.JetStream(), replay.Query{Filter: replay.Filter{Subjects: []string{event.AllCytube}}}) {
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
		c, err := on.bare.OrderedConsumer(ctx, streams.Cytube, jetstream.OrderedConsumerConfig{FilterSubjects: []string{event.AllCytube}})
		if err != nil {
			return err
		}
		messages, err := c.Messages()
		if err != nil {
			return err
		}
		defer messages.Stop()
		return repeat(func(int) error { _, err := messages.Next(); return err })(n)
	})
}

// measureStoredSize is the bytes that a chat line takes in the store: as the bot's event, and as its bare payload.
func measureStoredSize(ctx context.Context, b *bench) (ours, raw float64, err error) {
	on, err := b.node(ctx)
	if err != nil {
		return 0, 0, err
	}
	e, _, err := chatLine(usualLine)
	if err != nil {
		return 0, 0, err
	}
	const lines = 1000
	bytes := func(publish func(int) error) (float64, error) {
		stream, err := on.bare.Stream(ctx, streams.Cytube)
		if err != nil {
			return 0, err
		}
		before := stream.CachedInfo().State.Bytes
		if err := repeat(publish)(lines); err != nil {
			return 0, err
		}
		info, err := stream.Info(ctx)
		if err != nil {
			return 0, err
		}
		return float64(info.State.Bytes-before) / lines, nil
	}
	if ours, err = bytes(func(int) error { _, err := on.bus.Publish(ctx, e); return err }); err != nil {
		return 0, 0, err
	}
	raw, err = bytes(func(int) error { _, err := on.bare.Publish(ctx, e.Subject, e.Data); return err })
	return ours, raw, err
}

const records = 100 // in the database

var record = json.RawMessage(`{"text":"Hello, world! A quote of middling length, as people write them.","user":"alice","timestamp":1732645200}`)

// measureDatabase makes requests to the database service, and the same ones to a bare micro service on nats.go's KV.
func measureDatabase(ctx context.Context, b *bench, subject string, rawOp func(kv jetstream.KeyValue, id string, data []byte) (any, error), payload func(id int) any) (ours, raw float64, err error) {
	on, err := b.node(ctx)
	if err != nil {
		return 0, 0, err
	}
	db, err := kvstore.New(on.bus.Conn(), on.bus.JetStream())
	if err != nil {
		return 0, 0, err
	}
	if err := db.Start(); err != nil {
		return 0, 0, err
	}
	b.onCleanup(db.Stop)
	kv, err := on.bare.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: "raw", History: 10})
	if err != nil {
		return 0, 0, err
	}
	err = b.serve(on.bare.Conn(), "plugin.rawdb.request", micro.HandlerFunc(func(r micro.Request) {
		var req struct {
			Collection string          `json:"collection"`
			ID         int             `json:"id"`
			Data       json.RawMessage `json:"data"`
		}
		reply, err := any(nil), json.Unmarshal(r.Data(), &req)
		if err == nil {
			reply, err = rawOp(kv, fmt.Sprint(req.ID), req.Data)
		}
		if err != nil {
			_ = r.Error("500", err.Error(), nil)
			return
		}
		_ = r.RespondJSON(reply)
	}))
	if err != nil {
		return 0, 0, err
	}
	var bodies [records][]byte
	err = repeat(func(i int) error {
		if bodies[i], err = json.Marshal(payload(i)); err != nil {
			return err
		}
		_, setErr := on.bus.Request(ctx, event.SubjectSet, setRequest(i))
		_, putErr := kv.Put(ctx, fmt.Sprint(i), record)
		return errors.Join(setErr, putErr)
	})(records)
	if err != nil {
		return 0, 0, err
	}
	return inTurn(b.n,
		repeat(func(i int) error { _, err := on.bus.Request(ctx, subject, payload(i%records)); return err }),
		repeat(func(i int) error {
			_, err := on.bare.Conn().RequestWithContext(ctx, "plugin.rawdb.request", bodies[i%records])
			return err
		}))
}

func setRequest(id int) any {
	return event.Set{Collection: "bench", ID: event.IntID(int64(id)), Data: record}
}

func measureSet(ctx context.Context, b *bench) (ours, raw float64, err error) {
	return measureDatabase(ctx, b, event.SubjectSet, func(kv jetstream.KeyValue, id string, data []byte) (any, error) {
		_, err := kv.Put(ctx, id, data)
		return map[string]any{"success": true, "id": id, "error": nil}, err
	}, setRequest)
}

func measureGet(ctx context.Context, b *bench) (ours, raw float64, err error) {
	return measureDatabase(ctx, b, event.SubjectGet, func(kv jetstream.KeyValue, id string, _ []byte) (any, error) {
		entry, err := kv.Get(ctx, id)
		if err != nil {
			return nil, err
		}
		return map[string]any{"success": true, "data": json.RawMessage(entry.Value()), "error": nil}, nil
	}, func(id int) any { return event.Get{Collection: "bench", ID: event.IntID(int64(id))} })
}
