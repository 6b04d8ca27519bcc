package streams_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
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
	"github.com/rosey-bot/rosey/telemetry/propagation"
)

func TestMain(m *testing.M) { streamstest.Main(m) }

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
		waitFor(t, ctx, bus.JetStream(), spec.Name, n)
	}
}

func waitFor(t *testing.T, ctx context.Context, js jetstream.JetStream, stream string, n uint64) {
	t.Helper()
	for {
		s, err := js.Stream(ctx, stream)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.CachedInfo().State.Msgs; got == n {
			return
		} else if got > n {
			t.Fatalf("%s holds %d messages, want %d", stream, got, n)
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s holds %d messages, want %d", stream, s.CachedInfo().State.Msgs, n)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func TestOpenIsIdempotentAndUpdatesInPlace(t *testing.T) {
	t.Parallel()
	bus := streamstest.Bus(t, streamstest.Server(t))
	ctx, js := streamstest.Context(t), bus.JetStream()
	streamstest.Publish(t, bus, event.SubjectSendChat, event.SendChat{Message: "hi"})
	limits := map[string]streams.Limits{streams.Cytube: {MaxAge: 48 * time.Hour, MaxBytes: 1 << 20}}
	if err := streams.Open(ctx, js, streams.Options{Limits: limits}); err != nil {
		t.Fatal(err)
	}
	s, err := js.Stream(ctx, streams.Cytube)
	if err != nil {
		t.Fatal(err)
	}
	info := s.CachedInfo()
	if info.Config.MaxAge != 48*time.Hour || info.Config.MaxBytes != 1<<20 || info.State.Msgs != 1 {
		t.Errorf("after the update: max age %s, max bytes %d, %d messages", info.Config.MaxAge, info.Config.MaxBytes, info.State.Msgs)
	}
	for _, c := range []struct {
		limits map[string]streams.Limits
		says   string
	}{
		{map[string]streams.Limits{"CHAT": {}}, `unknown stream "CHAT"`},
		{map[string]streams.Limits{streams.Plugin: {MaxAge: time.Minute}}, "duplicate window"},
	} {
		if err := streams.Open(ctx, js, streams.Options{Limits: c.limits}); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("limits %v: error %v, want one that says %q", c.limits, err, c.says)
		}
	}
}

func TestOpenRefusesWhatCannotChangeAndDeletesNothing(t *testing.T) {
	t.Parallel()
	nc := streamstest.Connect(t, streamstest.Server(t))
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	ctx := streamstest.Context(t)
	if _, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: streams.Cytube, Subjects: []string{"cytube.>"}, Storage: jetstream.MemoryStorage}); err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish(ctx, "cytube.chat", []byte("{}")); err != nil {
		t.Fatal(err)
	}
	err = streams.Open(ctx, js, streams.Options{})
	if err == nil || !strings.Contains(err.Error(), "cannot be changed in place") {
		t.Errorf("error %v, want one that says what cannot change", err)
	}
	s, err := js.Stream(ctx, streams.Cytube)
	if err != nil || s.CachedInfo().State.Msgs != 1 {
		t.Errorf("the stream was touched: %v", err)
	}
}

func TestPublish(t *testing.T) {
	t.Parallel()
	bus := streamstest.Bus(t, streamstest.Server(t), streams.WithSource("test"))
	ctx := streamstest.Context(t)
	ctx = propagation.WithCause(ctx, "corr-1", event.Ref{Stream: "CYTUBE", Seq: 7})
	e, err := event.New(event.SubjectSendChat, event.SendChat{Message: "hi"})
	if err != nil {
		t.Fatal(err)
	}
	first, err := bus.Publish(ctx, e, streams.WithMsgID("a"))
	if err != nil || first.Duplicate || first.Ref != (event.Ref{Stream: streams.Cytube, Seq: 1}) {
		t.Fatalf("first publish: %+v, %v", first, err)
	}
	again, err := bus.Publish(ctx, e, streams.WithMsgID("a"))
	if err != nil || !again.Duplicate || again.Ref != first.Ref {
		t.Fatalf("second publish: %+v, %v", again, err)
	}
	s, err := bus.JetStream().Stream(ctx, streams.Cytube)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := s.GetMsg(ctx, 1)
	if err != nil {
		t.Fatal(err)
	}
	got, err := streams.ReadRaw(streams.Cytube, raw)
	if err != nil {
		t.Fatal(err)
	}
	if got.CorrelationID != "corr-1" || got.Header.Get(propagation.HeaderCorrelation) != "corr-1" {
		t.Errorf("correlation %q, header %q", got.CorrelationID, got.Header.Get(propagation.HeaderCorrelation))
	}
	if diff := cmp.Diff(map[string]any{"source": "test", "causation_id": "CYTUBE:7"}, got.Metadata); diff != "" {
		t.Error(diff)
	}
}

