package router

import (
	"slices"
	"testing"

	"github.com/rosey-bot/rosey/event"
)

// A collection stays with the plugin that had it first, also if that no longer registers
// it, until the plugin is removed.
func TestCollectionsHaveOneOwner(t *testing.T) {
	t.Parallel()
	has := func(name string, collections ...string) Registration {
		r := Registration{Name: name, Collections: map[string][]event.Field{}}
		for _, c := range collections {
			r.Collections[c] = nil
		}
		return r
	}
	o := owners{}
	for _, step := range []struct {
		plugins []Registration
		own     []string
		removed map[string]bool
		want    Authorizations
	}{
		{[]Registration{has("a", "quotes"), has("z", "quotes", "polls")}, []string{"z"}, nil, Authorizations{owners: owners{"collection quotes": "z", "collection polls": "z"}}},
		{[]Registration{has("a", "quotes", "scores"), has("z")}, nil, nil, Authorizations{owners: owners{"collection quotes": "z", "collection polls": "z", "collection scores": "a"}}},
		{[]Registration{has("a", "quotes")}, nil, map[string]bool{"z": true}, Authorizations{owners: owners{"collection quotes": "a", "collection scores": "a"}}},
	} {
		plugins := map[string]Registration{}
		for _, r := range step.plugins {
			plugins[r.Name] = r
		}
		o = o.settle(plugins, step.removed, step.own, "!")
		for _, name := range []string{"a", "z"} {
			if got, want := (Authorizations{owners: o}).Collections(name), step.want.Collections(name); !slices.Equal(got, want) {
				t.Errorf("%s has %q, want %q", name, got, want)
			}
		}
	}
}

// The commands that wait are those that others have, whichever prefix they are written with.
func TestWaitingCommands(t *testing.T) {
	t.Parallel()
	s := Authorizations{owners: owners{"roll": "dice", "flip": "evil"}}
	e := Entry{Name: "evil", Registration: Registration{Name: "evil", Commands: []Command{{Name: "!Roll"}, {Name: "flip"}, {Name: "new"}}}}
	if got := s.Waiting(e); !slices.Equal(got, []string{"roll"}) {
		t.Errorf("%q wait", got)
	}
}
