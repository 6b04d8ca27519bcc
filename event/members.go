package event

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"

	"github.com/tidwall/gjson"
)

// A member is a name and a value of a JSON object.
type member struct {
	name  []byte
	raw   json.RawMessage // part of the object's own bytes
	taken bool
}

// fewMembers is room for the members of nearly every event, on the stack.
type fewMembers [12]member

// members splits a JSON object and appends what it finds to list. It checks all
// of it, as json.Unmarshal does, unless that is known to be right, but builds no
// map: events have few fields and every event is split twice.
func members(list []member, raw []byte, known bool) ([]member, error) {
	if !known && !valid(raw) {
		var fields map[string]json.RawMessage
		return nil, json.Unmarshal(raw, &fields)
	}
	i := bytes.IndexByte(raw, '{') + 1
	for {
		i = skipSpace(raw, i)
		switch raw[i] {
		case '}':
			return list, nil
		case ',':
			i++
			continue
		}
		end := skipString(raw, i)
		name := textBytes(raw[i:end])
		i = skipSpace(raw, end)      // the colon
		start := skipSpace(raw, i+1) // the value
		i = skipValue(raw, start)
		list = append(list, member{name: name, raw: raw[start:i:i]})
	}
}

// maxDepth is how deep encoding/json goes into nested values.
const maxDepth = 10_000

// valid is json.Valid, several times as fast for what is too short to be nested
// deeper than maxDepth.
func valid(raw []byte) bool {
	if len(raw) <= maxDepth {
		return gjson.ValidBytes(raw)
	}
	return json.Valid(raw)
}

// texts reads a valid JSON value that is a list of strings, and is not ok for any
// other. Without want the list is only checked.
func texts(raw json.RawMessage, want bool) (list []string, ok bool) {
	if raw[0] != '[' {
		return nil, false
	}
	if want {
		list = []string{}
	}
	for i := skipSpace(raw, 1); raw[i] != ']'; i = skipSpace(raw, i) {
		switch raw[i] {
		case ',':
			i++
		case '"':
			end := skipString(raw, i)
			if want {
				list = append(list, text(raw[i:end]))
			}
			i = end
		default:
			return nil, false
		}
	}
	return list, true
}

// take returns the value of the last member of that name and marks all of that
// name as taken: of two fields with one name the last counts, as for
// json.Unmarshal.
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

// extra is what take left.
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

func skipSpace(raw []byte, i int) int {
	for raw[i] == ' ' || raw[i] == '\t' || raw[i] == '\n' || raw[i] == '\r' {
		i++
	}
	return i
}

// skipString is the position behind the string that starts at i of valid JSON.
func skipString(raw []byte, i int) int {
	for i++; ; i++ {
		switch raw[i] {
		case '"':
			return i + 1
		case '\\':
			i++
		}
	}
}

// skipValue is the position behind the value that starts at i of an object in
// valid JSON.
func skipValue(raw []byte, i int) int {
	depth := 0
	for {
		switch raw[i] {
		case '"':
			if i = skipString(raw, i); depth == 0 {
				return i
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth < 0 {
				return i
			}
			if depth == 0 {
				return i + 1
			}
		case ',', ' ', '\t', '\n', '\r':
			if depth == 0 {
				return i
			}
		}
		i++
	}
}

// text is the text of a valid JSON string.
func text(literal []byte) string { return string(textBytes(literal)) }

// textBytes is text that may be part of the literal.
func textBytes(literal []byte) []byte {
	for _, c := range literal {
		if c == '\\' || c >= utf8.RuneSelf {
			var s string
			if err := json.Unmarshal(literal, &s); err != nil {
				panic("event: not a JSON string: " + err.Error())
			}
			return []byte(s)
		}
	}
	return literal[1 : len(literal)-1]
}
