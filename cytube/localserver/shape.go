package localserver

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// check returns the real server's complaint about an event's first argument; "" if it has the shape: each key that is not
// optional, of the right type, and no other key.
func check(arg json.RawMessage, shape []field) string {
	if shape == nil {
		return ""
	}
	if t := jsType(arg); t != "object" {
		return "Expected type object, got " + t
	}
	var keys map[string]json.RawMessage
	_ = json.Unmarshal(arg, &keys) // an object, as has been seen
	for _, f := range shape {
		types := strings.Split(f.types, ",")
		value, ok := keys[f.name]
		if !ok {
			if !slices.Contains(types, "optional") {
				return fmt.Sprintf("Missing key: %s:%s", f.types, f.name)
			}
			continue
		}
		if t := jsType(value); !slices.Contains(types, t) {
			return fmt.Sprintf("Expected key %s to be of type %s, instead got %s", f.name, f.types, t)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		if !slices.ContainsFunc(shape, func(f field) bool { return f.name == key }) {
			return "Extra key: " + key
		}
	}
	return ""
}

// jsType returns what the real server calls the type of a JSON value.
func jsType(raw json.RawMessage) string {
	if len(raw) == 0 {
		return "undefined"
	}
	switch raw[0] {
	case '"':
		return "string"
	case 't', 'f':
		return "boolean"
	case '{':
		return "object"
	case '[':
		return "array"
	case 'n':
		return "null"
	}
	return "number"
}
