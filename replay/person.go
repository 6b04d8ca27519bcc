package replay

import (
	"bytes"
	"strings"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/rawjson"
)

// Names reports whether the event names a user, in any case: in a field that is marked as
// a person, or in any value where it is not known which these are.
func (e Event) Names(user string, marks event.Marks) bool {
	return names(e.Subject, e.fields().data, user, marks)
}

func names(subject string, data []byte, user string, marks event.Marks) bool {
	fields, known := marks.Of(subject)
	if !known {
		return holdsAnywhere(data, user)
	}
	for _, f := range fields {
		if f.Mark == event.MarkPerson && holds(data, strings.Split(f.Name, "."), user) {
			return true
		}
	}
	return false
}

// holds reports whether the value at a path is a user's name, or an object with that key. Of
// a list on the way each element is meant, and * is any member.
func holds(value []byte, path []string, user string) bool {
	for element := range rawjson.Elements(value) {
		if holds(element, path, user) {
			return true
		}
	}
	if len(path) == 0 && equalFold(value, user) {
		return true
	}
	for name, child := range members(value) {
		switch {
		case len(path) == 0:
			if strings.EqualFold(string(name), user) {
				return true
			}
		case path[0] == "*" || path[0] == string(name):
			if holds(child, path[1:], user) {
				return true
			}
		}
	}
	return false
}

// holdsAnywhere reports whether a value, or one in it, is a user's name, or the ID of a user's
// record in a channel, which ends in /name.
func holdsAnywhere(value []byte, user string) bool {
	if holds(value, nil, user) {
		return true
	}
	if id := unquote(value); len(id) > len(user) && id[len(id)-len(user)-1] == '/' && bytes.EqualFold(id[len(id)-len(user):], []byte(user)) {
		return true
	}
	for element := range rawjson.Elements(value) {
		if holdsAnywhere(element, user) {
			return true
		}
	}
	for _, child := range members(value) {
		if holdsAnywhere(child, user) {
			return true
		}
	}
	return false
}
