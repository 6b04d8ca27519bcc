package streams_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// What Open made does not differ, and what was changed since is named until Open
// has put it right.
func TestDifferences(t *testing.T) {
	t.Parallel()
	js := streamstest.Bus(t, streamstest.Server(t)).JetStream()
	ctx := streamstest.Context(t)
	differences := func(o streams.Options) string {
		t.Helper()
		var all []string
		for _, spec := range streams.Specs() {
			s, err := js.Stream(ctx, spec.Name)
			if err != nil {
				t.Fatal(err)
			}
			found, err := spec.Differences(s.CachedInfo().Config, o)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range found {
				all = append(all, fmt.Sprint(spec.Name, " ", d))
			}
		}
		return strings.Join(all, "; ")
	}
	if got := differences(streams.Options{}); got != "" {
		t.Errorf("at first: %s", got)
	}
	o := streams.Options{Limits: map[string]streams.Limits{streams.Platform: {MaxAge: time.Hour}}}
	if got := differences(o); got != "PLATFORM max_age is 2160h0m0s and should be 1h0m0s" {
		t.Errorf("with another retention: %s", got)
	}
	s, err := js.Stream(ctx, streams.Database)
	if err != nil {
		t.Fatal(err)
	}
	config := s.CachedInfo().Config
	config.NoAck, config.Duplicates = false, time.Minute
	if _, err := js.UpdateStream(ctx, config); err != nil {
		t.Fatal(err)
	}
	if got := differences(streams.Options{}); got != "DATABASE no_ack is false and should be true; DATABASE duplicate_window is 1m0s and should be 20m0s" {
		t.Errorf("after a change: %s", got)
	}
	if err := streams.Open(ctx, js, o); err != nil {
		t.Fatal(err)
	}
	if got := differences(o); got != "" {
		t.Errorf("after Open: %s", got)
	}
	config.Storage = jetstream.MemoryStorage
	if _, err := streams.Specs()[0].Differences(config, streams.Options{}); err == nil || !strings.Contains(err.Error(), "cannot be changed in place") {
		t.Errorf("of what Open refuses: %v", err)
	}
}

// Whoever opens the streams may ask for more copies, and takes none away.
func TestReplicasAreNotTakenAway(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ asked, have, differences int }{{0, 3, 0}, {1, 3, 0}, {2, 3, 0}, {3, 3, 0}, {3, 1, 1}} {
		have := jetstream.StreamConfig{Storage: jetstream.FileStorage, Replicas: c.have}
		found, err := streams.Specs()[0].Differences(have, streams.Options{Replicas: c.asked})
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, d := range found {
			if strings.HasPrefix(d, "num_replicas") {
				n++
			}
		}
		if n != c.differences {
			t.Errorf("asked for %d with %d: %v", c.asked, c.have, found)
		}
	}
}

func TestCovers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern, filter string
		want            bool
	}{
		{"a.b", "a.b", true}, {"a.*", "a.b", true}, {"a.>", "a.b", true}, {"a.>", "a.b.c", true}, {"a.>", "a.*.c", true}, {"a.>", "a.>", true},
		{"*.*", "a.*", true}, {">", "a", true},
		{"a.b", "a.*", false}, {"a.*", "a.>", false}, {"a.*", "a.b.c", false}, {"a.b.c", "a.b", false}, {"a.>", "a", false}, {"a.b", "a.c", false}, {"a.b", "a.>", false},
	} {
		if got := streams.Covers(c.pattern, c.filter); got != c.want {
			t.Errorf("Covers(%q, %q) = %v", c.pattern, c.filter, got)
		}
	}
}
