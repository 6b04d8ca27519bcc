package restore

import (
	"cmp"
	"encoding/json"
	"slices"

	"github.com/rosey-bot/rosey/cytube/view"
	"github.com/rosey-bot/rosey/event"
)

// definitions adds the steps of emotes or filters. Those that are missing come after the
// others; where that is not their order, all are replaced by the list of then.
func (p *planner) definitions(part string, changes []view.Change) {
	one, all, was, is := event.SubjectSendChannelEmote, event.SubjectSendChannelEmotes, p.then.Emotes, p.now.Emotes
	if part == view.PartFilters {
		one, all, was, is = event.SubjectSendFilter, event.SubjectSendFilters, p.then.Filters, p.now.Filters
	}
	want, order := names(was), names(is)
	slices.SortStableFunc(changes, func(a, b view.Change) int {
		return cmp.Compare(slices.Index(want, added(a)), slices.Index(want, added(b)))
	})
	for _, c := range changes {
		switch {
		case c.IsOrder():
			continue
		case c.Op == view.Added:
			order = append(order, c.Key)
		case c.Op == view.Removed:
			order = slices.DeleteFunc(order, func(name string) bool { return name == c.Key })
		}
		p.definition(c, one)
	}
	if p.now.IsOrdered(part) && p.then.IsOrdered(part) && !slices.Equal(order, want) {
		send := event.SendDefinitions{}
		for _, d := range was {
			send.Values = append(send.Values, marshal(d))
		}
		p.add(view.Change{Part: part, Op: view.Changed, Key: view.KeyOrder, Old: marshal(order), New: marshal(want)}, all, send)
	}
}

// added returns the name of what a change adds, "" for any other.
func added(c view.Change) string {
	if c.Op != view.Added {
		return ""
	}
	return c.Key
}

func names(list []view.Definition) (all []string) {
	for _, d := range list {
		all = append(all, d.Name())
	}
	return all
}

// definition adds the step of an emote or a filter.
func (p *planner) definition(c view.Change, subject string) {
	send := event.SendDefinition{Name: c.Key}
	switch c.Op {
	case view.Added:
		send.Action = event.DefinitionAdd
	case view.Removed:
		send.Action = event.DefinitionRemove
	default:
		send.Action = event.DefinitionUpdate
	}
	if c.New != nil {
		_ = json.Unmarshal(c.New, &send.Extra)
		delete(send.Extra, "name")
	}
	p.add(c, subject, send)
}
