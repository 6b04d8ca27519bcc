package streams_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nats.go/micro"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/retry"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/connect"
	"github.com/rosey-bot/rosey/streams/embedded"
	"github.com/rosey-bot/rosey/streams/jsapi"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// A stream that acknowledges what it captures answers a requester before the
// service does; ours must never. Every one of 1,000 requests gets the service's
// reply, and every request is stored.
func TestRequestOnCapturedSubjectGetsTheServicesReply(t *testing.T) {
	t.Parallel()
	bus := streamstest.Bus(t, streamstest.Server(t))
	ctx := streamstest.Context(t)
	const n = 1000
	for _, subject := range []string{event.SubjectGet, event.RequestSubject("quote-db")} {
		stop := respond(t, bus, subject, func(_ context.Context, e event.Envelope) (any, error) {
			return map[string]any{"success": true, "echo": e.Data}, nil
		})
		defer stop()
		for i := range n {
			payload := map[string]any{"collection": "quotes", "id": i}
			body, err := bus.Request(ctx, subject, payload)
			if err != nil {
				t.Fatalf("%s, request %d: %v", subject, i, err)
			}
			var reply struct {
				Success bool
				Echo    struct{ ID int }
			}
			if err := json.Unmarshal(body, &reply); err != nil || !reply.Success || reply.Echo.ID != i {
				t.Fatalf("%s, request %d was answered %s", subject, i, body)
			}
		}
		spec, _ := streams.For(subject)
		streamstest.Recorded(t, bus.JetStream(), spec.Name, n)
	}
}

func TestRequestErrors(t *testing.T) {
	t.Parallel()
	bus := streamstest.Bus(t, streamstest.Server(t))
	ctx := streamstest.Context(t)
	slow, err := bus.Conn().Subscribe("plugin.slow.request", func(*nats.Msg) {})
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Unsubscribe()
	defer respond(t, bus, "plugin.fails.request", func(context.Context, event.Envelope) (any, error) {
		return nil, event.Errorf(event.RecordNotFound, "Quote #999 not found").With("id", 999)
	})()
	defer respond(t, bus, "plugin.panics.request", func(context.Context, event.Envelope) (any, error) { panic("boom") })()
	gone := streams.NewBus(streamstest.Connect(t, streamstest.Server(t)), nil)
	gone.Conn().Close()
	if _, err := gone.Request(ctx, "plugin.a.request", map[string]any{}); event.CodeOf(err) != event.NATSError {
		t.Errorf("on a closed connection: %v", err)
	}
	for _, c := range []struct {
		subject string
		code    event.Code
		says    string
	}{
		{"plugin.slow.request", event.Timeout, "was not answered within"},
		{"plugin.nobody.request", event.Timeout, "is its service running"},
		{"plugin.fails.request", event.RecordNotFound, "Quote #999 not found"},
		{"plugin.panics.request", event.PluginError, "boom"},
		{"plugin.a.command", event.InvalidInput, "user is required"},
		{"cytube.send.chat", event.InvalidInput, "message is required"},
	} {
		within := time.Minute
		if c.code == event.Timeout {
			within = 50 * time.Millisecond
		}
		_, err := bus.Request(ctx, c.subject, map[string]any{"command": "x"}, streams.Within(within))
		if event.CodeOf(err) != c.code || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: error %v (%s), want %s that says %q", c.subject, err, event.CodeOf(err), c.code, c.says)
		}
	}
}

// What a process does first is done even if the server crashes just then.
func TestWhileUnanswered(t *testing.T) {
	t.Parallel()
	ctx := t.Context() // without a deadline, so that each request has its own
	dir := t.TempDir()
	start := func() *embedded.Server {
		s, err := embedded.Start(embedded.Config{Store: dir, Listen: "127.0.0.1:0"})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	server := start()
	nc, err := connect.Dial(connect.Remote{Store: dir})
	if err != nil {
		t.Fatal(err)
	}
	closed := make(chan struct{})
	nc.SetClosedHandler(func(*nats.Conn) { close(closed) })
	defer func() { nc.Close(); <-closed }()
	js, err := jetstream.New(nc, jetstream.WithDefaultTimeout(200*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	tries := 0
	open := func(ctx context.Context) error {
		tries++
		return streams.Open(ctx, js, streams.Options{})
	}
	if err := retry.Do(ctx, jsapi.RetryUnavailable(time.Nanosecond, log), open); !errors.Is(err, context.DeadlineExceeded) || tries != 1 {
		t.Errorf("without retries it tried %d times: %v", tries, err)
	}
	err = retry.Do(ctx, jsapi.RetryUnavailable(time.Hour, log), func(ctx context.Context) error {
		err := open(ctx)
		if tries == 3 {
			server = start()
		}
		return err
	})
	if err != nil || tries < 4 {
		t.Errorf("after %d tries: %v", tries, err)
	}
	defer server.Stop()
	broken := errors.New("broken")
	if err := retry.Do(ctx, jsapi.RetryUnavailable(time.Hour, log), func(context.Context) error { return broken }); err != broken {
		t.Errorf("a failure that stays: %v", err)
	}
	ended, cancel := context.WithCancel(ctx)
	err = retry.Do(ended, jsapi.RetryUnavailable(time.Hour, log), func(context.Context) error { cancel(); return nats.ErrTimeout })
	if !errors.Is(err, nats.ErrTimeout) {
		t.Errorf("told to stop: %v", err)
	}
}

func respond(t *testing.T, bus *streams.Bus, subject string, r streams.Responder) (stop func()) {
	t.Helper()
	svc, err := micro.AddService(bus.Conn(), micro.Config{Name: "test", Version: "1.0.0"})
	if err != nil {
		t.Fatal(err)
	}
	if err := svc.AddEndpoint("test", bus.Service(t.Context(), r), micro.WithEndpointSubject(subject)); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := svc.Stop(); err != nil {
			t.Error(err)
		}
	}
}
