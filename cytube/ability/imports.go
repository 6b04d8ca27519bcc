package ability

import (
	"encoding/json"
	"reflect"
	"slices"

	"github.com/rosey-bot/rosey/cytube/channel"
	"github.com/rosey-bot/rosey/cytube/view"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/markup"
)

// imports makes the rule of a whole list. wire returns an entry as the server takes it, or
// why it would leave it out without a word.
func imports(subject, part, emit, frame string, of options, wire func(event.SendDefinition) (map[string]any, *Outcome)) rule[event.SendDefinitions] {
	return rule[event.SendDefinitions]{
		options: of,
		check: func(_ *Call, p event.SendDefinitions) *Outcome {
			_, o := entries(p, wire)
			return o
		},
		so: func(c *Call, p event.SendDefinitions) bool {
			list, o := entries(p, wire)
			return o == nil && c.hasAll(subject, list)
		},
		frames: func(_ *Call, p event.SendDefinitions) []Frame {
			list, _ := entries(p, wire)
			return []Frame{{emit, []any{list}}}
		},
		seen: func(_ *Call, _ event.SendDefinitions, e channel.Event) bool {
			found, is := as[event.State](e.Envelope, event.SubjectState) // in another order
			return e.Subject == subject || is && found.Part == part
		},
		shown: func(c *Call, p event.SendDefinitions, f channel.Frame) bool {
			if f.Name != frame {
				return false
			}
			c.untold = leftOut(p, f)
			return true
		},
	}
}

var emotes = imports(event.SubjectEmote, view.PartEmotes, "importEmotes", "emoteList", options{needs: []string{"emoteimport"}}, emoteFields)

// Only who may edit filters sees what became of an import.
var filters = imports(event.SubjectFilter, view.PartFilters, "importFilters", "chatFilters", options{
	question: filtersQuestion.question, needed: filtersQuestion.needed, reply: filtersQuestion.reply, needs: []string{"filterimport", "filteredit"},
}, wholeFilter)

// entries returns a list as the server takes it.
func entries(p event.SendDefinitions, wire func(event.SendDefinition) (map[string]any, *Outcome)) ([]map[string]any, *Outcome) {
	list, names := []map[string]any{}, map[string]bool{}
	for i, raw := range p.Values {
		var d event.SendDefinition
		if json.Unmarshal(raw, &d) != nil || json.Unmarshal(raw, &d.Extra) != nil || d.Name == "" {
			return nil, refuse(event.InvalidInput, "entry %d of the list has no name", i+1)
		}
		if names[d.Name] {
			return nil, refuse(event.InvalidInput, "the list has %.40q twice", d.Name)
		}
		names[d.Name] = true
		one, o := wire(d)
		if o != nil {
			return nil, refuse(o.Code, "entry %d of the list, %.40q: %s", i+1, d.Name, o.Reason)
		}
		list = append(list, one)
	}
	return list, nil
}

// hasAll reports whether the channel has the definitions of a list in its order and no others,
// as the server told it last.
func (c *Call) hasAll(subject string, list []map[string]any) bool {
	if c.answer != nil {
		var is []map[string]any
		return c.answer.Decode(&is) == nil && len(is) == len(list) && (len(list) == 0 || reflect.DeepEqual(is, list))
	}
	has, known := c.State.Definitions(subject)
	return known && slices.EqualFunc(has, list, func(d view.Definition, want map[string]any) bool {
		var is map[string]any
		raw, err := json.Marshal(d)
		if err != nil || json.Unmarshal(raw, &is) != nil {
			return false
		}
		for key, value := range want {
			if is[key] != value {
				return false
			}
		}
		return true
	})
}

// leftOut returns the names of a list that the server does not list.
func leftOut(p event.SendDefinitions, f channel.Frame) (names []string) {
	var is, asked []struct{ Name string }
	raw, _ := json.Marshal(p.Values) //nolint:errchkjson // it was JSON
	if f.Decode(&is) != nil || json.Unmarshal(raw, &asked) != nil {
		return nil
	}
	has := map[string]bool{}
	for _, d := range is {
		has[d.Name] = true
	}
	for _, d := range asked {
		if !has[d.Name] {
			names = append(names, d.Name)
		}
	}
	return names
}

// emoteFields is an emote as the server wants it.
func emoteFields(p event.SendDefinition) (map[string]any, *Outcome) {
	image := imageIn(p)
	return map[string]any{"name": p.Name, "image": image}, imageOf(image)
}

// imageIn returns the address of an emote's image: what comes from a server's list is escaped.
func imageIn(p event.SendDefinition) string { return markup.Unescape(field(p, "image")) }

// imageOf refuses the image of an emote.
func imageOf(image string) *Outcome {
	switch {
	case image == "":
		return refuse(event.InvalidInput, "an emote needs an image: the address of one")
	case units(image) > maxImage:
		return refuse(event.LimitExceeded, "the address of an emote's image has at most %d characters", maxImage)
	}
	return nil
}

// maxImage is the length at which the server cuts the address of an emote's image.
const maxImage = 1000

// wholeFilter is a filter as the server wants it.
func wholeFilter(p event.SendDefinition) (map[string]any, *Outcome) {
	return filterFields(p), sourceOf(p)
}

// sourceOf refuses the expression of a filter.
func sourceOf(p event.SendDefinition) *Outcome {
	if field(p, "source") == "" {
		return refuse(event.InvalidInput, "a chat filter needs a source: a regular expression")
	}
	return nil
}
