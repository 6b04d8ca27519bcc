package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nats.go/micro"

	"github.com/rosey-bot/rosey/consumers"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/kvstore"
	"github.com/rosey-bot/rosey/replay"
	"github.com/rosey-bot/rosey/streams"
)

// chatEnvelope is a chat line of about 300 bytes in all.
func chatEnvelope(message string) (event.Envelope, error) {
	e, err := event.New(event.SubjectChat, event.Chat{User: "alice", Message: message, Channel: "bench", Rank: 1, Time: 1732645200000})
	e.CorrelationID = event.NewCorrelationID()
	return e, err
}

// benchPublish measures so many publishers at once, each waiting for its
// acknowledgements: the Bus returns no sooner.
func benchPublish(publishers int) func(context.Context, *bench) (float64, float64, error) {
	return func(ctx context.Context, b *bench) (ours, raw float64, err error) {
		on, err := b.node(ctx)
		if err != nil {
			return 0, 0, err
		}
		defer func() { err = errors.Join(err, on.stop()) }()
		e, err := chatEnvelope(strings.Repeat("words ", 12))
		if err != nil {
			return 0, 0, err
		}
		body, err := e.MarshalJSON()
		if err != nil {
			return 0, 0, err
		}
		each := func(publish func() error) func(int) error {
			return func(n int) error {
				failed := make(chan error, publishers)
				for range publishers {
					go func() {
						var err error
						for range max(n/publishers, 1) {
							err = cmp.Or(err, publish())
						}
						failed <- err
					}()
				}
				var err error
				for range publishers {
					err = cmp.Or(err, <-failed)
				}
				return err
			}
		}
		return inTurn(b.n, each(func() error {
			_, err := on.bus.Publish(ctx, e)
			return err
		}), each(func() error {
			_, err := on.bare.Publish(ctx, e.Subject, body)
			return err
		}))
	}
}

// service starts a micro service with the given endpoints, by subject.
func service(nc *nats.Conn, endpoints map[string]micro.Handler) (micro.Service, error) {
	svc, err := micro.AddService(nc, micro.Config{Name: "bench", Version: "1.0.0"})
	if err != nil {
		return nil, fmt.Errorf("start a service: %w", err)
	}
	for subject, h := range endpoints {
		if err := svc.AddEndpoint(strings.ReplaceAll(subject, ".", "-"), h, micro.WithEndpointSubject(subject)); err != nil {
			return nil, errors.Join(fmt.Errorf("start a service: %w", err), svc.Stop())
		}
	}
	return svc, nil
}

func benchRequest(ctx context.Context, b *bench) (ours, raw float64, err error) {
	on, err := b.node(ctx)
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, on.stop()) }()
	reply := json.RawMessage(`{"success":true,"quote":{"id":42,"text":"Hello, world!","user":"alice"}}`)
	ourService, err := service(on.bus.Conn(), map[string]micro.Handler{
		"plugin.ours.request": on.bus.Service(ctx, func(context.Context, event.Envelope) (any, error) { return reply, nil }),
	})
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, ourService.Stop()) }()
	rawService, err := service(on.bare.Conn(), map[string]micro.Handler{
		"plugin.raw.request": micro.HandlerFunc(func(r micro.Request) { _ = r.Respond(reply) }),
	})
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, rawService.Stop()) }()
	payload := map[string]any{"action": "random", "channel": "main"}
	body, err := event.Encode(payload)
	if err != nil {
		return 0, 0, err
	}
	return inTurn(b.n, func(n int) error {
		for range n {
			if _, err := on.bus.Request(ctx, "plugin.ours.request", payload); err != nil {
				return err
			}
		}
		return nil
	}, func(n int) error {
		return rawRequests(ctx, on.bare.Conn(), "plugin.raw.request", n, func(int) []byte { return body })
	})
}

func rawRequests(ctx context.Context, nc *nats.Conn, subject string, n int, body func(i int) []byte) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for i := range n {
		if _, err := nc.RequestWithContext(ctx, subject, body(i)); err != nil {
			return err
		}
	}
	return nil
}

// fill stores n chat lines fast.
func fill(js jetstream.JetStream, n int) error {
	e, err := chatEnvelope(strings.Repeat("words ", 12))
	if err != nil {
		return err
	}
	body, err := e.MarshalJSON()
	if err != nil {
		return err
	}
	for range n {
		if _, err := js.PublishAsync(e.Subject, body, jetstream.WithStallWait(10e9)); err != nil {
			return err
		}
	}
	<-js.PublishAsyncComplete()
	return nil
}

func benchConsume(ctx context.Context, b *bench) (ours, raw float64, err error) {
	on, err := b.node(ctx)
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, on.stop()) }()
	if err := fill(on.bare, b.n); err != nil {
		return 0, 0, err
	}
	ourRounds, rawRounds := 0, 0
	ourRound := func(n int) error {
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
	}
	rawRound := func(n int) error {
		rawRounds++
		c, err := on.bare.CreateConsumer(ctx, streams.Cytube, jetstream.ConsumerConfig{
			Durable: fmt.Sprintf("raw-%d", rawRounds), AckPolicy: jetstream.AckExplicitPolicy, MaxAckPending: 1000,
		})
		if err != nil {
			return err
		}
		it, err := streams.OneByOne(c)
		if err != nil {
			return err
		}
		defer it.Stop()
		for range n {
			msg, err := nextOf(it)
			if err != nil {
				return err
			}
			if err := msg.Ack(); err != nil {
				return err
			}
		}
		return nil
	}
	return inTurn(b.n, ourRound, rawRound)
}

