package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nats.go/micro"

	"github.com/rosey-bot/rosey/kvstore"
	"github.com/rosey-bot/rosey/kvstore/service"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/embedded"
)

// natsSide is the bot's server with the database service, and a micro service
// that does with plain KV calls what the database service does. All of it works
// over the one connection that the bot's parts share.
type natsSide struct {
	bus     *streams.Bus
	service *service.Service
	kv      jetstream.KeyValue
	stops   []func() error
}

// memory is more than the view of the largest collection takes.
const memory = 4 << 30

func startNATS(ctx context.Context, dir string, syncAlways bool) (n *natsSide, err error) {
	n = &natsSide{}
	defer func() {
		if err != nil {
			err = errors.Join(err, n.stop())
		}
	}()
	if dir, err = os.MkdirTemp(dir, "benchdb-nats-"); err != nil {
		return n, err
	}
	n.stops = append(n.stops, func() error { return os.RemoveAll(dir) })
	server, err := embedded.Start(embedded.Config{Store: dir, SyncAlways: syncAlways})
	if err != nil {
		return n, err
	}
	n.stops = append(n.stops, server.Stop)
	nc, err := server.Connect()
	if err != nil {
		return n, err
	}
	n.stops = append(n.stops, func() error { nc.Close(); return nil })
	js, err := jetstream.New(nc)
	if err != nil {
		return n, err
	}
	if err := streams.Open(ctx, js, streams.Options{}); err != nil {
		return n, err
	}
	n.bus = streams.NewBus(nc, js, streams.WithTimeout(time.Minute))
	store, err := kvstore.NewStore(js, kvstore.WithMemoryLimit(memory))
	if err != nil {
		return n, err
	}
	n.service = service.New(nc, store, service.Options{})
	if err := n.service.Start(); err != nil {
		return n, err
	}
	n.stops = append(n.stops, n.service.Stop)
	if n.kv, err = js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: "raw", History: kvstore.DefaultHistory}); err != nil {
		return n, err
	}
	raw, err := micro.AddService(nc, micro.Config{Name: "raw", Version: "1.0.0"})
	if err != nil {
		return n, err
	}
	n.stops = append(n.stops, raw.Stop)
	for op, answer := range map[string]func(context.Context, rawRequest) (any, error){"get": n.rawGet, "set": n.rawSet, "update": n.rawUpdate, "insert": n.rawInsert} {
		err := raw.AddEndpoint(op, micro.HandlerFunc(func(r micro.Request) {
			var req rawRequest
			err := json.Unmarshal(r.Data(), &req)
			var reply any
			if err == nil {
				reply, err = answer(ctx, req)
			}
			if err == nil {
				err = r.RespondJSON(reply)
			}
			if err != nil {
				_ = r.Error("500", err.Error(), nil) // the requester is told, if anybody is
			}
		}), micro.WithEndpointSubject(rawSubject(op)))
		if err != nil {
			return n, err
		}
	}
	return n, nc.Flush()
}

func (n *natsSide) stop() error {
	var errs []error
	for i := len(n.stops) - 1; i >= 0; i-- {
		errs = append(errs, n.stops[i]())
	}
	return errors.Join(errs...)
}

// rawSubject is one that the bot's streams record without acknowledging it, as
// they do the database's.
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

// ask makes a bare request, as the NATS CLI does.
func (n *natsSide) ask(ctx context.Context, subject, body string) (*nats.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return n.bus.Conn().RequestWithContext(ctx, subject, []byte(body))
}

// fill writes n records to a collection, past the service and fast.
func (n *natsSide) fill(collection string, count int) error {
	js := n.bus.JetStream()
	for i := 1; i <= count; i++ {
		value, err := json.Marshal(recordOf(i, count))
		if err != nil {
			return err
		}
		if _, err := js.PublishAsync(fmt.Sprintf("$KV.%s%s.%d", kvstore.BucketPrefix, collection, i), value, jetstream.WithStallWait(time.Minute)); err != nil {
			return err
		}
	}
	<-js.PublishAsyncComplete()
	return nil
}