func TestPublishRefusesWhatTheContractForbids(t *testing.T) {
	t.Parallel()
	bus := streamstest.Bus(t, streamstest.Server(t))
	for _, c := range []struct{ subject, data, says string }{
		{"cytube.chat", `{"user":"a"}`, "message"},
		{"cytube.send.chat", `{"message":5}`, "message must be a string"},
		{"cytube.nonsense", `{}`, "not in the contract"},
		{"other.thing", `{}`, "not in the contract"},
		{"cytube.>", `{}`, "each part"},
		{"database.get", `{"collection":"a","id":1}`, "use Request"},
		{"plugin.a.request", `{}`, "use Request"},
	} {
		_, err := bus.Publish(t.Context(), event.Envelope{Subject: c.subject, Data: []byte(c.data)})
		if event.CodeOf(err) != event.InvalidInput || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s %s: error %v, want INVALID_INPUT that says %q", c.subject, c.data, err, c.says)
		}
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
		patience := time.Minute
		if c.code == event.Timeout {
			patience = 50 * time.Millisecond
		}
		_, err := bus.Request(ctx, c.subject, map[string]any{"command": "x"}, streams.Within(patience))
		if event.CodeOf(err) != c.code || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: error %v (%s), want %s that says %q", c.subject, err, event.CodeOf(err), c.code, c.says)
		}
	}
}

// The contract's wildcard section reads cytube.* as all CyTube events; in NATS
// it would miss those with more tokens.
func TestContractWildcardsMeanTheWholeNamespace(t *testing.T) {
	t.Parallel()
	bus := streamstest.Bus(t, streamstest.Server(t))
	ctx := streamstest.Context(t)
	defer respond(t, bus, "database.get", func(context.Context, event.Envelope) (any, error) {
		return map[string]any{"success": true}, nil
	})()
	for _, c := range []struct {
		pattern string
		send    func()
		want    string
	}{
		{"cytube.*", func() { streamstest.Publish(t, bus, "cytube.user.leave", event.UserLeave{User: "a", Channel: "c"}) }, "cytube.user.leave"},
		{"plugin.*.command", func() { streamstest.Publish(t, bus, "plugin.x.command", event.Command{Command: "c", User: "u"}) }, "plugin.x.command"},
		{"platform.*", func() { streamstest.Publish(t, bus, "platform.shutdown", event.Shutdown{Reason: "r"}) }, "platform.shutdown"},
		{"database.*", func() {
			if _, err := bus.Request(ctx, "database.get", event.Get{Collection: "c", ID: "1"}); err != nil {
				t.Error(err)
			}
		}, "database.get"},
	} {
		got := make(chan streams.Stored, 1)
		sub, err := bus.Subscribe(ctx, c.pattern, func(_ context.Context, s streams.Stored) { got <- s })
		if err != nil {
			t.Fatal(err)
		}
		c.send()
		select {
		case s := <-got:
			if s.Subject != c.want {
				t.Errorf("%s: got %s, want %s", c.pattern, s.Subject, c.want)
			}
		case <-ctx.Done():
			t.Errorf("%s: nothing came", c.pattern)
		}
		sub.Stop()
	}
}

