package pluginsettings_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"testing"

	"github.com/rosey-bot/rosey/consumers/pluginsettings"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// changesStored returns the events of settings, as KEY=NEW.
func changesStored(t *testing.T, bus *streams.Bus) (all []string) {
	t.Helper()
	for msg, err := range streams.Messages(t.Context(), bus.JetStream(), streams.Selection{Stream: streams.Platform, Subjects: []string{event.SubjectSettings}}) {
		if err != nil {
			t.Fatal(err)
		}
		e, err := streams.ReadRaw(streams.Platform, msg)
		if err != nil {
			t.Fatal(err)
		}
		c, err := event.As[event.SettingChange](e.Envelope)
		if err != nil || c.By != "ann" {
			t.Fatalf("%+v, %v", c, err)
		}
		all = append(all, c.Key+"="+string(c.New))
	}
	return all
}

// keepPublished runs the outbox until the test ends.
func keepPublished(t *testing.T, bus *streams.Bus, s *pluginsettings.Store) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := s.KeepPublished(ctx, bus, slog.New(slog.DiscardHandler)); err != nil {
			t.Error(err)
		}
	}()
	t.Cleanup(func() { cancel(); <-ended })
}

func apply(ctx context.Context, bus *streams.Bus, s *pluginsettings.Store, values map[string]string) error {
	u := pluginsettings.Update{Plugin: "trivia", By: "ann", Values: map[string]json.RawMessage{}}
	for key, value := range values {
		u.Values[key] = json.RawMessage(value)
	}
	_, err := s.Apply(ctx, bus, u)
	return err
}

// A process that dies between the change and its events leaves them to the next one.
func TestChangeOfAKilledProcess(t *testing.T) {
	t.Parallel()
	bus := streamstest.Bus(t, streamstest.Server(t))
	s, err := pluginsettings.Open(t.Context(), bus.JetStream(), 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := bus.JetStream().DeleteStream(t.Context(), streams.Platform); err != nil {
		t.Fatal(err)
	}
	dies, kill := context.WithCancel(t.Context())
	died := make(chan error, 1)
	go func() { died <- apply(dies, bus, s, map[string]string{"b": "2", "c": "3"}) }()
	eventually(t, func(ctx context.Context) error {
		if history, err := s.History(ctx, "trivia", ""); err != nil || len(history) == 0 {
			return errors.Join(err, errors.New("nothing is written yet"))
		}
		return nil
	})
	keepPublished(t, bus, s)
	kill() // it is written, and its events are not stored
	if err := <-died; err == nil {
		t.Fatal("the events were stored without a stream")
	}
	if err := streams.Open(t.Context(), bus.JetStream(), streams.Options{}); err != nil {
		t.Fatal(err)
	}
	if err := apply(t.Context(), bus, s, map[string]string{"d": "4"}); err != nil {
		t.Fatal(err)
	}
	eventually(t, func(ctx context.Context) error {
		c, err := bus.JetStream().Consumer(ctx, "KV_"+pluginsettings.Bucket, "settings-events")
		if err != nil {
			return err
		}
		if info, err := c.Info(ctx); err != nil || info.NumPending > 0 || info.NumAckPending > 0 {
			return errors.Join(err, errors.New("revisions wait for their events"))
		}
		return nil
	})
	got := map[string]int{}
	for _, c := range changesStored(t, bus) {
		got[c]++
	}
	for _, c := range []string{"b=2", "c=3", "d=4"} {
		if got[c] != 1 {
			t.Errorf("%s is stored %d times: %v", c, got[c], got)
		}
	}
}
