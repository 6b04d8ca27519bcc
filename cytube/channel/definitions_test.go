package channel

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/rosey-bot/rosey/cytube/view"
)

// list is a list of emotes or filters as the server keeps it, by names.
type list []string

func (l list) frame(event string) Frame {
	all := []string{}
	for _, name := range l {
		all = append(all, fmt.Sprintf(`{"name":%q}`, name))
	}
	return frameOf(event, "["+strings.Join(all, ",")+"]")
}

func frameOf(event, arg string) Frame {
	return Frame{Name: event, Args: []json.RawMessage{json.RawMessage(arg)}}
}

// change does what a moderator may do, and returns the frame that says so to all.
func (l *list) change(t *rapid.T) Frame {
	name, other := rapid.SampledFrom(few).Draw(t, "name"), rapid.SampledFrom(few).Draw(t, "other")
	at := slices.Index(*l, name)
	switch what := rapid.IntRange(0, 2).Draw(t, "change"); {
	case what == 0 && at >= 0:
		*l = slices.Delete(*l, at, at+1)
		return frameOf("removeEmote", fmt.Sprintf(`{"name":%q}`, name))
	case what == 1 && at >= 0 && !slices.Contains(*l, other):
		(*l)[at] = other
		return frameOf("renameEmote", fmt.Sprintf(`{"old":%q,"name":%q}`, name, other))
	case at < 0:
		*l = append(*l, name)
	}
	return frameOf("updateEmote", fmt.Sprintf(`{"name":%q}`, name))
}

var few = []string{"a", "b", "c", "d"}

func namesOf(list []view.Definition) (all []string) {
	for _, d := range list {
		all = append(all, d.Name())
	}
	return all
}

// Whatever becomes of a list, the events add up to it in its order once the server lists it,
// and to what was told before.
func TestOrderAddsUp(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		f, server, told := newFolder(), list{}, list{}
		take := func(frame Frame) {
			events, err := f.Apply(frame, now)
			if err != nil {
				t.Fatal(err)
			}
			f.take(t, events)
		}
		take(server.frame("emoteList"))
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			switch rapid.IntRange(0, 3).Draw(t, "step") {
			case 0: // a move, which has no frame, or an import of others, also twice
				server = rapid.SliceOfN(rapid.SampledFrom(few), 0, 5).Draw(t, "list")
				told = slices.Clone(server)
				take(server.frame("emoteList"))
			case 1: // another process
				f.State = New("testchan")
				f.Restore(f.view)
				take(server.frame("emoteList"))
			default:
				take(server.change(t))
				told = slices.Clone(server)
			}
			f.check(t, now)
			if got := namesOf(f.view.Emotes); !slices.Equal(got, told) {
				t.Fatalf("the events add up to %v, not %v", got, told)
			}
		}
	})
}

// What is recorded of a list after another: what became of each, and the whole where its order
// is another.
func TestOrderIsRecorded(t *testing.T) {
	t.Parallel()
	const filters = `["chatFilters",[{"name":"a"},{"name":"b"},{"name":"c"}]]`
	found := func(names ...string) string {
		v := view.New("testchan")
		for _, name := range names {
			v.Filters = append(v.Filters, view.NewDefinition(name, nil))
		}
		v.SetOrdered(view.PartFilters, true)
		return "cytube.state " + string(marshal(v.States(view.PartFilters, now.UnixMilli())[0]))
	}
	change := func(action, name string) string {
		return fmt.Sprintf(`cytube.channel.filter {"action":%q,"name":%q,"was":"","channel":"testchan","time":1795489000000}`, action, name)
	}
	for _, test := range []foldTest{
		{"first", nil, []string{filters}, []string{found("a", "b", "c")}},
		{"the same", []string{filters}, []string{filters}, nil},
		{"moved", []string{filters}, []string{`["chatFilters",[{"name":"c"},{"name":"a"},{"name":"b"}]]`}, []string{found("c", "a", "b")}},
		{"one at the end", []string{filters}, []string{`["chatFilters",[{"name":"a"},{"name":"c"},{"name":"x"}]]`},
			[]string{change("remove", "b"), change("add", "x")}},
		{"one at the beginning", []string{filters}, []string{`["chatFilters",[{"name":"x"},{"name":"a"},{"name":"b"},{"name":"c"}]]`},
			[]string{change("add", "x"), found("x", "a", "b", "c")}},
	} {
		t.Run(test.name, test.run)
	}
}

// Earlier releases stored lists by name. The first list says the order, once, and until then
// nothing is made of theirs.
func TestOrderOfEarlierReleases(t *testing.T) {
	t.Parallel()
	old := view.New("testchan")
	old.Filters = []view.Definition{view.NewDefinition("a", nil), view.NewDefinition("b", nil)}
	f := newFolder()
	f.view = old
	take := func(want int) {
		t.Helper()
		f.State = New("testchan")
		f.Restore(f.view)
		events, err := f.Apply(frame(t, `["chatFilters",[{"name":"b"},{"name":"a"}]]`), now)
		if err != nil || len(events) != want {
			t.Fatalf("%d events: %v", len(events), err)
		}
		before := *f.view
		f.take(t, events)
		if changes := view.Diff(&before, f.view); len(changes) > 0 {
			t.Errorf("changed: %+v", changes)
		}
	}
	take(1)
	if diff := cmp.Diff([]string{"b", "a"}, namesOf(f.view.Filters)); diff != "" {
		t.Error(diff)
	}
	take(0)
}