// nextOf waits for the next event, also when the server lost the request for it, as
// ours do.
func nextOf(it jetstream.MessagesContext) (jetstream.Msg, error) {
	for {
		msg, err := it.Next()
		if !errors.Is(err, jetstream.ErrNoHeartbeat) {
			return msg, err
		}
	}
}

func benchReplay(ctx context.Context, b *bench) (ours, raw float64, err error) {
	on, err := b.node(ctx)
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, on.stop()) }()
	stored := b.n * 2
	if err := fill(on.bare, stored); err != nil {
		return 0, 0, err
	}
	oursRate, rawRate, err := inTurn(stored*rounds, func(n int) error {
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
		it, err := c.Messages()
		if err != nil {
			return err
		}
		defer it.Stop()
		for range n {
			if _, err := it.Next(); err != nil {
				return err
			}
		}
		return nil
	})
	return oursRate, rawRate, err
}

// benchDatabase measures a request to the database service against the same
// work by a bare micro service and bare KV calls.
func benchDatabase(ctx context.Context, b *bench, bare func(kv jetstream.KeyValue) micro.Handler, op func(bus *streams.Bus, i int) error, body func(i int) []byte) (ours, raw float64, err error) {
	on, err := b.node(ctx)
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, on.stop()) }()
	db, err := kvstore.New(on.bus.Conn(), on.bus.JetStream())
	if err != nil {
		return 0, 0, err
	}
	if err := db.Start(); err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, db.Stop()) }()
	kv, err := on.bare.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: "raw", History: 10})
	if err != nil {
		return 0, 0, err
	}
	svc, err := service(on.bare.Conn(), map[string]micro.Handler{"plugin.rawdb.request": bare(kv)})
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, svc.Stop()) }()
	for i := range benchRecords {
		if _, err := on.bus.Request(ctx, event.SubjectSet, event.Set{Collection: "bench", ID: event.IntID(int64(i)), Data: benchRecord}); err != nil {
			return 0, 0, err
		}
		if _, err := kv.Put(ctx, fmt.Sprint(i), benchRecord); err != nil {
			return 0, 0, err
		}
	}
	return inTurn(b.n, func(n int) error {
		for i := range n {
			if err := op(on.bus, i); err != nil {
				return err
			}
		}
		return nil
	}, func(n int) error { return rawRequests(ctx, on.bare.Conn(), "plugin.rawdb.request", n, body) })
}

const benchRecords = 100

var benchRecord = json.RawMessage(`{"text":"Hello, world! A quote of middling length, as people write them.","user":"alice","timestamp":1732645200}`)

type bareRequest struct {
	Collection string          `json:"collection"`
	ID         int             `json:"id"`
	Data       json.RawMessage `json:"data"`
}

func benchSet(ctx context.Context, b *bench) (ours, raw float64, err error) {
	return benchDatabase(ctx, b, func(kv jetstream.KeyValue) micro.Handler {
		return micro.HandlerFunc(func(r micro.Request) {
			var req bareRequest
			if err := json.Unmarshal(r.Data(), &req); err != nil {
				_ = r.Error("400", err.Error(), nil)
				return
			}
			if _, err := kv.Put(ctx, fmt.Sprint(req.ID), req.Data); err != nil {
				_ = r.Error("500", err.Error(), nil)
				return
			}
			_ = r.RespondJSON(map[string]any{"success": true, "id": req.ID, "error": nil})
		})
	}, func(bus *streams.Bus, i int) error {
		_, err := bus.Request(ctx, event.SubjectSet, event.Set{Collection: "bench", ID: event.IntID(int64(i % benchRecords)), Data: benchRecord})
		return err
	}, func(i int) []byte {
		return fmt.Appendf(nil, `{"collection":"bench","id":%d,"data":%s}`, i%benchRecords, benchRecord)
	})
}

func benchGet(ctx context.Context, b *bench) (ours, raw float64, err error) {
	return benchDatabase(ctx, b, func(kv jetstream.KeyValue) micro.Handler {
		return micro.HandlerFunc(func(r micro.Request) {
			var req bareRequest
			if err := json.Unmarshal(r.Data(), &req); err != nil {
				_ = r.Error("400", err.Error(), nil)
				return
			}
			entry, err := kv.Get(ctx, fmt.Sprint(req.ID))
			if err != nil {
				_ = r.Error("404", err.Error(), nil)
				return
			}
			_ = r.RespondJSON(map[string]any{"success": true, "data": json.RawMessage(entry.Value()), "error": nil})
		})
	}, func(bus *streams.Bus, i int) error {
		_, err := bus.Request(ctx, event.SubjectGet, event.Get{Collection: "bench", ID: event.IntID(int64(i % benchRecords))})
		return err
	}, func(i int) []byte { return fmt.Appendf(nil, `{"collection":"bench","id":%d}`, i%benchRecords) })
}
