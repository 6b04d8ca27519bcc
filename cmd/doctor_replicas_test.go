package cmd

import (
	"context"
	"errors"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/jsapi"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// Of a cluster, doctor tells which server is full, and which is away; what is
// stored meanwhile is stored all the same.
func TestDoctorOfACluster(t *testing.T) {
	streamstest.Slow(t, "runs a cluster")
	t.Parallel()
	ctx := streamstest.Context(t)
	const small = "n1"
	conns, servers := streamstest.Cluster(t, func(o *server.Options) {
		o.JetStreamMaxStore = 1 << 30
		if o.ServerName == small {
			o.JetStreamMaxStore = 6 << 20
		}
	})
	js, err := jetstream.New(conns[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := until(ctx, func() bool { return streams.Open(ctx, js, streams.Options{Replicas: 3}) == nil }); err != nil {
		t.Fatal(err)
	}
	says := func(want string) {
		t.Helper()
		var lines []string
		if err := until(ctx, func() bool {
			_, lines = diagnose(t, "--nats", servers[0].ClientURL(), "--replicas", "3")
			return has(lines, want)
		}); err != nil {
			t.Fatalf("no %q in %q", want, lines)
		}
	}
	says("replicas ok: 7 streams and buckets on 3 servers, every copy up to date")
	const events = 120 // larger together than the small server
	for range events {
		if err := until(ctx, func() bool {
			once, cancel := context.WithTimeout(ctx, streams.DefaultTimeout) // a leader that steps down answers nothing
			defer cancel()
			_, err := js.Publish(once, event.SubjectChat, make([]byte, 64<<10))
			return err == nil
		}); err != nil {
			t.Fatal("a full server of three keeps the others from storing")
		}
	}
	says("replicas warn: " + small + " does not catch up with ")
	_, err = js.CreateStream(ctx, jetstream.StreamConfig{Name: "LARGE", Subjects: []string{"large"}, Replicas: 3, MaxBytes: 100 << 20})
	if !errors.Is(jsapi.WrapFull(err), jsapi.ErrFull) {
		t.Errorf("a stream that only two have room for: %v", err)
	}
	servers[1].Shutdown()
	says("replicas warn: " + small + " is away, and has copies of 7 of 7 streams and buckets → start it again")
	s, err := js.Stream(ctx, streams.Cytube)
	if err != nil {
		t.Fatal(err)
	}
	if n := s.CachedInfo().State.Msgs; n < events {
		t.Errorf("%d of %d events are stored", n, events)
	}
}
