package ability

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/rosey-bot/rosey/cytube/channel"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/markup"
)

// maxText is the length at which the server cuts the MOTD, style sheet and script.
const maxText = 20_000

// texts makes the rule of a text of the channel. subject is that of its changes, frame what
// the server answers.
func texts(subject, emit, key, frame string, of options) rule[event.SendText] {
	return rule[event.SendText]{
		options: of,
		check: func(_ *Call, p event.SendText) *Outcome {
			if units(p.Value) <= maxText {
				return nil
			}
			return refuse(event.LimitExceeded, "it has %d characters, and the server takes %d", units(p.Value), maxText)
		},
		so: func(c *Call, p event.SendText) bool {
			value, known := c.State.Text(subject)
			return known && value == p.Value
		},
		frames: func(_ *Call, p event.SendText) []Frame { return []Frame{{emit, []any{map[string]any{key: p.Value}}}} },
		seen:   func(_ *Call, _ event.SendText, e channel.Event) bool { return e.Subject == subject },
		// What the server leaves of a text may be what there was.
		shown: func(_ *Call, _ event.SendText, f channel.Frame) bool { return f.Name == frame },
		since: func(c *Call, _ event.SendText) *Outcome {
			return c.Past.last(func(e event.Envelope) bool { return e.Subject == subject })
		},
	}
}

// adminOptions need rank 3; the server ignores them below.
var adminOptions = []string{
	"pagetitle", "externalcss", "externaljs", "show_public", "password", "torbanned", "block_anonymous_users", "allow_ascii_control",
	"playlist_max_per_user",
}

// kindOf names the kind of a JSON value.
func kindOf(raw json.RawMessage) string {
	var v any
	if json.Unmarshal(raw, &v) != nil || v == nil {
		return "null"
	}
	switch v.(type) {
	case bool:
		return "true or false"
	case string:
		return "a text"
	case float64:
		return "a number"
	}
	return "an object"
}

// equal reports whether two JSON values are one.
func equal(a, b json.RawMessage) bool {
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && reflect.DeepEqual(x, y)
}

// known refuses values that the channel does not have, or of another kind.
func (c *Call) known(subject, what string, values map[string]json.RawMessage) *Outcome {
	has := c.State.Values(subject)
	for _, name := range slices.Sorted(maps.Keys(values)) {
		old, ok := has[name]
		switch {
		case !ok:
			return refuse(event.InvalidInput, "the channel has no %s %q: there are %s", what, name, strings.Join(slices.Sorted(maps.Keys(has)), ", "))
		case name == "password":
			if kind := kindOf(values[name]); kind != "a text" {
				return refuse(event.InvalidInput, "the password must be a text, \"\" for none, not %s", kind)
			}
		case kindOf(old) != kindOf(values[name]):
			return refuse(event.InvalidInput, "%s %s must be %s, not %s", what, name, kindOf(old), kindOf(values[name]))
		}
	}
	return nil
}

// hasValues reports whether the channel has the values. Of a password nobody knows.
func (c *Call) hasValues(subject string, values map[string]json.RawMessage) bool {
	has := c.State.Values(subject)
	for name, value := range values {
		if name == "password" || !equal(has[name], value) {
			return false
		}
	}
	return true
}

func valuesRule(subject, what, emit, frame string, least float64, allowed func(*Call, event.SendValues) *Outcome) rule[event.SendValues] {
	return rule[event.SendValues]{
		options: options{least: least},
		check: func(c *Call, p event.SendValues) *Outcome {
			return first(allowed(c, p), c.known(subject, what, p.Values))
		},
		so:     func(c *Call, p event.SendValues) bool { return c.hasValues(subject, p.Values) },
		frames: func(_ *Call, p event.SendValues) []Frame { return []Frame{{emit, []any{p.Values}}} },
		seen:   func(_ *Call, _ event.SendValues, e channel.Event) bool { return e.Subject == subject },
		shown:  func(_ *Call, _ event.SendValues, f channel.Frame) bool { return f.Name == frame },
	}
}

var channelOptions = valuesRule(event.SubjectOptions, "option", "setOptions", "channelOpts", 2, func(c *Call, p event.SendValues) *Outcome {
	for _, name := range adminOptions {
		if _, asked := p.Values[name]; asked && c.State.Rank() < 3 {
			return refuse(event.PermissionDenied, "the bot has rank %v, and option %s needs 3", c.State.Rank(), name)
		}
	}
	return nil
})

var permissions = valuesRule(event.SubjectPermissions, "permission", "setPermissions", "setPermissions", 3,
	func(*Call, event.SendValues) *Outcome { return nil })

// field returns a text of a definition.
func field(p event.SendDefinition, name string) (text string) {
	_ = json.Unmarshal(p.Extra[name], &text)
	return text
}

func (c *Call) defines(subject, name string) bool {
	d, known := c.State.Definition(subject, name)
	return known && d != nil
}

// fieldOf returns a text of a definition that there is.
func (c *Call) fieldOf(subject, name, key string) (text string, ok bool) {
	raw, _ := c.State.Definition(subject, name)
	var d map[string]json.RawMessage
	if json.Unmarshal(raw, &d) != nil || json.Unmarshal(d[key], &text) != nil {
		return "", false
	}
	return text, true
}

