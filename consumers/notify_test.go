package consumers_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/consumers"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

const (
	tried  = "alice: x did not work yet, trying again"
	failed = "alice: x failed, an operator can see why (rosey dead ls)"
)

// lines returns what was said, oldest first.
func lines(t *testing.T, bus *streams.Bus) (said []string) {
	t.Helper()
	for _, s := range streamstest.Stored(t, bus, streams.Cytube) {
		chat, err := event.As[event.SendChat](s.Envelope)
		if err != nil {
			t.Fatal(err)
		}
		said = append(said, chat.Message)
	}
	return said
}

// The first failed attempt and the dead letter are reported to the user, each once, and
// nothing else is.
func TestUserIsToldOfFailures(t *testing.T) {
	t.Parallel()
	streamstest.Slow(t, "a server for each case")
	broken, outage := errors.New("broken"), event.Errorf(event.NATSError, "no answer")
	for name, c := range map[string]struct {
		errs     []error // of the attempts
		event    bool    // of a plugin, not a command
		disabled bool
		want     []string
	}{
		"works":                {errs: []error{nil}},
		"works later":          {errs: []error{broken, broken, nil}, want: []string{tried}},
		"never works":          {errs: []error{broken, broken, broken}, want: []string{tried, failed}},
		"permanent":            {errs: []error{consumers.Permanent(broken)}, want: []string{failed}},
		"permanent later":      {errs: []error{broken, consumers.Permanent(broken)}, want: []string{tried, failed}},
		"the process stops":    {errs: []error{consumers.ErrStopping, nil}},
		"an outage":            {errs: []error{outage, nil}},
		"an outage that lasts": {errs: []error{outage, outage, outage}, want: []string{failed}},
		"an event":             {errs: []error{broken, broken, broken}, event: true},
		"nobody is to be told": {errs: []error{broken, broken, broken}, disabled: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bus := streamstest.Bus(t, streamstest.Server(t))
			config := consumers.Config{Backoff: quick, NotifyUser: !c.disabled, Subjects: []string{event.CommandSubject("t"), event.EventSubject("t", "x")}}
			settled, _ := start(t, bus, config, func(_ context.Context, d streams.Stored) ([]event.Envelope, error) {
				return nil, c.errs[d.Attempt-1]
			})
			if c.event {
				streamstest.Publish(t, bus, event.EventSubject("t", "x"), map[string]any{"command": "x", "user": "alice", "channel": "main"})
			} else {
				command(t, bus, "x")
			}
			for range c.errs {
				next(t, settled)
			}
			if got := lines(t, bus); !slices.Equal(got, c.want) {
				t.Errorf("said %q, want %q", got, c.want)
			}
		})
	}
}

// The lines are said in the command's channel and conversation, with what was typed, and
// have IDs of their own: the handler's answers keep their numbers.
func TestLinesAboutFailuresHaveTheirOwnIDs(t *testing.T) {
	t.Parallel()
	bus := streamstest.Bus(t, streamstest.Server(t))
	settled, _ := start(t, bus, consumers.Config{Backoff: quick, NotifyUser: true}, func(_ context.Context, d streams.Stored) ([]event.Envelope, error) {
		if d.Attempt == 1 {
			panic("boom")
		}
		return []event.Envelope{say(t, "8")}, nil
	})
	cause := streamstest.Publish(t, bus, event.CommandSubject("t"), event.Command{Command: "roll", User: "alice", Channel: "main", RawMessage: "?roll 2d6"}).Ref
	next(t, settled)
	next(t, settled)
	sends := streamstest.Stored(t, bus, streams.Cytube)
	if len(sends) != 2 {
		t.Fatalf("%d sends, want the notice and the answer", len(sends))
	}
	notice, answer := sends[0], sends[1]
	if chat, err := event.As[event.SendChat](notice.Envelope); err != nil || chat.Channel != "main" || chat.Message != "alice: ?roll did not work yet, trying again" {
		t.Errorf("told %+v: %v", chat, err)
	}
	if ref, _ := notice.Causation(); ref != cause || notice.CorrelationID != answer.CorrelationID || notice.Meta(event.MetaResult) != consumers.Retried {
		t.Errorf("the notice is %+v", notice.Envelope)
	}
	for i, want := range []string{"/retried/1", "/1"} {
		if id := sends[i].Header.Get(jetstream.MsgIDHeader); !strings.HasPrefix(id+"~", "plugin-t/"+cause.String()+want+"~") {
			t.Errorf("send %d has ID %q, want one that ends in %s", i, id, want)
		}
	}
}

// The failure of a command that is redelivered, as after a reset of the consumer, is reported
// once.
func TestFailuresAreToldOnce(t *testing.T) {
	t.Parallel()
	bus := streamstest.Bus(t, streamstest.Server(t))
	settled, _ := start(t, bus, consumers.Config{Backoff: quick, NotifyUser: true}, func(context.Context, streams.Stored) ([]event.Envelope, error) {
		return nil, errors.New("broken")
	})
	cause := command(t, bus, "x")
	for range 3 {
		next(t, settled)
	}
	idle(t, bus)
	if _, err := bus.JetStream().ResetConsumerToSequence(t.Context(), streams.Plugin, "plugin-t", cause.Seq); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		next(t, settled)
	}
	if got, want := lines(t, bus), []string{tried, failed}; !slices.Equal(got, want) {
		t.Errorf("said %q, want %q", got, want)
	}
}
