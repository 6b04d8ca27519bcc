package dryrun_test

import (
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

// lines is what counter knows of a user.
type lines struct {
	Past int `json:"past"` // lines that the subscription FromFirst counted
	Live int `json:"live"` // lines that the other one counted
}

// counter counts lines from the first one, and from now on in another record. It says every
// third of the former with a greeting, each by a step.
func counter(greeting string, step int) plugins.Plugin {
	const name = "counter"
	count := func(c *plugins.Context, id string, add func(*lines) []event.Envelope) ([]event.Envelope, error) {
		line, err := event.As[event.Chat](c.Event.Envelope)
		if err != nil || strings.HasPrefix(line.Message, "!") {
			return nil, err
		}
		var t lines
		return c.DB("tallies").Change(event.ID(id+line.User), &t, func() ([]event.Envelope, error) { return add(&t), nil })
	}
	return plugins.Plugin{
		Name: name, Version: "1.0.0", Collections: map[string]any{"tallies": lines{}, "latest": map[string]string{}},
		Commands: []plugins.Command{{Name: "tally", Handle: func(c *plugins.Context) ([]event.Envelope, error) {
			var t lines
			err := c.DB("tallies").Get(event.ID("past-"+c.Command.User), &t)
			if event.CodeOf(err) == event.RecordNotFound {
				err = nil
			}
			return c.Say("%d", t.Past), err
		}}},
		Events: []plugins.Subscription{
			{Subject: event.SubjectChat, FromFirst: true, Handle: func(c *plugins.Context) ([]event.Envelope, error) {
				if _, err := c.DB("latest").Set("event", map[string]string{"ref": c.Event.Ref.String()}); err != nil {
					return nil, err
				}
				return count(c, "past-", func(t *lines) []event.Envelope {
					if t.Past += step; t.Past%3 != 0 {
						return nil
					}
					return c.Say("%s %d", greeting, t.Past)
				})
			}},
			{Subject: event.SubjectChat, Handle: func(c *plugins.Context) ([]event.Envelope, error) {
				return count(c, "live-", func(t *lines) []event.Envelope { t.Live++; return c.Say("live") })
			}},
		},
	}
}

// What subscriptions FromFirst write is stored for many events at once: it is no difference.
// What they say is compared.
func TestSubscriptionsFromFirst(t *testing.T) {
	streamstest.Slow(t, "runs plugins")
	t.Parallel()
	channel := plugintest.Run(t, counter("line", 1))
	var middle time.Time
	for i := range 40 { // eight by each of five: a record keeps ten revisions
		if i == 20 {
			channel.Settle("counter")
			middle = time.Now()
		}
		channel.Type(fmt.Sprint("user-", i%5), 1, fmt.Sprint("line-", i)) // without waiting: several are handled in one batch
		if i%5 == 4 {
			channel.Type("user-1", 1, "!tally")
		}
	}
	channel.Settle("counter")
	for name, v := range map[string]struct {
		plugin plugins.Plugin
		since  time.Time
		differ int
	}{
		"unchanged":         {counter("line", 1), time.Time{}, 0},
		"unchanged, a part": {counter("line", 1), middle, 0},
		"another greeting":  {counter("LINE", 1), time.Time{}, 10},
		"another step":      {counter("line", 3), time.Time{}, 40},
	} {
		differ := 0
		for _, r := range run(t, record(t, channel, v.plugin, replay.Filter{Since: v.since}), v.plugin) {
			if r.Status() == dryrun.Same {
				continue
			}
			if differ++; differ > v.differ {
				t.Errorf("%s: %s is %s: %s", name, r.Event.Body, r.Status(), text(t, r))
			}
		}
		if differ != v.differ {
			t.Errorf("%s: %d events differ, want %d", name, differ, v.differ)
		}
	}
}

// A record that changed too often is not known as it was then: what a subscription FromFirst
// says of it is excluded, if it is not the same.
func TestSubscriptionsFromFirstOfCutRecords(t *testing.T) {
	streamstest.Slow(t, "runs plugins")
	t.Parallel()
	channel := plugintest.Run(t, counter("line", 1))
	for i := range 15 {
		channel.Type("alice", 1, fmt.Sprint("line-", i))
		channel.Settle("counter")
	}
	excluded := 0
	for _, r := range run(t, record(t, channel, counter("line", 1), replay.Filter{}), counter("line", 1)) {
		switch r.Status() {
		case dryrun.Excluded:
			excluded++
		case dryrun.Same:
		default:
			t.Errorf("%s is %s: %s", r.Event.Body, r.Status(), text(t, r))
		}
	}
	if excluded == 0 {
		t.Error("nothing is excluded")
	}
}
