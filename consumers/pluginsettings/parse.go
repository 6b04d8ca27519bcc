package pluginsettings

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/rosey-bot/rosey/event"
)

// ParseSchema reads a JSON Schema of an object, each of whose properties is a setting. An
// empty one has none.
func ParseSchema(raw json.RawMessage) (Properties, error) {
	if len(raw) == 0 {
		return Properties{}, nil
	}
	if err := checkDepth(raw); err != nil {
		return nil, event.Errorf(event.InvalidInput, "the schema of the settings is none: %w", err)
	}
	var s jsonschema.Schema
	err := json.Unmarshal(raw, &s)
	if wrong := (*json.UnmarshalTypeError)(nil); errors.As(err, &wrong) { // names the library's types
		field := strings.ReplaceAll(wrong.Field, "schemaWithoutMethods.", "")
		err = fmt.Errorf("%s cannot be a JSON %s", cmp.Or(field, "a schema"), wrong.Value)
	}
	if err != nil {
		return nil, event.Errorf(event.InvalidInput, "the schema of the settings is none: %w", err)
	}
	return FromSchema(&s)
}

// maxDepth is how deep a schema may nest. The library reads each level once more than the one
// around it.
const maxDepth = 64

// checkDepth returns an error for JSON that nests deeper than maxDepth.
func checkDepth(raw json.RawMessage) error {
	tokens, depth := json.NewDecoder(bytes.NewReader(raw)), 0
	for {
		token, err := tokens.Token()
		if err != nil {
			return nil //nolint:nilerr // who reads the JSON says what is wrong with it
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if depth > maxDepth {
			return fmt.Errorf("it nests deeper than %d levels", maxDepth)
		}
	}
}

// FromSchema returns the properties of a schema.
func FromSchema(s *jsonschema.Schema) (Properties, error) {
	if s.Type != "object" {
		return nil, event.Errorf(event.InvalidInput, "the schema of the settings must be of type object, not %q", s.Type)
	}
	all := Properties{}
	for key, of := range s.Properties {
		if !event.ValidName(key) {
			return nil, event.Errorf(event.InvalidInput, "a setting is called %q: it is 1 to %d of A-Z a-z 0-9 _ -", key, event.MaxNameLength)
		}
		p, err := NewProperty(key, of)
		if err != nil {
			return nil, err
		}
		all[key] = p
	}
	return all, nil
}

// checkReferences returns an error for a schema that refers to another: it may refer to itself,
// which the validator would follow without end.
func checkReferences(s *jsonschema.Schema) error {
	raw, err := json.Marshal(s)
	if err != nil {
		return err
	}
	var value any
	if err := json.Unmarshal(raw, &value); err != nil {
		return err
	}
	return findReference(value)
}

func findReference(value any) error {
	switch v := value.(type) {
	case []any:
		for _, of := range v {
			if err := findReference(of); err != nil {
				return err
			}
		}
	case map[string]any:
		for key, of := range v {
			if _, ok := of.(string); ok && (key == "$ref" || key == "$dynamicRef") {
				return fmt.Errorf("it refers to another by %s: write that in its place", key)
			}
			if err := findReference(of); err != nil {
				return err
			}
		}
	}
	return nil
}
