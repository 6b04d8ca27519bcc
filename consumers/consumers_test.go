package consumers_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/consumers"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

func TestMain(m *testing.M) { streamstest.Main(m) }

// start runs a consumer of plugin.t.command until the test ends or stop is
// called; settled gets each outcome that c.Observe does not.
func start(t *testing.T, bus *streams.Bus, c consumers.Config, h consumers.Handler) (settled chan consumers.Outcome, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(streamstest.Context(t))
	settled = make(chan consumers.Outcome, 1000)
	c.Durable, c.Stream, c.Name = "plugin-t", streams.Plugin, "t"
	if c.Subjects == nil {
		c.Subjects = []string{event.CommandSubject("t")}
	}
	if c.Observe == nil {
		c.Observe = func(o consumers.Outcome) { settled <- o }
	}
	ended := make(chan error, 1)
	go func() { ended <- consumers.Run(ctx, bus, c, h) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return settled, stop
}

func command(t *testing.T, bus *streams.Bus, name string) event.Ref {
	t.Helper()
	e, err := event.New(event.CommandSubject("t"), event.Command{Command: name, User: "alice", Channel: "main"})
	if err != nil {
		t.Fatal(err)
	}
	e.CorrelationID = "corr-" + name
	ack, err := bus.Publish(t.Context(), e)
	if err != nil {
		t.Fatal(err)
	}
	return ack.Ref
}

func say(t *testing.T, text string) event.Envelope {
	t.Helper()
	e, err := event.New(event.SubjectSendChat, event.SendChat{Message: text})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func next[T any](t *testing.T, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(3 * time.Minute):
		t.Fatal("waited in vain")
		panic("unreachable")
	}
}

func only(all []streams.Stored, subject string) []streams.Stored {
	return slices.DeleteFunc(slices.Clone(all), func(s streams.Stored) bool { return s.Subject != subject })
}

var quick = []time.Duration{time.Millisecond, time.Millisecond}

func TestOutputsCarryIDsCorrelationAndCause(t *testing.T) {
	t.Parallel()
	bus := streamstest.Bus(t, streamstest.Server(t))
	settled, _ := start(t, bus, consumers.Config{}, func(ctx context.Context, d streams.Stored) ([]event.Envelope, error) {
		if _, err := consumers.PublisherFrom(ctx).Publish(ctx, say(t, "early")); err != nil {
			return nil, err
		}
		return []event.Envelope{say(t, "late"), say(t, "later")}, nil
	})
	cause := command(t, bus, "x")
	o := next(t, settled)
	if o.Result != consumers.Handled || o.Attempt != 1 {
		t.Errorf("outcome %+v", o)
	}
	sends := streamstest.Stored(t, bus, streams.Cytube)
	if len(sends) != 3 {
		t.Fatalf("%d sends, want 3", len(sends))
	}
	for i, s := range sends {
		waited, err := s.Metadata[event.MetaWaited].(json.Number).Float64()
		if err != nil || time.Duration(waited*1e9).Round(time.Microsecond) != o.Waited.Round(time.Microsecond) {
			t.Errorf("send %d says that its cause waited %v s, want %v", i, waited, o.Waited)
		}
		got, _ := s.Causation()
		want := fmt.Sprintf("plugin-t/%s/%s", cause, []string{"early/1", "1", "2"}[i])
		if s.Header.Get(nats.MsgIdHdr) != want || s.CorrelationID != "corr-x" || got != cause || s.Meta(event.MetaSource) != "plugin-t" {
			t.Errorf("send %d: id %q, correlation %q, cause %s, source %q", i, s.Header.Get(nats.MsgIdHdr), s.CorrelationID, got, s.Meta(event.MetaSource))
		}
	}
}

// A redelivered command gives one reply, whatever the first attempt got done.
func TestRedeliveryRepeatsNothing(t *testing.T) {
	t.Parallel()
	bus := streamstest.Bus(t, streamstest.Server(t))
	settled, _ := start(t, bus, consumers.Config{Backoff: quick}, func(ctx context.Context, d streams.Stored) ([]event.Envelope, error) {
		p := consumers.PublisherFrom(ctx)
		if _, err := p.Publish(ctx, say(t, "one")); err != nil {
			return nil, err
		}
		if d.Attempt == 1 {
			return nil, errors.New("died between two publishes")
		}
		return []event.Envelope{say(t, "two")}, nil
	})
	command(t, bus, "x")
	first, second := next(t, settled), next(t, settled)
	if first.Result != consumers.Retried || second.Result != consumers.Handled || second.Duplicates != 1 {
		t.Errorf("outcomes %+v and %+v", first, second)
	}
	sends := streamstest.Stored(t, bus, streams.Cytube)
	if len(sends) != 2 || sends[1].Metadata[event.MetaAttempt] != json.Number("2") {
		t.Errorf("sends %+v, want one and two, the latter marked as made by attempt 2", sends)
	}
}

// An acknowledgement lost in a crash brings the event again to another process
// with the same durable; what it publishes is recognised.
func TestLostAckIsRedeliveredToAnotherProcess(t *testing.T) {
	t.Parallel()
	server := streamstest.Server(t)
	bus := streamstest.Bus(t, server)
	js := bus.JetStream()
	cause := command(t, bus, "x")
	// The first process publishes its reply and dies before the ack.
	c, err := js.CreateConsumer(t.Context(), streams.Plugin, jetstream.ConsumerConfig{
		Durable: "plugin-t", FilterSubject: event.CommandSubject("t"), AckPolicy: jetstream.AckExplicitPolicy, AckWait: 100 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Next(); err != nil {
		t.Fatal(err)
	}
	if _, err := bus.Publish(t.Context(), say(t, "reply"), streams.WithMsgID("plugin-t/"+cause.String()+"/1")); err != nil {
		t.Fatal(err)
	}
	settled, _ := start(t, bus, consumers.Config{AckWait: 100 * time.Millisecond}, func(context.Context, streams.Stored) ([]event.Envelope, error) {
		return []event.Envelope{say(t, "reply again")}, nil
	})
	if o := next(t, settled); o.Result != consumers.Handled || o.Attempt != 2 || o.Duplicates != 1 {
		t.Errorf("outcome %+v", o)
	}
	if sends := streamstest.Stored(t, bus, streams.Cytube); len(sends) != 1 {
		t.Errorf("%d sends, want 1", len(sends))
	}
}

func TestDeadLetters(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		handler  func() error
		body     string // published raw instead of a command
		attempts int
		says     string
		stack    bool
	}{
		{name: "error", handler: func() error { return errors.New("no luck") }, attempts: 3, says: "no luck"},
		{name: "panic", handler: func() error { panic("boom") }, attempts: 3, says: "boom", stack: true},
		{name: "permanent", handler: func() error { return consumers.Permanent(errors.New("hopeless")) }, attempts: 1, says: "hopeless"},
		{name: "no JSON", body: `{"subject":`, attempts: 1, says: "malformed event"},
		{name: "no user", body: `{"command":"x"}`, attempts: 1, says: "user is required"},
		{name: "wrong subject", body: `{"subject":"cytube.chat","data":{}}`, attempts: 1, says: "the event came on"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			bus := streamstest.Bus(t, streamstest.Server(t))
			settled, _ := start(t, bus, consumers.Config{Backoff: quick}, func(context.Context, streams.Stored) ([]event.Envelope, error) {
				return nil, c.handler()
			})
			if c.body == "" {
				command(t, bus, "x")
			} else if _, err := bus.JetStream().Publish(t.Context(), event.CommandSubject("t"), []byte(c.body)); err != nil {
				t.Fatal(err)
			}
			for range c.attempts - 1 {
				if o := next(t, settled); o.Result != consumers.Retried {
					t.Errorf("outcome %+v, want a retry", o)
				}
			}
			if o := next(t, settled); o.Result != consumers.Dead {
				t.Errorf("outcome %+v, want a dead letter", o)
			}
			all := streamstest.Stored(t, bus, streams.Plugin)
			letters := only(all, event.EventSubject("t", event.TypeDeadLetter))
			if len(letters) != 1 {
				t.Fatalf("%d dead letters, want 1", len(letters))
			}
			l, err := event.As[event.DeadLetter](letters[0].Envelope)
			if err != nil {
				t.Fatal(err)
			}
			if l.Stream != streams.Plugin || l.Seq != 1 || l.Subject != event.CommandSubject("t") || l.Attempts != c.attempts ||
				!strings.Contains(l.Error, c.says) || (l.Stack != "") != c.stack {
				t.Errorf("dead letter %+v", l)
			}
			if c.body == "" && letters[0].CorrelationID != "corr-x" {
				t.Errorf("the dead letter has correlation %q", letters[0].CorrelationID)
			}
			if len(all) != 2 {
				t.Errorf("the stream holds %d events, want the event itself and its dead letter", len(all))
			}
			idle(t, bus)
		})
	}
}

// idle waits until the consumer has nothing to do: the server is told that an event
// is settled, and does not say when it has taken note of it.
func idle(t *testing.T, bus *streams.Bus) *jetstream.ConsumerInfo {
	t.Helper()
	ctx := streamstest.Context(t)
	for {
		info := consumer(t, bus)
		if info.NumPending == 0 && info.NumAckPending == 0 {
			return info
		}
		select {
		case <-ctx.Done():
			t.Fatalf("still pending: %d, unacknowledged: %d", info.NumPending, info.NumAckPending)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func consumer(t *testing.T, bus *streams.Bus) *jetstream.ConsumerInfo {
	t.Helper()
	c, err := bus.JetStream().Consumer(t.Context(), streams.Plugin, "plugin-t")
	if err != nil {
		t.Fatal(err)
	}
	return c.CachedInfo()
}

func TestMistakesInOutputsAreNamedAndPublishNothing(t *testing.T) {
	t.Parallel()
	bus := streamstest.Bus(t, streamstest.Server(t))
	for name, c := range map[string]struct {
		out  event.Envelope
		says string
	}{
		"foreign subject": {event.Envelope{Subject: "cytube.chat", Data: []byte(`{}`)}, "may publish plugin.t.event"},
		"invalid payload": {event.Envelope{Subject: event.SubjectSendChat, Data: []byte(`{"message":1}`)}, "message must be a string"},
	} {
		settled, stop := start(t, bus, consumers.Config{Allow: func(s string) error { return event.Owned("t", s) }},
			func(context.Context, streams.Stored) ([]event.Envelope, error) {
				return []event.Envelope{say(t, "good"), c.out}, nil
			})
		command(t, bus, "x")
		if o := next(t, settled); o.Result != consumers.Dead || !strings.Contains(o.Err.Error(), c.says) {
			t.Errorf("%s: outcome %+v, want a dead letter that says %q", name, o, c.says)
		}
		stop()
	}
	if sends := streamstest.Stored(t, bus, streams.Cytube); len(sends) != 0 {
		t.Errorf("%d events were published, want none", len(sends))
	}
}

func TestOldEventsExpireVisibly(t *testing.T) {
	t.Parallel()
	bus := streamstest.Bus(t, streamstest.Server(t))
	command(t, bus, "old")
	settled, _ := start(t, bus, consumers.Config{MaxAge: time.Nanosecond}, func(context.Context, streams.Stored) ([]event.Envelope, error) {
		t.Error("an expired command was handled")
		return nil, nil
	})
	if o := next(t, settled); o.Result != consumers.Expired {
		t.Errorf("outcome %+v", o)
	}
	expired := only(streamstest.Stored(t, bus, streams.Plugin), event.EventSubject("t", event.TypeExpired))
	if len(expired) != 1 || expired[0].CorrelationID != "corr-old" {
		t.Fatalf("expired events: %+v", expired)
	}
	err := consumers.Run(t.Context(), bus, consumers.Config{Durable: "d", Stream: streams.Plugin, MaxAge: time.Hour}, nil)
	if err == nil || !strings.Contains(err.Error(), "max_age") {
		t.Errorf("a max_age beyond the duplicate window: %v", err)
	}
}

// An event of a plugin's own is no expiration, whatever its type ends in.
func TestOwnEventsAreNoExpirations(t *testing.T) {
	t.Parallel()
	bus := streamstest.Bus(t, streamstest.Server(t))
	settled, _ := start(t, bus, consumers.Config{}, func(context.Context, streams.Stored) ([]event.Envelope, error) {
		e, err := event.New(event.EventSubject("t", "coupon", event.TypeExpired), map[string]any{"code": "X"})
		return []event.Envelope{e}, err
	})
	command(t, bus, "x")
	if o := next(t, settled); o.Result != consumers.Handled {
		t.Errorf("outcome %+v", o)
	}
}

// A handler that takes longer than AckWait keeps its event.
func TestLongHandlersAreNotRedelivered(t *testing.T) {
	streamstest.Slow(t, "waits longer than AckWait")
	t.Parallel()
	bus := streamstest.Bus(t, streamstest.Server(t))
	const ackWait = 3 * time.Second // of which a heartbeat on a busy machine may take two
	settled, _ := start(t, bus, consumers.Config{AckWait: ackWait}, func(ctx context.Context, d streams.Stored) ([]event.Envelope, error) {
		select {
		case <-ctx.Done():
		case <-time.After(ackWait + ackWait/2):
		}
		return nil, ctx.Err()
	})
	command(t, bus, "x")
	if o := next(t, settled); o.Attempt != 1 || o.Result != consumers.Handled {
		t.Errorf("outcome %+v", o)
	}
	if info := idle(t, bus); info.NumRedelivered != 0 {
		t.Errorf("%d were redelivered", info.NumRedelivered)
	}
}

// What was begun when the process is told to stop is finished, and a restart
// goes on with the next command.
func TestStopFinishesAndRestartResumes(t *testing.T) {
	t.Parallel()
	bus := streamstest.Bus(t, streamstest.Server(t))
	// Another command may begin before the stop arrives; it must not block that.
	begun, finish := make(chan string, 2), make(chan struct{})
	handler := func(ctx context.Context, d streams.Stored) ([]event.Envelope, error) {
		c, err := event.As[event.Command](d.Envelope)
		begun <- c.Command
		<-finish
		return nil, errors.Join(err, ctx.Err())
	}
	settled, stop := start(t, bus, consumers.Config{}, handler)
	command(t, bus, "a")
	command(t, bus, "b")
	next(t, begun)
	go stop()
	close(finish)
	if o := next(t, settled); o.Result != consumers.Handled {
		t.Errorf("outcome %+v", o)
	}
	stop()
	finish = make(chan struct{})
	close(finish)
	_, _ = start(t, bus, consumers.Config{AckWait: 100 * time.Millisecond}, handler)
	if got := next(t, begun); got != "b" {
		t.Errorf("resumed at %s, want b", got)
	}
}

func TestPausedConsumerStaysPausedAcrossRestarts(t *testing.T) {
	t.Parallel()
	bus := streamstest.Bus(t, streamstest.Server(t))
	handler := func(context.Context, streams.Stored) ([]event.Envelope, error) { return nil, nil }
	settled, stop := start(t, bus, consumers.Config{}, handler)
	command(t, bus, "a")
	next(t, settled)
	stop()
	js := bus.JetStream()
	if _, err := js.PauseConsumer(t.Context(), streams.Plugin, "plugin-t", time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	settled, _ = start(t, bus, consumers.Config{}, handler)
	command(t, bus, "b")
	for consumer(t, bus).NumWaiting == 0 {
		select {
		case o := <-settled:
			t.Fatalf("handled while paused: %+v", o)
		case <-time.After(5 * time.Millisecond):
		}
	}
	if info := consumer(t, bus); !info.Paused || info.NumPending != 1 {
		t.Errorf("paused %v, pending %d", info.Paused, info.NumPending)
	}
	if _, err := js.ResumeConsumer(t.Context(), streams.Plugin, "plugin-t"); err != nil {
		t.Fatal(err)
	}
	next(t, settled)
}

// What a handler does before it ends may differ between attempts; what it
// returns keeps its numbers all the same.
func TestOutputsKeepTheirIDsWhateverWasDoneBefore(t *testing.T) {
	t.Parallel()
	bus := streamstest.Bus(t, streamstest.Server(t))
	settled, _ := start(t, bus, consumers.Config{Backoff: quick}, func(ctx context.Context, d streams.Stored) ([]event.Envelope, error) {
		p := consumers.PublisherFrom(ctx)
		if d.Attempt == 1 {
			if _, err := p.Publish(ctx, say(t, "early")); err != nil {
				return nil, err
			}
			if _, err := p.Request(ctx, event.SubjectGet, event.Get{Collection: "c", ID: "1"}, streams.Within(time.Millisecond)); err == nil {
				t.Error("a request to nobody was answered")
			}
			// The first output goes out, and then the process dies.
			if _, err := bus.Publish(ctx, say(t, "late"), streams.WithMsgID("plugin-t/"+d.Ref.String()+"/1")); err != nil {
				return nil, err
			}
			return nil, errors.New("died")
		}
		return []event.Envelope{say(t, "late")}, nil
	})
	command(t, bus, "x")
	next(t, settled)
	if o := next(t, settled); o.Result != consumers.Handled || o.Duplicates != 1 {
		t.Errorf("outcome %+v", o)
	}
	if sends := streamstest.Stored(t, bus, streams.Cytube); len(sends) != 2 {
		t.Errorf("%d sends, want early and late", len(sends))
	}
}

// A consumer that does not exist yet begins where it is told; one that exists
// goes on where it was.
func TestSince(t *testing.T) {
	t.Parallel()
	bus := streamstest.Bus(t, streamstest.Server(t))
	seen := make(chan string, 8)
	handler := func(_ context.Context, d streams.Stored) ([]event.Envelope, error) {
		seen <- d.CorrelationID
		return nil, nil
	}
	command(t, bus, "old")
	// The server's clock gives events their time, and it is this machine's.
	since := time.Now()
	command(t, bus, "new")
	_, stop := start(t, bus, consumers.Config{Since: since}, handler)
	if got := next(t, seen); got != "corr-new" {
		t.Errorf("began with %s", got)
	}
	stop()
	command(t, bus, "missed")
	start(t, bus, consumers.Config{Since: time.Now().Add(time.Hour)}, handler)
	if got := next(t, seen); got != "corr-missed" {
		t.Errorf("went on with %s", got)
	}
}
