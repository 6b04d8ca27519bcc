package consumers_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/consumers"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

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

// An attempt that stored its first output and died uses up no ID of the record that
// the event expired before the next one, and a repeat of the record is a duplicate.
func TestExpirationAfterAnAttemptThatDied(t *testing.T) {
	t.Parallel()
	bus := streamstest.Bus(t, streamstest.Server(t))
	old := command(t, bus, "old")
	first, err := event.New(event.EventSubject("t", "rolled"), map[string]any{"total": 7})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bus.Publish(t.Context(), first, streams.WithMsgID("plugin-t/"+old.String()+"/1")); err != nil {
		t.Fatal(err)
	}
	settled, _ := start(t, bus, consumers.Config{MaxAge: time.Nanosecond}, func(context.Context, streams.Stored) ([]event.Envelope, error) {
		t.Error("an expired command was handled")
		return nil, nil
	})
	if o := next(t, settled); o.Result != consumers.Expired || o.Duplicates != 0 {
		t.Errorf("outcome %+v", o)
	}
	expired := only(streamstest.Stored(t, bus, streams.Plugin), event.EventSubject("t", event.TypeExpired))
	if len(expired) != 1 {
		t.Fatalf("%d records of the expiration, want 1", len(expired))
	}
	if id, want := expired[0].Header.Get(jetstream.MsgIDHeader), "plugin-t/"+old.String()+"/expired/1"; id != want {
		t.Errorf("the record has ID %q, want %q", id, want)
	}
}

// A denial and the routed command, of two attempts between which the rank changed, are
// different events; what is returned beside a notice keeps its number.
func TestNoticesAreNumberedByKind(t *testing.T) {
	t.Parallel()
	bus := streamstest.Bus(t, streamstest.Server(t))
	denied, err := event.New(event.EventSubject("t", event.TypeDenied), event.Denied{
		EventType: event.TypeDenied, Error: "no", Code: event.PermissionDenied, Details: map[string]any{}, Channel: "main",
	})
	if err != nil {
		t.Fatal(err)
	}
	settled, _ := start(t, bus, consumers.Config{Backoff: quick}, func(ctx context.Context, d streams.Stored) ([]event.Envelope, error) {
		if d.Attempt == 1 {
			// Stored by an attempt that routed the command, and died.
			_, err := bus.Publish(ctx, event.Envelope{Subject: event.EventSubject("t", "routed"), Data: []byte(`{}`)}, streams.WithMsgID("plugin-t/"+d.Ref.String()+"/1"))
			return nil, errors.Join(err, errors.New("died"))
		}
		return []event.Envelope{denied, say(t, "no")}, nil
	})
	cause := command(t, bus, "x")
	next(t, settled)
	if o := next(t, settled); o.Result != consumers.Handled || o.Duplicates != 0 {
		t.Errorf("outcome %+v", o)
	}
	if n := len(only(streamstest.Stored(t, bus, streams.Plugin), event.EventSubject("t", event.TypeDenied))); n != 1 {
		t.Errorf("%d denials are recorded, want 1", n)
	}
	said := streamstest.Stored(t, bus, streams.Cytube)
	if len(said) != 1 || said[0].Header.Get(jetstream.MsgIDHeader) != "plugin-t/"+cause.String()+"/2" {
		t.Errorf("said %+v, want one line with number 2", said)
	}
}

// A plugin's own event is no expiration, even if its type ends in "expired".
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
