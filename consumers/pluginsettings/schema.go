// Package pluginsettings keeps the settings of plugins and of their commands: typed by a
// JSON Schema, for all channels or for one, with their history, in a KV bucket.
package pluginsettings

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/rosey-bot/rosey/event"
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

// formatExpression is the format of texts that are regular expressions, of RE2 for the bot.
const formatExpression = "regex"

var errNoValue = errors.New("not such a value")

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
