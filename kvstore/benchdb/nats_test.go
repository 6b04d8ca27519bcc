package benchdb

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nats.go/micro"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/kvstore"
	"github.com/rosey-bot/rosey/kvstore/service"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/embedded"
)

// natsSide is the bot's server with the database service, and a micro service that does
// with plain KV calls what the database service does. Both use one connection, as the
// bot's parts do.
type natsSide struct {
	bus   *streams.Bus
	store *kvstore.Store
	kv    jetstream.KeyValue
}

func startNATS(b *testing.B, syncAlways bool) *natsSide {
	b.Helper()
	ctx := b.Context()
	server, err := embedded.Start(embedded.Config{Store: b.TempDir(), SyncAlways: syncAlways})
	check := func(err error) {
		if err != nil {
			b.Fatal(err)
		}
	}
	check(err)
	b.Cleanup(func() { check(server.Stop()) })
	nc, err := server.Connect()
	check(err)
	b.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	check(err)
	check(streams.Open(ctx, js, streams.Options{}))
	n := &natsSide{bus: streams.NewBus(nc, js, streams.WithTimeout(time.Minute))}
	n.store, err = kvstore.NewStore(js, kvstore.WithMemoryLimit(4<<30))
	check(err)
	database := service.New(nc, n.store, service.Options{})
	check(database.Start())
	b.Cleanup(func() { check(database.Stop()) })
	n.kv, err = js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: "raw", History: kvstore.History})
	check(err)
	raw, err := micro.AddService(nc, micro.Config{Name: "raw", Version: "1.0.0"})
	check(err)
	b.Cleanup(func() { check(raw.Stop()) })
	for op, answer := range map[string]func(context.Context, rawRequest) (any, error){
		"get": n.rawGet, "set": n.rawSet, "update": n.rawUpdate, "insert": n.rawInsert,
	} {
		check(raw.AddEndpoint(op, rawHandler(ctx, answer), micro.WithEndpointSubject(rawSubject(op))))
	}
	check(nc.Flush())
	return n
}

// must makes a request that prepares a benchmark.
func (n *natsSide) must(b *testing.B, subject string, payload any) {
	b.Helper()
	if _, err := n.bus.Request(b.Context(), subject, payload); err != nil {
		b.Fatal(err)
	}
}

// request asks the service as a plugin does.
func (n *natsSide) request(subject string, payload func(i int) any) func(context.Context, int) error {
	return func(ctx context.Context, i int) error {
		_, err := n.bus.Request(ctx, subject, payload(i))
		return err
	}
}

// query asks the service as a plugin does, and reads the records.
func (n *natsSide) query(query func(i int) event.Query, want int) func(context.Context, int) error {
	return func(ctx context.Context, i int) error {
		body, err := n.bus.Request(ctx, event.SubjectQuery, query(i))
		if err != nil {
			return err
		}
		var reply struct {
			Data  []record
			Count int
		}
		if err := json.Unmarshal(body, &reply); err != nil {
			return err
		}
		return check(len(reply.Data), reply.Count, want)
	}
}

// raw asks the service of plain KV calls.
func (n *natsSide) raw(op string, body func(i int) string) func(context.Context, int) error {
	return func(ctx context.Context, i int) error {
		ctx, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		reply, err := n.bus.Conn().RequestWithContext(ctx, rawSubject(op), []byte(body(i)))
		if err != nil {
			return err
		}
		return event.ReplyError(reply.Data)
	}
}

// fill writes records to a collection, past the service and fast.
func (n *natsSide) fill(b *testing.B, collection string, count int) {
	b.Helper()
	n.must(b, event.SubjectSet, event.Set{Collection: collection, ID: "1", Data: json.RawMessage("{}")}) // creates the bucket
	js := n.bus.JetStream()
	for i := 1; i <= count; i++ {
		value, _ := json.Marshal(recordOf(i, count))
		if _, err := js.PublishAsync(fmt.Sprintf("$KV.%s%s.%d", kvstore.BucketPrefix, collection, i), value, jetstream.WithStallWait(time.Minute)); err != nil {
			b.Fatal(err)
		}
	}
	<-js.PublishAsyncComplete()
}

// rawSubject is one that the bot's streams record without acknowledging, as they do
// the database's.
func rawSubject(op string) string { return "plugin.raw.request." + op }

type rawRequest struct {
	ID   int64           `json:"id"`
	Data json.RawMessage `json:"data"`
}

type rawReply struct {
	Success bool            `json:"success"`
	ID      int64           `json:"id,omitempty"`
	Data    json.RawMessage `json:"data,omitempty"`
	Error   *string         `json:"error"`
}

func rawHandler(ctx context.Context, answer func(context.Context, rawRequest) (any, error)) micro.HandlerFunc {
	return func(r micro.Request) {
		var req rawRequest
		var reply any
		err := json.Unmarshal(r.Data(), &req)
		if err == nil {
			reply, err = answer(ctx, req)
		}
		if err == nil {
			err = r.RespondJSON(reply)
		}
		if err != nil {
			_ = r.Error("500", err.Error(), nil)
		}
	}
}

func (n *natsSide) rawGet(ctx context.Context, req rawRequest) (any, error) {
	e, err := n.kv.Get(ctx, strconv.FormatInt(req.ID, 10))
	if err != nil {
		return nil, err
	}
	return rawReply{Success: true, Data: e.Value()}, nil
}

func (n *natsSide) rawSet(ctx context.Context, req rawRequest) (any, error) {
	_, err := n.kv.Put(ctx, strconv.FormatInt(req.ID, 10), req.Data)
	return rawReply{Success: true, ID: req.ID}, err
}

func (n *natsSide) rawUpdate(ctx context.Context, req rawRequest) (any, error) {
	key := strconv.FormatInt(req.ID, 10)
	e, err := n.kv.Get(ctx, key)
	if err != nil {
		return nil, err
	}
	var r record
	if err := json.Unmarshal(e.Value(), &r); err != nil {
		return nil, err
	}
	r.Score++
	value, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	_, err = n.kv.Update(ctx, key, value, e.Revision())
	return rawReply{Success: true, ID: req.ID}, err
}

func (n *natsSide) rawInsert(ctx context.Context, req rawRequest) (any, error) {
	var last int64
	var revision uint64
	e, err := n.kv.Get(ctx, "counter")
	if err == nil {
		revision = e.Revision()
		last, err = strconv.ParseInt(string(e.Value()), 10, 64)
	}
	if err != nil && !errors.Is(err, jetstream.ErrKeyNotFound) {
		return nil, err
	}
	id := last + 1
	if _, err := n.kv.Update(ctx, "counter", strconv.AppendInt(nil, id, 10), revision); err != nil {
		return nil, err
	}
	_, err = n.kv.Create(ctx, "i"+strconv.FormatInt(id, 10), req.Data)
	return rawReply{Success: true, ID: id}, err
}