// defined reports whether an event says that a definition was changed.
func defined(e event.Envelope, subject, name string) bool {
	d, ok := as[event.Definition](e, subject)
	return ok && d.Name == name
}

var emote = rule[event.SendDefinition]{
	options: options{needs: []string{"emoteedit"}},
	check: func(c *Call, p event.SendDefinition) *Outcome {
		name := p.Name
		if p.Action == event.DefinitionRename {
			name = p.Was
		}
		switch {
		case p.Action != event.DefinitionAdd && !c.defines(event.SubjectEmote, name):
			return refuse(event.RecordNotFound, "the channel has no emote %.40q", name)
		case p.Action == event.DefinitionRename && c.defines(event.SubjectEmote, p.Name):
			return refuse(event.InvalidInput, "the channel has an emote %.40q already", p.Name)
		case p.Action == event.DefinitionRemove || p.Action == event.DefinitionRename && imageIn(p) == "":
			return nil
		}
		return imageOf(imageIn(p))
	},
	so: func(c *Call, p event.SendDefinition) bool {
		image, has := c.fieldOf(event.SubjectEmote, p.Name, "image")
		switch p.Action {
		case event.DefinitionRemove:
			return !has
		case event.DefinitionRename:
			return has && !c.defines(event.SubjectEmote, p.Was)
		}
		return has && image == imageIn(p)
	},
	frames: func(c *Call, p event.SendDefinition) []Frame {
		image := imageIn(p)
		switch p.Action {
		case event.DefinitionRemove:
			return []Frame{{"removeEmote", []any{map[string]any{"name": p.Name}}}}
		case event.DefinitionRename:
			if image == "" {
				image, _ = c.fieldOf(event.SubjectEmote, p.Was, "image")
			}
			return []Frame{{"renameEmote", []any{map[string]any{"old": p.Was, "name": p.Name, "image": image}}}}
		}
		return []Frame{{"updateEmote", []any{map[string]any{"name": p.Name, "image": image}}}}
	},
	seen: func(_ *Call, p event.SendDefinition, e channel.Event) bool {
		return defined(e.Envelope, event.SubjectEmote, p.Name)
	},
	shown: func(_ *Call, _ event.SendDefinition, f channel.Frame) bool {
		return f.Name == "updateEmote" || f.Name == "renameEmote" || f.Name == "removeEmote"
	},
}

var filtersQuestion = options{
	question: &Frame{Name: "requestChatFilters"}, needed: "filteredit", reply: "chatFilters", needs: []string{"filteredit"},
}

var filter = rule[event.SendDefinition]{
	options: filtersQuestion,
	check: func(c *Call, p event.SendDefinition) *Outcome {
		has := c.defines(event.SubjectFilter, p.Name)
		switch {
		case p.Action == event.DefinitionRename:
			return refuse(event.InvalidInput, "a chat filter cannot be renamed: remove it and add another")
		case p.Action == event.DefinitionAdd && has:
			return refuse(event.InvalidInput, "the channel has a chat filter %.40q already: update it", p.Name)
		case p.Action != event.DefinitionAdd && !has:
			return refuse(event.RecordNotFound, "the channel has no chat filter %.40q", p.Name)
		case p.Action == event.DefinitionRemove:
			return nil
		}
		return sourceOf(p)
	},
	so: func(c *Call, p event.SendDefinition) bool {
		if p.Action == event.DefinitionRemove {
			_, known := c.State.Definition(event.SubjectFilter, p.Name) // only to who may edit them
			return (known || c.Past != nil) && !c.defines(event.SubjectFilter, p.Name)
		}
		raw, _ := c.State.Definition(event.SubjectFilter, p.Name)
		want, err := json.Marshal(filterFields(p))
		return err == nil && raw != nil && equal(raw, want)
	},
	frames: func(_ *Call, p event.SendDefinition) []Frame {
		emit := map[string]string{event.DefinitionAdd: "addFilter", event.DefinitionUpdate: "updateFilter"}[p.Action]
		if p.Action == event.DefinitionRemove {
			return []Frame{{"removeFilter", []any{map[string]any{"name": p.Name}}}}
		}
		return []Frame{{emit, []any{filterFields(p)}}}
	},
	seen: func(_ *Call, p event.SendDefinition, e channel.Event) bool {
		return defined(e.Envelope, event.SubjectFilter, p.Name)
	},
	shown: func(_ *Call, _ event.SendDefinition, f channel.Frame) bool {
		return f.Name == "updateChatFilter" || f.Name == "deleteChatFilter"
	},
}

// filterFields is a filter as the server wants it.
func filterFields(p event.SendDefinition) map[string]any {
	is := func(name string, otherwise bool) (v bool) {
		if json.Unmarshal(p.Extra[name], &v) != nil {
			return otherwise
		}
		return v
	}
	flags := "g"
	if _, given := p.Extra["flags"]; given {
		flags = markup.Flags(field(p, "flags"))
	}
	return map[string]any{
		"name": p.Name, "source": field(p, "source"), "flags": flags, "replace": markup.Groups(field(p, "replace")),
		"active": is("active", true), "filterlinks": is("filterlinks", false),
	}
}
