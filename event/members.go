package event

import (
	"encoding/json"

	"github.com/rosey-bot/rosey/internal/rawjson"
)

// A member is a name and a value of a JSON object.
type member struct {
	name  []byte
	raw   json.RawMessage // part of the object's own bytes
	taken bool
}

// fewMembers is room for the members of nearly every event, on the stack.
type fewMembers [12]member

// members appends the members of the JSON object raw to list. Events have few fields and
// every event is split twice, so this makes no map.
func members(list []member, raw []byte) ([]member, error) {
	err := rawjson.Members(raw, func(name, value []byte) error {
		list = append(list, member{name: name, raw: value})
		return nil
	})
	return list, err
}

// take returns the value of the last member of that name and marks all of that name as
// taken: of two fields with one name the last counts, as for json.Unmarshal.
func take(list []member, name string) (raw json.RawMessage, ok bool) {
	for i := range list {
		if string(list[i].name) == name && !list[i].taken {
			list[i].taken = true
			raw, ok = list[i].raw, true
		}
	}
	return raw, ok
}

func hasMember(list []member, name string) bool {
	for i := range list {
		if string(list[i].name) == name {
			return true
		}
	}
	return false
}

// extra returns the members that take left.
func extra(list []member) Extra {
	var x Extra
	for _, m := range list {
		if m.taken {
			continue
		}
		if x == nil {
			x = Extra{}
		}
		x[string(m.name)] = m.raw
	}
	return x
}

func text(literal []byte) string { return string(rawjson.Text(literal)) }
