package kvstore_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nats.go/micro"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/kvstore"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// BenchmarkRaw is what the service is held against: a request to a micro service
// that does nothing, and nats.go's own put and get.
func BenchmarkRaw(b *testing.B) {
	server := streamstest.Server(b)
	nc := streamstest.Connect(b, server)
	js := jetStream(b, nc)
	m, err := micro.AddService(streamstest.Connect(b, server), micro.Config{Name: "echo", Version: "1.0.0"})
	if err != nil {
		b.Fatal(err)
	}
	defer m.Stop()
	if err := m.AddEndpoint("echo", micro.HandlerFunc(func(r micro.Request) { _ = r.Respond(r.Data()) })); err != nil {
		b.Fatal(err)
	}
	kv, err := js.CreateKeyValue(b.Context(), jetstream.KeyValueConfig{Bucket: "raw", History: 10})
	if err != nil {
		b.Fatal(err)
	}
	value := []byte(benchRecord(1))
	b.Run("request", func(b *testing.B) {
		for b.Loop() {
			if _, err := nc.RequestWithContext(b.Context(), "echo", value); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("put", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			if _, err := kv.Put(b.Context(), fmt.Sprint(i%1000), value); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("get", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			if _, err := kv.Get(b.Context(), fmt.Sprint(i%1000)); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func benchRecord(i int) string {
	return fmt.Sprintf(`{"text":"The quick brown fox jumps over the lazy dog, and so does record %d, at some length, so that it is like a quote in a chat","user":"user%d","timestamp":%d,"score":%d}`,
		i, i%1000, 1732645200+i, i%977)
}

func BenchmarkService(b *testing.B) {
	server := streamstest.Server(b)
	addService(b, server)
	nc := streamstest.Connect(b, server)
	b.Run("set", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			request(b, nc, "database.set", fmt.Sprintf(`{"collection":"c","id":%d,"data":%s}`, i%1000, benchRecord(1)))
		}
	})
	b.Run("get", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			request(b, nc, "database.get", fmt.Sprintf(`{"collection":"c","id":%d}`, i%1000))
		}
	})
	b.Run("insert", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			request(b, nc, "database.set", `{"collection":"c2","data":`+benchRecord(i)+`}`)
		}
	})
}

func BenchmarkQuery(b *testing.B) {
	server := streamstest.Server(b)
	s := addService(b, server, kvstore.WithMemoryLimit(4<<30))
	nc := streamstest.Connect(b, server)
	js := jetStream(b, nc)
	const n = 100_000
	request(b, nc, "database.set", `{"collection":"big","id":0,"data":{}}`)
	for i := 1; i <= n; i++ {
		if _, err := js.PublishAsync(fmt.Sprintf("$KV.db_big.%d", i), []byte(`{"id":`+fmt.Sprint(i)+`,`+benchRecord(i)[1:])); err != nil {
			b.Fatal(err)
		}
	}
	<-js.PublishAsyncComplete()
	for _, c := range []struct{ name, query string }{
		{"indexed", `{"collection":"big","filter":{"user":"user7"},"order_by":"timestamp DESC","limit":10}`},
		{"range", `{"collection":"big","filter":{"timestamp":{"$gte":1732695200,"$lt":1732696200}},"order_by":"timestamp","limit":10}`},
		{"unindexed", `{"collection":"big","filter":{"text":{"$like":"%999%"}},"order_by":"timestamp DESC","limit":10}`},
	} {
		b.Run(c.name, func(b *testing.B) {
			request(b, nc, "database.query", c.query)
			for b.Loop() {
				request(b, nc, "database.query", c.query)
			}
		})
		b.Run(c.name+"/store", func(b *testing.B) {
			q, err := event.As[event.Query](event.Envelope{Subject: event.SubjectQuery, Data: json.RawMessage(c.query)})
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if _, err := s.Store().Query(b.Context(), q); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func request(b *testing.B, nc *nats.Conn, subject, body string) {
	b.Helper()
	if _, err := nc.RequestWithContext(b.Context(), subject, []byte(body)); err != nil {
		b.Fatal(err)
	}
}
