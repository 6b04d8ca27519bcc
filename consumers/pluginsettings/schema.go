// Package pluginsettings keeps the settings of plugins and of their commands: typed by a
// JSON Schema, for all channels or for one, with their history, in a KV bucket.
package pluginsettings

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/suggest"
	"github.com/rosey-bot/rosey/internal/texttemplate"
	"github.com/rosey-bot/rosey/internal/timeparse"
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

// ParseSchema reads a JSON Schema of an object, each of whose properties is a setting. An
// empty one has none.
func ParseSchema(raw json.RawMessage) (Properties, error) {
	if len(raw) == 0 {
		return Properties{}, nil
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

// types are those of JSON Schema that a setting may have.
var types = []string{"boolean", "integer", "number", "string", "array", "object"}

// NewProperty returns the property of a schema, whose default must be valid.
func NewProperty(key string, of *jsonschema.Schema) (Property, error) {
	if of == nil {
		return Property{}, event.Errorf(event.InvalidInput, "the schema of setting %s is none: it is null", key)
	}
	if err := checkReferences(of); err != nil {
		return Property{}, event.Errorf(event.InvalidInput, "the schema of setting %s is none: %w", key, err)
	}
	p := Property{Key: key, Description: of.Description, Default: of.Default, schema: of}
	p.Unit, _ = of.Extra[unitKeyword].(string)
	if of.Type != "" && !slices.Contains(types, of.Type) {
		return p, event.Errorf(event.InvalidInput, "the type of setting %s is %q: there are %s", key, of.Type, strings.Join(types, ", "))
	}
	var err error
	if p.resolved, err = of.Resolve(nil); err != nil {
		return p, event.Errorf(event.InvalidInput, "the schema of setting %s is none: %w", key, err)
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

// Check returns an INVALID_INPUT error that says what the value must be.
func (p Property) Check(value json.RawMessage) error {
	var v any
	err := json.Unmarshal(value, &v)
	if err == nil {
		err = p.resolved.Validate(v)
	}
	if err != nil {
		return event.Errorf(event.InvalidInput, "%s must be %s, not %s", p.Key, p.wanted(err), p.Text(value)).With("field", p.Key)
	}
	if text, ok := v.(string); ok && p.Validate != nil {
		return p.Validate(text)
	}
	return p.checkExpressions(v)
}

// formatExpression is the format of texts that are regular expressions, of RE2 for the bot.
const formatExpression = "regex"

// checkExpressions compiles the regular expressions of a value.
func (p Property) checkExpressions(v any) error {
	texts := []any{v}
	of := p.schema
	if list, ok := v.([]any); ok && of.Items != nil {
		texts, of = list, of.Items
	}
	for _, text := range texts {
		if expression, ok := text.(string); ok && of.Format == formatExpression {
			if _, err := regexp.Compile(expression); err != nil {
				return event.Errorf(event.InvalidInput, "%s: %q is no regular expression of RE2: %w", p.Key, expression, err).With("field", p.Key)
			}
		}
	}
	return nil
}

// Parse returns the value that somebody typed for the setting.
func (p Property) Parse(text string) (json.RawMessage, error) {
	value, err := p.parse(strings.TrimSpace(text))
	if err != nil {
		return nil, event.Errorf(event.InvalidInput, "%s must be %s, not %s", p.Key, p.wanted(nil), text).With("field", p.Key)
	}
	raw, err := json.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("setting %s: %w", p.Key, err)
	}
	return raw, p.Check(raw)
}

var errNoValue = errors.New("not such a value")

func (p Property) parse(text string) (any, error) {
	switch p.schema.Type {
	case "boolean":
		switch strings.ToLower(text) {
		case "true", "on", "yes":
			return true, nil
		case "false", "off", "no":
			return false, nil
		}
		return nil, errNoValue
	case "integer", "number":
		if n, err := strconv.ParseFloat(text, 64); err == nil && !math.IsInf(n, 0) && !math.IsNaN(n) {
			return n, nil
		}
		if p.Unit != Seconds {
			return nil, errNoValue
		}
		d, err := timeparse.Duration(text)
		return d.Seconds(), err
	case "string":
		return text, nil
	case "array":
		return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' }), nil
	}
	var v any
	err := json.Unmarshal([]byte(text), &v)
	return v, err
}

// Text returns a value as people type it.
func (p Property) Text(value json.RawMessage) string {
	var v any
	if json.Unmarshal(value, &v) != nil {
		return string(value)
	}
	switch v := v.(type) {
	case string:
		return v
	case bool:
		if v {
			return "on"
		}
		return "off"
	case float64:
		return p.number(v)
	case []any:
		parts := make([]string, 0, len(v))
		for _, e := range v {
			parts = append(parts, fmt.Sprint(e))
		}
		return strings.Join(parts, ",")
	}
	return string(value)
}

func (p Property) number(n float64) string {
	if p.Unit == Seconds {
		text := time.Duration(n * float64(time.Second)).String()
		if strings.HasSuffix(text, "m0s") {
			text = strings.TrimSuffix(text, "0s")
		}
		if strings.HasSuffix(text, "h0m") {
			text = strings.TrimSuffix(text, "0m")
		}
		return text
	}
	return strconv.FormatFloat(n, 'f', -1, 64)
}

// wanted describes the values of the setting, and the validator's error where the schema
// says more than that.
func (p Property) wanted(err error) string {
	s := p.schema
	var kind string
	switch {
	case len(s.Enum) > 0:
		var names []string
		for _, e := range s.Enum {
			names = append(names, fmt.Sprint(e))
		}
		return strings.Join(names, " or ")
	case p.Unit == Seconds:
		kind = "a time such as 90s or 2h"
	case s.Type == "integer":
		kind = "a whole number"
	case s.Type == "boolean":
		kind = "on or off"
	case s.Type == "array" && s.Items != nil && len(s.Items.Examples) > 0:
		kind = fmt.Sprintf("words with commas between them, each such as %v", s.Items.Examples[0])
	case s.Type == "array":
		kind = "words with commas between them"
	case s.Type == "string" && s.Pattern == "" && s.MaxLength == nil:
		kind = "a text"
	case s.Type == "number":
		kind = "a number"
	case s.Pattern != "" && len(s.Examples) > 0: // which people read more easily than the pattern
		var texts []string
		for _, e := range s.Examples {
			texts = append(texts, fmt.Sprint(e))
		}
		kind = "a text such as " + strings.Join(texts, " or ")
	case s.Pattern != "" && s.Description != "":
		kind = "a text of its form (" + s.Description + ")"
	case err != nil:
		return "what its schema says (" + err.Error() + ")"
	default:
		kind = "JSON"
	}
	switch {
	case s.Minimum != nil && s.Maximum != nil:
		kind += fmt.Sprintf(" from %s to %s", p.number(*s.Minimum), p.number(*s.Maximum))
	case s.Minimum != nil:
		kind += fmt.Sprintf(" of %s or more", p.number(*s.Minimum))
	case s.Maximum != nil:
		kind += fmt.Sprintf(" of %s or less", p.number(*s.Maximum))
	}
	return kind
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
