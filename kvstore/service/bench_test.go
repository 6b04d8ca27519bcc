package service_test

import (
	"encoding/json"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nats.go/micro"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/kvstore"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

func benchRecord(i int) string {
	return fmt.Sprintf(`{"text":"The quick brown fox jumps over the lazy dog, and so does record %d, at some length, so that it is like a quote in a chat","user":"user%d","timestamp":%d,"score":%d}`,
		i, i%1000, 1732645200+i, i%977)
}

// BenchmarkAgainstRaw makes requests to the service by turns with what they are
// held against: a request to a micro service that does nothing, and nats.go's own
// put and get. It reports how fast the service is in comparison: 1 is as fast as
// the request and the put, or get, one after the other.
func BenchmarkAgainstRaw(b *testing.B) {
	server := streamstest.Server(b)
	addService(b, server)
	m, err := micro.AddService(streamstest.Connect(b, server), micro.Config{Name: "echo", Version: "1.0.0"})
	if err != nil {
		b.Fatal(err)
	}
	defer m.Stop()
	if err := m.AddEndpoint("echo", micro.HandlerFunc(func(r micro.Request) { _ = r.Respond(r.Data()) })); err != nil {
		b.Fatal(err)
	}
	nc := streamstest.Connect(b, server)
	kv, err := jetStream(b, nc).CreateKeyValue(b.Context(), jetstream.KeyValueConfig{Bucket: "raw", History: 10})
	if err != nil {
		b.Fatal(err)
	}
	var took [6]time.Duration
	value := benchRecord(1)
	for i := 0; b.Loop(); i++ {
		key := strconv.Itoa(i % 1000)
		for j, f := range [...]func() error{
			func() error { return roundTrip(b, nc, "echo", value) },
			func() error { _, err := kv.Put(b.Context(), key, []byte(value)); return err },
			func() error { _, err := kv.Get(b.Context(), key); return err },
			func() error {
				return roundTrip(b, nc, "database.set", `{"collection":"c","id":`+key+`,"data":`+value+`}`)
			},
			func() error { return roundTrip(b, nc, "database.get", `{"collection":"c","id":`+key+`}`) },
			func() error { return roundTrip(b, nc, "database.set", `{"collection":"c","data":`+value+`}`) },
		} {
			start := time.Now()
			if err := f(); err != nil {
				b.Fatal(err)
			}
			took[j] += time.Since(start)
		}
	}
	us := func(j int) float64 { return float64(took[j].Nanoseconds()) / float64(b.N) / 1e3 }
	b.ReportMetric(0, "ns/op")
	for j, name := range []string{"request-us", "put-us", "get-us", "db-set-us", "db-get-us", "db-insert-us"} {
		b.ReportMetric(us(j), name)
	}
	b.ReportMetric((us(0)+us(1))/us(3), "set-ratio")
	b.ReportMetric((us(0)+us(2))/us(4), "get-ratio")
}

func roundTrip(b *testing.B, nc *nats.Conn, subject, body string) error {
	reply, err := nc.RequestWithContext(b.Context(), subject, []byte(body))
	if err != nil {
		return err
	}
	return event.ReplyError(reply.Data)
}

func BenchmarkQuery(b *testing.B) {
	server := streamstest.Server(b)
	s := addService(b, server, kvstore.WithMemoryLimit(4<<30))
	nc := streamstest.Connect(b, server)
	js := jetStream(b, nc)
	const n = 100_000
	if err := roundTrip(b, nc, "database.set", `{"collection":"big","id":0,"data":{}}`); err != nil {
		b.Fatal(err)
	}
	for i := 1; i <= n; i++ {
		if _, err := js.PublishAsync(fmt.Sprintf("$KV.db_big.%d", i), []byte(`{"id":`+fmt.Sprint(i)+`,`+benchRecord(i)[1:]), jetstream.WithStallWait(time.Minute)); err != nil {
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
			ask(b, nc, "database.query", c.query) // builds the index
			for b.Loop() {
				if err := roundTrip(b, nc, "database.query", c.query); err != nil {
					b.Fatal(err)
				}
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
