package dryrun_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/kvstore"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/plugins/dryrun"
	"github.com/rosey-bot/rosey/plugins/plugintest"
	"github.com/rosey-bot/rosey/plugins/shipped"
	"github.com/rosey-bot/rosey/replay"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// typed is what somebody may type to the shipped plugins.
var typed = rapid.Custom(func(t *rapid.T) string {
	n := rapid.IntRange(1, 12).Draw(t, "n")
	word := rapid.SampledFrom([]string{"banana", "tea", "film"}).Draw(t, "word")
	return rapid.SampledFrom([]string{
		"!quote", "!quote add " + word, "!quote add " + word, fmt.Sprintf("!quote %d", n), fmt.Sprintf("!quote delete %d", n), "!quote search " + word,
		"!quote count", "!inspect", "!roll 3d6", "!8ball " + word + "?", "!help", "!trivia start 3", "!trivia stop", "!trivia scores", "!trivia stats", word,
		fmt.Sprintf("!countdown add %s in %d hours", word, n), "!countdown list", "!countdown remove " + word, "!countdown " + word,
	}).Draw(t, "line")
})

// compacting has somebody delete records and compact all collections.
const compacting = "(compact)"

func compact(t *testing.T, channel *plugintest.Channel) {
	t.Helper()
	store, err := kvstore.NewStore(channel.Bus.JetStream())
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	list, err := store.Collections(streamstest.Context(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range list {
		if _, err := store.Compact(streamstest.Context(t), c.Name, 0); err != nil {
			t.Fatal(err)
		}
	}
}

// Whatever was typed to the shipped plugins, and whatever was compacted in between and
// since, each of them is the same in a dry run.
func TestCompactionChangesNothing(t *testing.T) {
	streamstest.Slow(t, "runs all plugins")
	t.Parallel()
	all := slices.DeleteFunc(shipped.All(), func(p plugins.Plugin) bool { return len(p.Commands) == 0 })
	channel := plugintest.Run(t, all...)
	steps := rapid.SliceOfN(rapid.OneOf(typed, typed, typed, typed, typed, rapid.Just(compacting)), 40, 40).Example()
	var middle time.Time
	for _, p := range all { // something that each handles
		steps = append(steps, "!"+p.Commands[0].Name)
	}
	for i, line := range append(steps, "!inspect", "!roll 3d6", "!8ball tea?", "!help", "!settings trivia", "!trivia stats", "!countdown list", "!quote", "!trivia stop") {
		if i == 15 {
			middle = time.Now()
		}
		if line == compacting {
			compact(t, channel)
			continue
		}
		user := []string{"alice", "bob"}[i%2]
		switch i % 10 {
		case 3:
			channel.Publish(event.SubjectUserJoin, event.UserJoin{User: user, Channel: plugintest.ChannelName, Rank: 3})
		case 6:
			channel.Publish(event.SubjectMediaChange, event.MediaChange{Title: line, URL: "https://youtu.be/abc", Type: "yt", Duration: 240, Channel: plugintest.ChannelName, QueuedBy: user})
		case 9:
			channel.Publish(event.SubjectUserLeave, event.UserLeave{User: user, Channel: plugintest.ChannelName})
		}
		channel.Type(user, 3, line)
		channel.Settle()
	}
	compact(t, channel)
	for _, p := range all {
		for _, since := range []time.Time{{}, middle} {
			for _, r := range run(t, record(t, channel, p, replay.Filter{Since: since}), p, all...) {
				oneFieldChanged(t, p, r)
				if s := r.Status(); s != dryrun.Same && s != dryrun.Excluded {
					t.Errorf("%s since %s: %s of %q is %s: %s", p.Name, since, r.Event.Ref, r.Event.Body, s, text(t, r))
				}
			}
		}
	}
	if t.Failed() {
		t.Logf("after %q", steps)
	}
}

// oneFieldChanged checks that a result whose plugin writes one value of one field that
// differs is not the same, but for what subscriptions FromFirst write.
func oneFieldChanged(t *testing.T, p plugins.Plugin, r dryrun.Result) {
	t.Helper()
	fromFirst := slices.ContainsFunc(p.Events, func(s plugins.Subscription) bool { return s.FromFirst && event.Match(s.Subject, r.Event.Subject) })
	for i, o := range r.Outputs {
		unproven := slices.ContainsFunc(r.Diffs, func(d dryrun.Diff) bool {
			return d.Status == dryrun.Unproven && d.Current.Subject == o.Subject && string(d.Current.Data) == string(o.Data)
		})
		if !strings.HasPrefix(o.Subject, "database.") || fromFirst && unproven {
			continue
		}
		var data any
		if err := json.Unmarshal(o.Data, &data); err != nil {
			t.Fatal(err)
		}
		eachChange(data, func(field string) {
			changed, err := json.Marshal(data)
			if err != nil {
				t.Fatal(err)
			}
			mutant := slices.Clone(r.Outputs)
			mutant[i].Data = changed
			if s := dryrun.Compare(r.Event.Recorded, mutant); s != dryrun.Changed {
				t.Errorf("%s: with another %s it is %s: %s", o.Subject, field, s, changed)
			}
		})
	}
}

// eachChange calls f with each string, number and boolean in a value changed in turn.
func eachChange(v any, f func(field string)) {
	change := func(name string, value any, set func(any)) {
		switch value := value.(type) {
		case string:
			set(value + "x")
		case float64:
			set(value + 1)
		case bool:
			set(!value)
		default:
			eachChange(value, f)
			return
		}
		f(name)
		set(value)
	}
	switch v := v.(type) {
	case map[string]any:
		for name, value := range v {
			change(name, value, func(x any) { v[name] = x })
		}
	case []any:
		for i, value := range v {
			change(fmt.Sprint(i), value, func(x any) { v[i] = x })
		}
	}
}
