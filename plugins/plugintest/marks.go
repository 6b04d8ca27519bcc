package plugintest

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/streams"
)

// checkMarks fails the test for a plugin that put the name of a command's user, or what the
// user wrote, into a field of its events or records that has no mark: rosey audit forget
// would not find it there.
func (c *Channel) checkMarks() {
	if c.t.Failed() {
		return
	}
	skip := func(event.Ref, error) {} // a malformed event has no fields
	commands := map[event.Ref]event.Command{}
	for _, s := range c.stored(event.AllCommands, skip) {
		if command, err := event.As[event.Command](s.Envelope); err == nil {
			commands[s.Ref] = command
		}
	}
	for _, p := range c.plugins {
		for _, s := range c.stored(event.EventSubject(p.Name, "*"), skip) {
			kind := strings.TrimPrefix(s.Subject, event.EventSubject(p.Name)+".")
			if event.Reserved(kind) == nil {
				c.checkValues(p, commands, s, "Emits["+kind+"]", p.Emits[kind], s.Data)
			}
		}
		for _, s := range c.stored(event.SubjectSet, skip) {
			if set, err := event.As[event.Set](s.Envelope); err == nil && s.Meta(event.MetaSource) == streams.Durable(p.Name) {
				c.checkValues(p, commands, s, "Collections["+set.Collection+"]", p.Collections[set.Collection], plugins.WithoutHandled(set.Data))
			}
		}
	}
}

// checkValues checks the values of what a plugin stored because of a command.
func (c *Channel) checkValues(p plugins.Plugin, commands map[event.Ref]event.Command, s streams.Stored, in string, declared any, data json.RawMessage) {
	cause, _ := s.Causation()
	command, ok := commands[cause]
	var payload any
	if !ok || json.Unmarshal(data, &payload) != nil {
		return
	}
	var fields []event.Field
	if declared != nil {
		fields = event.FieldsOf(reflect.TypeOf(declared))
	}
	eachText(payload, nil, func(path []string, value string) {
		if slices.ContainsFunc(fields, func(f event.Field) bool { return f.Mark != "" && isAt(f.Name, path) }) {
			return
		}
		what := ""
		switch {
		case strings.EqualFold(value, command.User):
			what = `the user's name: mark it with mark:"person"`
		case strings.Contains(value, " ") && strings.HasSuffix(command.RawMessage, value): // a single word may be a choice
			what = `what the user wrote: mark it with mark:"text"`
		}
		if what != "" {
			c.t.Errorf("%s of plugin %s: field %s of %s holds %s in %s", s.Subject, p.Name, strings.Join(path, "."), s.Ref, what, in)
		}
	})
}

// eachText calls f with each string in a value, and each name of a member, with its path.
func eachText(v any, path []string, f func(path []string, value string)) {
	switch v := v.(type) {
	case string:
		f(path, v)
	case []any:
		for _, element := range v {
			eachText(element, path, f)
		}
	case map[string]any:
		for name, member := range v {
			f(path, name)
			eachText(member, append(slices.Clone(path), name), f)
		}
	}
}

// isAt reports whether a field's name, in which * is any member, is a path.
func isAt(name string, path []string) bool {
	parts := strings.Split(name, ".")
	return slices.EqualFunc(parts, path, func(part, at string) bool { return part == "*" || part == at })
}
