// Package pluginsettings keeps the settings of plugins and of their commands: typed by a
// JSON Schema, for all channels or for one, with their history, in a KV bucket.
package pluginsettings

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/recent"
	"github.com/rosey-bot/rosey/internal/suggest"
	"github.com/rosey-bot/rosey/internal/texttemplate"
)

// unitKeyword is the keyword of a schema that names the unit of a number, of which Seconds
// is shown and taken as a duration, such as 90s or 2h.
const unitKeyword = "unit"

// Seconds is the unit of durations.
const Seconds = "s"

// TemplateKeyword is the keyword of a string's schema that makes it a template, see package
// texttemplate: the values that it may use, each as NAME or NAME:KIND.
const TemplateKeyword = "template"

// A Property is a setting that there is.
type Property struct {
	Key         string
	Description string
	Default     json.RawMessage // null if there is none
	Unit        string
	Template    []string // what the text may use, if it is a template; see TemplateKeyword
	// Validate, if set, checks the text of a string beyond what the schema says.
	Validate func(text string) error

	schema   *jsonschema.Schema
	resolved *jsonschema.Resolved
}

// Properties are the settings that there are, by key.
type Properties map[string]Property

// parsed holds what ParseSchema made of the last schemas, as each is read when a plugin is
// checked, stored, found in the bucket and run, and takes milliseconds.
var parsed = recent.NewMap[string, Properties](100)

// ParseSchema reads a JSON Schema of an object, each of whose properties is a setting. An
// empty one has none. The properties are not to be changed.
func ParseSchema(raw json.RawMessage) (Properties, error) {
	if all, ok := parsed.Get(string(raw)); ok {
		return all, nil
	}
	all, err := parseSchema(raw)
	if err == nil && len(raw) <= 64<<10 {
		parsed.Set(string(raw), all)
	}
	return all, err
}

func parseSchema(raw json.RawMessage) (Properties, error) {
	if len(raw) == 0 {
		return Properties{}, nil
	}
	if err := checkDepth(raw); err != nil {
		return nil, event.Errorf(event.InvalidInput, "the settings schema is invalid: %w", err)
	}
	var s jsonschema.Schema
	err := json.Unmarshal(raw, &s)
	if wrong := (*json.UnmarshalTypeError)(nil); errors.As(err, &wrong) { // names the library's types
		field := strings.ReplaceAll(wrong.Field, "schemaWithoutMethods.", "")
		err = fmt.Errorf("%s cannot be a JSON %s", cmp.Or(field, "a schema"), wrong.Value)
	}
	if err != nil {
		return nil, event.Errorf(event.InvalidInput, "the settings schema is invalid: %w", err)
	}
	if err := checkReferences(raw); err != nil {
		return nil, err
	}
	return propertiesOf(&s)
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

func propertiesOf(s *jsonschema.Schema) (Properties, error) {
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

// types are those of JSON Schema that a setting may have.
var types = []string{"boolean", "integer", "number", "string", "array", "object"}

// NewProperty returns the property of a schema, whose default must be valid.
func NewProperty(key string, of *jsonschema.Schema) (Property, error) {
	if of == nil {
		return Property{}, event.Errorf(event.InvalidInput, "the schema of setting %s is invalid: it is null", key)
	}
	p := Property{Key: key, Description: of.Description, Default: of.Default, schema: of}
	p.Unit, _ = of.Extra[unitKeyword].(string)
	if of.Type != "" && !slices.Contains(types, of.Type) {
		return p, event.Errorf(event.InvalidInput, "the type of setting %s is %q: there are %s", key, of.Type, strings.Join(types, ", "))
	}
	var err error
	if p.resolved, err = of.Resolve(nil); err != nil {
		return p, event.Errorf(event.InvalidInput, "the schema of setting %s is invalid: %w", key, err)
	}
	if names, ok := of.Extra[TemplateKeyword]; ok {
		if err := p.validateTemplates(names); err != nil {
			return p, err
		}
	}
	if len(p.Default) == 0 {
		p.Default = json.RawMessage("null")
		return p, nil
	}
	if err := p.Check(p.Default); err != nil {
		return p, event.Errorf(event.InvalidInput, "default of %w", err)
	}
	return p, nil
}

// checkReferences returns an error for a setting's schema that refers to another: it may refer to
// itself, which the validator would follow without end.
func checkReferences(schema json.RawMessage) error {
	var of struct{ Properties map[string]any }
	if err := json.Unmarshal(schema, &of); err != nil {
		return event.Errorf(event.InvalidInput, "the settings schema is invalid: %w", err)
	}
	for _, key := range slices.Sorted(maps.Keys(of.Properties)) {
		if err := findReference(of.Properties[key]); err != nil {
			return event.Errorf(event.InvalidInput, "the schema of setting %s is invalid: %w", key, err)
		}
	}
	return nil
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

// validateTemplates has Check parse the property's texts.
func (p *Property) validateTemplates(keyword any) error {
	raw, err := json.Marshal(keyword)
	if err == nil {
		err = json.Unmarshal(raw, &p.Template)
	}
	if err != nil {
		return event.Errorf(event.InvalidInput, "%s of setting %s must be a list of names", TemplateKeyword, p.Key)
	}
	key, names := p.Key, p.Template
	p.Validate = func(text string) error {
		if _, err := texttemplate.Parse(text, names); err != nil {
			return event.Errorf(event.InvalidInput, "%s: %w", key, err).With("field", key)
		}
		return nil
	}
	return nil
}

// Find returns a property, or an error that names what was meant or all there are.
func (ps Properties) Find(plugin, key string) (Property, error) {
	if p, ok := ps[key]; ok {
		return p, nil
	}
	keys := slices.Sorted(maps.Keys(ps))
	if hint := suggest.DidYouMean(key, "", keys); hint != "" {
		return Property{}, event.Errorf(event.InvalidInput, "%s has no setting %s:%s", plugin, key, hint)
	}
	return Property{}, event.Errorf(event.InvalidInput, "%s has no setting %s: see rosey settings ls %s", plugin, key, plugin)
}
