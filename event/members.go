package event

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"
)

// A member is a name and a value of a JSON object.
type member struct {
	name string
	raw  json.RawMessage // part of the object's own bytes
}

// members splits a JSON object. It checks all of it, as json.Unmarshal does, but
// builds no map: events have few fields and every event is split twice.
func members(raw []byte) ([]member, error) {
	if !json.Valid(raw) {
		var fields map[string]json.RawMessage
		return nil, json.Unmarshal(raw, &fields)
	}
	i := bytes.IndexByte(raw, '{') + 1
	out := make([]member, 0, 8)
	for {
		i = skipSpace(raw, i)
		switch raw[i] {
		case '}':
			return out, nil
		case ',':
			i++
			continue
		}
		end := skipString(raw, i)
		name := text(raw[i:end])
		i = skipSpace(raw, end)      // the colon
		start := skipSpace(raw, i+1) // the value
		i = skipValue(raw, start)
		out = append(out, member{name, raw[start:i:i]})
	}
}

// take removes the members of that name from the list and returns the last one's
// value: of two fields with one name the last counts, as for json.Unmarshal.
func take(list *[]member, name string) (raw json.RawMessage, ok bool) {
	kept := (*list)[:0]
	for _, m := range *list {
		if m.name == name {
			raw, ok = m.raw, true
			continue
		}
		kept = append(kept, m)
	}
	*list = kept
	return raw, ok
}

func hasMember(list []member, name string) bool {
	for i := range list {
		if list[i].name == name {
			return true
		}
	}
	return false
}

// extra is what take left.
func extra(list []member) Extra {
	if len(list) == 0 {
		return nil
	}
	x := make(Extra, len(list))
	for _, m := range list {
		x[m.name] = m.raw
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
func text(literal []byte) string {
	for _, c := range literal {
		if c == '\\' || c >= utf8.RuneSelf {
			var s string
			if err := json.Unmarshal(literal, &s); err != nil {
				panic("event: not a JSON string: " + err.Error())
			}
			return s
		}
	}
	return string(literal[1 : len(literal)-1])
}
