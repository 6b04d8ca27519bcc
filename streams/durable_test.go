package streams_test

import (
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/embedded"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// A durable that a release before this one opened with other settings has the new ones,
// also for the Maintainer, which would bring back the old.
func TestDurableHasTheSettingsOfTheLastToOpenIt(t *testing.T) {
	t.Parallel()
	store := t.TempDir()
	for _, maxDeliver := range []int{310, 15} {
		s, err := embedded.Start(embedded.Config{Store: store})
		if err != nil {
			t.Fatal(err)
		}
		bus := streamstest.Bus(t, s)
		c, err := bus.Durable(t.Context(), streams.Cytube, jetstream.ConsumerConfig{
			Durable: "router", AckPolicy: jetstream.AckExplicitPolicy, MaxDeliver: maxDeliver,
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := c.CachedInfo().Config.MaxDeliver; got != maxDeliver {
			t.Errorf("max_deliver %d, want %d", got, maxDeliver)
		}
		bus.Conn().Close()
		if err := s.Stop(); err != nil {
			t.Fatal(err)
		}
	}
}
