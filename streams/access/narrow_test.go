package access_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/access"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// A consumer of a confined plugin keeps what the plugin may read. One without a filter reads
// all of its stream, which no plugin may.
func TestNarrow(t *testing.T) {
	t.Parallel()
	bus := streamstest.Bus(t, streamstest.Server(t))
	js := bus.JetStream()
	for _, c := range []struct {
		plugin string
		reads  []string
		keeps  string // "" is no consumer any more
	}{
		{"unfiltered", nil, ""},
		{"secretive", []string{event.SubjectPM}, ""},
		{"mixed", []string{event.SubjectPM, event.SubjectChat}, event.SubjectChat},
		{"fine", []string{event.SubjectChat}, event.SubjectChat},
	} {
		config := jetstream.ConsumerConfig{Durable: streams.Durable(c.plugin), FilterSubjects: c.reads, AckPolicy: jetstream.AckExplicitPolicy}
		if _, err := js.CreateConsumer(t.Context(), streams.Cytube, config); err != nil {
			t.Fatal(err)
		}
		p := access.NewProvisioner(bus, slog.New(slog.DiscardHandler))
		p.Events = func(context.Context, string) (declared, granted []string, err error) {
			return []string{event.SubjectChat}, nil, nil
		}
		p.Confined = func(plugin string) bool { return plugin == c.plugin }
		if err := p.Narrow(t.Context()); err != nil {
			t.Fatal(err)
		}
		left, err := js.Consumer(t.Context(), streams.Cytube, config.Durable)
		switch {
		case c.keeps == "":
			if !errors.Is(err, jetstream.ErrConsumerNotFound) {
				t.Errorf("%s: %v; want no consumer", c.plugin, err)
			}
		case err != nil:
			t.Errorf("%s: %v", c.plugin, err)
		default:
			if got := streams.FilterSubjects(left.CachedInfo().Config); len(got) != 1 || got[0] != c.keeps {
				t.Errorf("%s reads %v, want %s", c.plugin, got, c.keeps)
			}
		}
	}
}
