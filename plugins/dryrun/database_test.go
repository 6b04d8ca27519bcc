package dryrun_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/plugins/dryrun"
	"github.com/rosey-bot/rosey/plugins/plugintest"
	"github.com/rosey-bot/rosey/replay"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// tally keeps a count in the database and says it.
func tally(step int) plugins.Handler {
	return func(c *plugins.Context) ([]event.Envelope, error) {
		var r struct {
			N int `json:"n"`
		}
		return c.DB("tally").Change("it", &r, func() ([]event.Envelope, error) {
			r.N += step
			return c.Say("%d", r.N), nil
		})
	}
}

// The plugin's own writes are made anew and those of others as they were, from
// the database as it was when the first event came.
func TestTheDatabaseOfThen(t *testing.T) {
	t.Parallel()
	channel := plugintest.Run(t, tester(behaviour{"it": tally(1)}))
	put := func(n int) {
		t.Helper()
		if _, err := channel.Request(event.SubjectSet, event.Set{Collection: "tally", ID: "it", Data: fmt.Appendf(nil, `{"n":%d}`, n)}); err != nil {
			t.Fatal(err)
		}
	}
	put(10)
	for range 3 {
		channel.Say("alice", "!test it")
	}
	put(100)
	began := time.Now()
	channel.Say("alice", "!test it")
	channel.Say("bob", "!test it")
	put(200)
	channel.Say("alice", "!test it")
	channel.Settle("tester")
	for _, c := range []struct {
		name   string
		step   int
		filter replay.Filter
		now    string
	}{
		{"unchanged", 1, replay.Filter{}, "11 12 13 101 102 201"},
		{"changed", 2, replay.Filter{}, "12 14 16 102 104 202"},
		{"from the middle", 2, replay.Filter{Since: began}, "102 104 202"},
		{"without bob's, which stays as it was", 2, replay.Filter{Since: began, User: "alice"}, "102 202"},
	} {
		p := tester(behaviour{"it": tally(c.step)})
		var now []string
		for _, r := range run(t, record(t, channel, p, c.filter), p) {
			for _, o := range r.Outputs {
				if o.Subject != event.SubjectSendChat {
					continue
				}
				var said event.SendChat
				if err := json.Unmarshal(o.Data, &said); err != nil {
					t.Fatal(err)
				}
				now = append(now, said.Message)
			}
			if (r.Status() == dryrun.Same) != (c.step == 1) {
				t.Errorf("%s: %s is %s: %s", c.name, r.Event.Ref, r.Status(), text(t, r))
			}
		}
		if got := strings.Join(now, " "); got != c.now {
			t.Errorf("%s: it says %s, want %s", c.name, got, c.now)
		}
	}
}

// A record that was rewritten so often since that its history does not reach back is as
// it was answered then. Where that is not kept, it is taken as it is known, which is counted.
func TestHistoryThatDoesNotReachBack(t *testing.T) {
	t.Parallel()
	reads := tester(behaviour{"it": func(c *plugins.Context) ([]event.Envelope, error) {
		var r struct{ N int }
		if err := c.DB("tally").Get("it", &r); err != nil {
			return nil, err
		}
		return c.Say("%d", r.N), nil
	}})
	channel := plugintest.Run(t, reads)
	put := func(n int) {
		t.Helper()
		if _, err := channel.Request(event.SubjectSet, event.Set{Collection: "tally", ID: "it", Data: fmt.Appendf(nil, `{"n":%d}`, n)}); err != nil {
			t.Fatal(err)
		}
	}
	put(2)
	channel.Say("alice", "!test it")
	channel.Settle("tester")
	for n := range 20 {
		put(100 + n)
	}
	kase := record(t, channel, reads, replay.Filter{})
	allSame(t, run(t, kase, reads), 1)
	if n := kase.ApproximateRecords(); n != 0 {
		t.Errorf("unsure of %d records that were answered from", n)
	}
	if err := channel.Bus.JetStream().DeleteStream(streamstest.Context(t), "KV_exchanges"); err != nil {
		t.Fatal(err)
	}
	kase = record(t, channel, reads, replay.Filter{})
	if r := run(t, kase, reads)[0]; text(t, r) != "changed said 2 | now 110" || kase.ApproximateRecords() != 1 {
		t.Errorf("without what was answered: %s, unsure of %d", text(t, r), kase.ApproximateRecords())
	}
}
