package streams_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/retry"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/jsapi"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// On a cluster, too, the service answers a request, also one that is repeated
// with its ID, and not the stream that records it; and two processes can open
// the streams at the same time.
func TestCluster(t *testing.T) {
	streamstest.Slow(t, "runs a cluster")
	t.Parallel()
	ctx := streamstest.Context(t)
	conns, _ := streamstest.Cluster(t)
	opened := make(chan error, 2)
	var buses []*streams.Bus
	for _, nc := range conns[:2] {
		js, err := jetstream.New(nc)
		if err != nil {
			t.Fatal(err)
		}
		buses = append(buses, streams.NewBus(nc, js))
		go func() {
			opened <- retry.Do(ctx, jsapi.RetryUnavailable(4*time.Minute, nil), func(ctx context.Context) error {
				ctx, cancel := context.WithTimeout(ctx, 2*time.Second) // as without a deadline
				defer cancel()
				return streams.Open(ctx, js, streams.Options{Replicas: 3})
			})
		}()
	}
	for range 2 {
		if err := <-opened; err != nil {
			t.Fatal(err)
		}
	}
	wantReplicas(ctx, t, buses[0].JetStream(), 3)
	answersRepeats(ctx, t, conns[2], buses[0])
	readsAllAcknowledged(ctx, t, buses)
}

func wantReplicas(ctx context.Context, t *testing.T, js jetstream.JetStream, want int) {
	t.Helper()
	for _, spec := range streams.Specs() {
		s, err := js.Stream(ctx, spec.Name)
		if err != nil {
			t.Fatal(err)
		}
		if n := s.CachedInfo().Config.Replicas; n != want {
			t.Errorf("%s has %d replicas", spec.Name, n)
		}
	}
}

// answersRepeats checks that a repeated request gets the service's reply, and never the
// acknowledgement of the stream that records it.
func answersRepeats(ctx context.Context, t *testing.T, service *nats.Conn, bus *streams.Bus) {
	t.Helper()
	sub, err := service.Subscribe(event.SubjectGet, func(m *nats.Msg) {
		time.AfterFunc(20*time.Millisecond, func() { _ = m.Respond([]byte(`{"success":true}`)) }) // after a stream would
	})
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Unsubscribe()
	if err := service.Flush(); err != nil {
		t.Fatal(err)
	}
	for { // until the other server knows of the service
		_, err := bus.Request(ctx, event.SubjectGet, event.Get{Collection: "c", ID: "0"}, streams.Within(200*time.Millisecond))
		if err == nil {
			break
		}
		if ctx.Err() != nil {
			t.Fatal(err)
		}
	}
	for i := range 10 {
		for range 2 {
			reply, err := bus.Request(ctx, event.SubjectGet, event.Get{Collection: "c", ID: "1"}, streams.WithMsgID(fmt.Sprint("request-", i)))
			if err != nil || string(reply) != `{"success":true}` {
				t.Fatalf("request %d: %v, %q", i, err, reply)
			}
		}
	}
}

// readsAllAcknowledged checks that a reader sees all that was acknowledged before, also
// while the server that answers still has to store it.
func readsAllAcknowledged(ctx context.Context, t *testing.T, buses []*streams.Bus) {
	t.Helper()
	const burst = 500
	subject := event.EventSubject("x", "y")
	for round := 1; round <= 4; round++ {
		js := buses[round%2].JetStream()
		for range burst {
			if _, err := js.PublishAsync(subject, []byte("{}"), jetstream.WithStallWait(time.Minute)); err != nil {
				t.Fatal(err)
			}
		}
		<-js.PublishAsyncComplete()
		n := 0
		for _, err := range streams.Messages(ctx, js, streams.Selection{Stream: streams.Plugin, Subjects: []string{subject}}) {
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
		if n != round*burst {
			t.Errorf("%d events are read where %d were acknowledged", n, round*burst)
		}
	}
}
