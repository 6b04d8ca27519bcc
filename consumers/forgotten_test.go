package consumers_test

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/rosey-bot/rosey/consumers"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/msgid"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// An output that is stored is not stored again where the server has forgotten its message
// ID, or gets it under another secret.
func TestOutputsAreFoundWithoutTheirIDs(t *testing.T) {
	t.Parallel()
	streamstest.Slow(t, "a server for each case")
	for what, test := range map[string]func(*testing.T){
		"the duplicate window of an earlier attempt is over":                   outputsFoundAfterTheWindow,
		"another process has handled the event meanwhile":                      outputsFoundOfAnotherProcess,
		"the secret is another":                                                func(t *testing.T) { outputsFoundUnderAnotherSecret(t, false) },
		"the secret is another, and the server has lost count of the attempts": func(t *testing.T) { outputsFoundUnderAnotherSecret(t, true) },
	} {
		t.Run(what, func(t *testing.T) { t.Parallel(); test(t) })
	}
}

func outputsFoundAfterTheWindow(t *testing.T) {
	bus := forgetful(t, streamstest.Bus(t, streamstest.Server(t)))
	settled, _ := start(t, bus, consumers.Config{Backoff: quick}, func(ctx context.Context, d streams.Stored) ([]event.Envelope, error) {
		if _, err := consumers.PublisherFrom(ctx).Publish(ctx, say(t, "one")); err != nil || d.Attempt > 1 {
			return []event.Envelope{say(t, "two")}, err
		}
		awaitForgotten(ctx, t, bus)
		return nil, errors.New("died between two publishes")
	})
	command(t, bus, "x")
	next(t, settled)
	expectSends(t, bus, next(t, settled), "one", "two")
}

func outputsFoundOfAnotherProcess(t *testing.T) {
	bus := forgetful(t, streamstest.Bus(t, streamstest.Server(t)))
	const frozen = 50 * time.Millisecond
	settled, _ := start(t, bus, consumers.Config{AckWait: frozen}, func(ctx context.Context, d streams.Stored) ([]event.Envelope, error) {
		if d.Attempt == 1 { // else the heartbeats came late, and the event once more
			if _, err := bus.As("plugin-t").Publish(ctx, say(t, "one"), streams.WithMsgID("plugin-t/"+d.Ref.String()+"/1")); err != nil {
				return nil, err
			}
			awaitForgotten(ctx, t, bus)
			<-time.After(frozen)
		}
		return []event.Envelope{say(t, "one"), say(t, "two")}, nil
	})
	command(t, bus, "x")
	expectSends(t, bus, next(t, settled), "one", "two")
}

func outputsFoundUnderAnotherSecret(t *testing.T, lostCount bool) {
	bare := streamstest.Bus(t, streamstest.Server(t))
	handle := func(ctx context.Context, _ streams.Stored) ([]event.Envelope, error) {
		_, err := consumers.PublisherFrom(ctx).Publish(ctx, say(t, "one"))
		return []event.Envelope{say(t, "two")}, err
	}
	handledButNotSettled(t, bare, handle)
	if lostCount { // as when it is killed before it has written the consumer's file
		if _, err := bare.JetStream().ResetConsumer(streamstest.Context(t), streams.Plugin, "plugin-t"); err != nil {
			t.Fatal(err)
		}
	}
	signer, err := msgid.OpenSigner(streamstest.Context(t), bare.JetStream(), 1)
	if err != nil {
		t.Fatal(err)
	}
	other := streams.NewBus(bare.Conn(), bare.JetStream(), streams.WithMessageIDSigner(signer))
	settled, _ := start(t, other, consumers.Config{}, handle)
	expectSends(t, other, next(t, settled), "one", "two")
}

// handledButNotSettled runs a process that ends once it has handled a command, before it
// acknowledges it.
func handledButNotSettled(t *testing.T, bare *streams.Bus, handle consumers.Handler) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	bus := signed(t, bare)
	cfg := consumers.Config{Durable: "plugin-t", Stream: streams.Plugin, Name: "t", Subjects: []string{event.CommandSubject("t")}}
	cfg.Observe = func(consumers.Outcome) { cancel() }
	if err := consumers.Open(ctx, bus, cfg); err != nil { // else it is younger than the command
		t.Fatal(err)
	}
	command(t, bus, "x")
	// It stops as soon as an attempt has failed, but may get the event again before that.
	err := consumers.Run(ctx, bus, cfg, func(ctx context.Context, d streams.Stored) ([]event.Envelope, error) {
		_, err := handle(ctx, d)
		return nil, cmp.Or(err, consumers.ErrStopping)
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}

// A durable that was made again handles what it had settled since its checkpoint once more,
// as a first attempt.
func TestOutputsAreFoundAfterTheDurableWasLost(t *testing.T) {
	t.Parallel()
	bare := streamstest.Bus(t, streamstest.Server(t))
	handle := func(context.Context, streams.Stored) ([]event.Envelope, error) {
		return []event.Envelope{say(t, "one")}, nil
	}
	settled, stop := start(t, signed(t, bare), consumers.Config{}, handle)
	command(t, bare, "x")
	next(t, settled)
	stop()
	if err := bare.JetStream().DeleteConsumer(t.Context(), streams.Plugin, "plugin-t"); err != nil {
		t.Fatal(err)
	}
	other := signed(t, bare)
	settled, _ = start(t, other, consumers.Config{}, handle)
	expectSends(t, other, next(t, settled), "one")
}

// forgetful makes the server forget the message IDs of sends at once.
func forgetful(t *testing.T, bus *streams.Bus) *streams.Bus {
	t.Helper()
	streamstest.ForgetMessageIDs(t, bus.JetStream(), streams.Cytube)
	return bus
}

// awaitForgotten waits until the server has forgotten the IDs of sends until now.
func awaitForgotten(ctx context.Context, t *testing.T, bus *streams.Bus) {
	t.Helper()
	streamstest.AwaitForgotten(ctx, t, bus, event.SubjectUserJoin, event.UserJoin{User: "probe", Channel: "main"})
}

// signed returns the bus with a new secret.
func signed(t *testing.T, bus *streams.Bus) *streams.Bus {
	t.Helper()
	elsewhere := streamstest.Bus(t, streamstest.Server(t))
	s, err := msgid.OpenSigner(streamstest.Context(t), elsewhere.JetStream(), 1)
	if err != nil {
		t.Fatal(err)
	}
	return streams.NewBus(bus.Conn(), bus.JetStream(), streams.WithMessageIDSigner(s))
}

// expectSends checks that an event was handled and what was said because of it.
func expectSends(t *testing.T, bus *streams.Bus, o consumers.Outcome, want ...string) {
	t.Helper()
	if o.Result != consumers.Handled || o.Duplicates != 1 {
		t.Errorf("outcome %+v", o)
	}
	var said []string
	for _, s := range only(streamstest.Stored(t, bus, streams.Cytube), event.SubjectSendChat) {
		if send, err := event.As[event.SendChat](s.Envelope); err == nil {
			said = append(said, send.Message)
		}
	}
	if !slices.Equal(said, want) {
		t.Errorf("it said %q, want %q", said, want)
	}
}