func TestSubscribersPublishInTheSameConversation(t *testing.T) {
	t.Parallel()
	bus := streamstest.Bus(t, streamstest.Server(t))
	ctx := streamstest.Context(t)
	replies := make(chan streams.Stored, 1)
	for pattern, h := range map[string]func(context.Context, streams.Stored){
		event.SubjectChat: func(ctx context.Context, _ streams.Stored) {
			e, err := event.New(event.SubjectSendChat, event.SendChat{Message: "Done!"})
			if err == nil {
				_, err = bus.Publish(ctx, e)
			}
			if err != nil {
				t.Error(err)
			}
		},
		event.AllSends: func(_ context.Context, s streams.Stored) { replies <- s },
	} {
		sub, err := bus.Subscribe(ctx, pattern, h)
		if err != nil {
			t.Fatal(err)
		}
		defer sub.Stop()
	}
	e, err := event.New(event.SubjectChat, event.Chat{User: "alice", Message: "!roll", Channel: "main"})
	if err != nil {
		t.Fatal(err)
	}
	e.CorrelationID = "550e8400-e29b-41d4-a716-446655440000"
	ack, err := bus.Publish(ctx, e)
	if err != nil {
		t.Fatal(err)
	}
	select {
	case s := <-replies:
		if cause, _ := s.Causation(); s.CorrelationID != e.CorrelationID || cause != ack.Ref {
			t.Errorf("reply has correlation %s and cause %s", s.CorrelationID, cause)
		}
	case <-ctx.Done():
		t.Fatal("no reply came")
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
		t.Errorf("without patience it tried %d times: %v", tries, err)
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

// A timer that would age out of the stream before it fires is refused, by what
// the stream's age really is.
func TestTimerTooFarAhead(t *testing.T) {
	t.Parallel()
	bus := streamstest.Bus(t, streamstest.Server(t))
	ctx := streamstest.Context(t)
	set := func(in time.Duration) error {
		t.Helper()
		e, err := event.New("plugin.t.event.due", map[string]any{})
		if err != nil {
			t.Fatal(err)
		}
		_, err = bus.Publish(ctx, e, streams.At(time.Now().Add(in), "x"))
		return err
	}
	limit := func(age time.Duration) {
		t.Helper()
		if err := streams.Open(ctx, bus.JetStream(), streams.Options{Limits: map[string]streams.Limits{streams.Timer: {MaxAge: age}}}); err != nil {
			t.Fatal(err)
		}
	}
	const day = 24 * time.Hour
	if err := set(89 * day); err != nil {
		t.Errorf("89 days: %v", err)
	}
	if err := set(91 * day); event.CodeOf(err) != event.InvalidInput || !strings.Contains(err.Error(), "2160h") {
		t.Errorf("91 days: %v", err)
	}
	limit(2 * day)
	if err := set(3 * day); event.CodeOf(err) != event.InvalidInput {
		t.Errorf("3 days where 2 are kept: %v", err)
	}
}

// A timer is kept by JetStream, fires once in the conversation that set it, is
// replaced by one of the same name, and can be cancelled.
func TestTimers(t *testing.T) {
	streamstest.Slow(t, "waits for timers")
	t.Parallel()
	bus := streamstest.Bus(t, streamstest.Server(t))
	ctx := propagation.WithCause(streamstest.Context(t), "corr", event.Ref{Stream: "PLUGIN", Seq: 9})
	fired := make(chan streams.Stored, 8)
	sub, err := bus.Subscribe(ctx, "plugin.t.event.>", func(_ context.Context, s streams.Stored) { fired <- s })
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Stop()
	set := func(timer, text string, in time.Duration) {
		t.Helper()
		e, err := event.New("plugin.t.event.due", map[string]any{"text": text})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := bus.Publish(ctx, e, streams.At(time.Now().Add(in), timer)); err != nil {
			t.Fatal(err)
		}
	}
	set("cancelled", "never", time.Hour)
	set("replaced", "never", time.Hour)
	set("replaced", "second", time.Second)
	set("last", "last", 2*time.Second)
	if err := bus.CancelTimer(ctx, "t", "cancelled", math.MaxUint64); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"second", "last"} {
		select {
		case s := <-fired:
			cause, _ := s.Causation()
			if string(s.Data) != `{"text":"`+want+`"}` || s.Subject != "plugin.t.event.due" || s.CorrelationID != "corr" || cause.Seq != 9 {
				t.Errorf("fired %s on %s, correlation %s, cause %s; want text %s", s.Data, s.Subject, s.CorrelationID, cause, want)
			}
		case <-ctx.Done():
			t.Fatal("a timer did not fire")
		}
	}
	stream, err := bus.JetStream().Stream(ctx, streams.Plugin)
	if err != nil {
		t.Fatal(err)
	}
	if n := stream.CachedInfo().State.Msgs; n != 2 {
		t.Errorf("the stream holds %d messages, want the 2 that fired", n)
	}
	timers, err := bus.JetStream().Stream(ctx, streams.Timer)
	if err != nil {
		t.Fatal(err)
	}
	info, err := timers.Info(ctx, jetstream.WithSubjectFilter(event.AllSchedules))
	if err != nil {
		t.Fatal(err)
	}
	if waiting := info.State.Subjects; len(waiting) > 0 {
		t.Errorf("timers that were replaced or cancelled still wait: %v", waiting)
	}
}

// A timer that is set again in the moment in which it fires fires again.
func TestTimerSetAgainWhileItFires(t *testing.T) {
	streamstest.Slow(t, "waits for timers")
	t.Parallel()
	const timers = 500
	bus := streamstest.Bus(t, streamstest.Server(t))
	ctx := streamstest.Context(t)
	fired := make(chan string, 2*timers)
	sub, err := bus.Subscribe(ctx, "plugin.t.event.>", func(_ context.Context, s streams.Stored) { fired <- string(s.Data) })
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Stop()
	set := func(n int, again bool, at time.Time) {
		t.Helper()
		e, err := event.New("plugin.t.event.due", map[string]any{"again": again, "n": n})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := bus.Publish(ctx, e, streams.At(at, fmt.Sprint(n))); err != nil {
			t.Fatal(err)
		}
	}
	soon := time.Now().Add(2 * time.Second)
	for n := range timers {
		set(n, false, soon)
	}
	// Some of them fire while they are set again.
	select {
	case <-fired:
	case <-ctx.Done():
		t.Fatal("no timer fired")
	}
	var setting sync.WaitGroup
	for n := range timers {
		setting.Go(func() { set(timers-1-n, true, time.Now()) })
	}
	setting.Wait()
	for again := map[string]bool{}; len(again) < timers; {
		select {
		case data := <-fired:
			if strings.Contains(data, `"again":true`) {
				again[data] = true
			}
		case <-ctx.Done():
			t.Fatalf("%d timers of %d fired again", len(again), timers)
		}
	}
}
