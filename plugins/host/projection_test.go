package host_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
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
