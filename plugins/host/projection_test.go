package host_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/plugins/host"
	"github.com/rosey-bot/rosey/plugins/plugintest"
	"github.com/rosey-bot/rosey/streams"
)

// A plugin that makes something else of the past than an earlier version reads it again, once and
// from the first event, and keeps its other records; one whose first event is gone keeps what it has.
func TestProjectionOfAnotherVersion(t *testing.T) {
	t.Parallel()
	channel := plugintest.Run(t)
	version := func(n int) plugins.Plugin {
		p := listener(time.Nanosecond, func(string) error { return nil })
		p.Collections = map[string]any{"heard": heard{}, "other": heard{}}
		p.Projection = plugins.Projection{Version: n, Collections: []string{"heard"}}
		return p
	}
	stop := startOne(t, channel, version(0)) // of an earlier release
	all := lines(channel, 3)
	keeps(t, channel, all, 0)
	stop()
	set := func(collection string, h heard) {
		t.Helper()
		data, err := event.Encode(h)
		if err == nil {
			_, err = channel.Request(event.SubjectSet, event.Set{Collection: collection, ID: "all", Data: data})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	set("heard", heard{Lines: []string{"as the earlier release had it"}})
	set("other", heard{Asked: 7})
	stop = startOne(t, channel, version(2))
	keeps(t, channel, all, 0)
	stop()
	stop = startOne(t, channel, version(2)) // it goes on where it was
	all = append(all, "one more")
	channel.Type("alice", 1, "one more")
	keeps(t, channel, all, 0)
	stop()
	var other struct{ Data heard }
	if raw, err := channel.Request(event.SubjectGet, event.Get{Collection: "other", ID: "all"}); err != nil || json.Unmarshal(raw, &other) != nil || other.Data.Asked != 7 {
		t.Errorf("another collection holds %+v, %v", other.Data, err)
	}
	s, err := channel.Bus.JetStream().Stream(t.Context(), streams.Cytube)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteMsg(t.Context(), s.CachedInfo().State.FirstSeq); err != nil {
		t.Fatal(err)
	}
	startOne(t, channel, version(3))
	channel.Type("alice", 1, "the last")
	keeps(t, channel, append(all, "the last"), 0)
}

// counting is a plugin that makes of the past which lines were typed, and how many events another
// plugin has stored, by a durable of each stream.
func counting(version int) plugins.Plugin {
	p := listener(time.Nanosecond, func(string) error { return nil })
	p.Events = append(p.Events, plugins.Subscription{Subject: "plugin.other.event.seen", FromFirst: true, MaxAge: time.Nanosecond, Handle: func(c *plugins.Context) ([]event.Envelope, error) {
		var h heard
		return c.DB("counted").Change("all", &h, func() ([]event.Envelope, error) { h.Asked++; return nil, nil })
	}})
	p.Collections = map[string]any{"heard": heard{}, "counted": heard{}}
	p.Projection = plugins.Projection{Version: version, Collections: []string{"heard", "counted"}}
	return p
}

// cutOff runs a plugin until it asks NATS for the n-th step of the change of its projection: a record
// deleted, a durable rewound, the version noted, a batch of the past stored. The process ends then,
// so that the step may be done or not.
func cutOff(t *testing.T, channel *plugintest.Channel, p plugins.Plugin, n int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var seen atomic.Int64
	for _, step := range []string{event.SubjectDelete, "$JS.API.CONSUMER.RESET.>", "$KV." + streams.Checkpoints + ".projection.>", event.SubjectBatch} {
		sub, err := channel.Bus.Conn().Subscribe(step, func(*nats.Msg) {
			if seen.Add(1) == int64(n) {
				cancel()
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = sub.Unsubscribe() }()
	}
	kv, err := router.OpenBucket(t.Context(), channel.Bus.JetStream(), 1)
	if err != nil {
		t.Fatal(err)
	}
	h := host.Host{Bus: channel.Bus, Bucket: kv, Logger: slog.New(slog.DiscardHandler), Exclusive: true}
	if err := h.Run(ctx, p); err != nil {
		t.Fatal(err)
	}
	if seen.Load() < int64(n) {
		t.Fatalf("there are %d steps", seen.Load())
	}
}

// A change of a projection that is cut off at any step is made when the plugin runs again, and no
// event counts twice or not at all.
func TestProjectionThatIsCutOff(t *testing.T) {
	t.Parallel()
	const steps, others = 7, 5
	channel := plugintest.Run(t)
	all := lines(channel, 3)
	for range others {
		channel.Publish("plugin.other.event.seen", map[string]any{"event_type": "seen"})
	}
	whole := func() {
		t.Helper()
		keeps(t, channel, all, 0)
		var counted struct{ Data heard }
		eventually(t, "all events to be counted", func() bool {
			raw, err := channel.Request(event.SubjectGet, event.Get{Collection: "counted", ID: "all"})
			return err == nil && json.Unmarshal(raw, &counted) == nil && counted.Data.Asked >= others
		})
		if counted.Data.Asked != others {
			t.Errorf("%d events are counted, want %d", counted.Data.Asked, others)
		}
	}
	stop := startOne(t, channel, counting(1))
	whole()
	stop()
	for n := 1; n <= steps; n++ {
		cutOff(t, channel, counting(n+1), n)
		stop := startOne(t, channel, counting(n+1))
		whole()
		stop()
	}
}
