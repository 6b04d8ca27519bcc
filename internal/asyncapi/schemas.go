package main

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/rosey-bot/rosey/consumers/pluginsettings"
	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/event"
)

var codes = []event.Code{event.RecordNotFound, event.InvalidInput, event.PermissionDenied, event.Timeout, event.NATSError,
	event.DatabaseError, event.PluginError, event.RateLimited, event.LimitExceeded}

// codeSchema is that of error codes: later releases may have others.
func codeSchema() *schema { return &schema{Type: "string", Examples: anys(codes)} }

// options are the schemas of types that encode themselves.
var options = &jsonschema.ForOptions{TypeSchemas: map[reflect.Type]*jsonschema.Schema{
	reflect.TypeFor[json.RawMessage](): {},
	reflect.TypeFor[event.ID]():        {Types: []string{"integer", "string"}, MinLength: jsonschema.Ptr(1)},
	reflect.TypeFor[event.Code]():      codeSchema(),
}}

func anys[T any](list []T) (all []any) {
	for _, v := range list {
		all = append(all, v)
	}
	return all
}

// addType describes a payload type under its name.
func (d *document) addType(name string, t reflect.Type) error {
	s, err := jsonschema.ForType(t, options)
	if err == nil {
		d.schemas[name] = d.finish(s, t)
	}
	return err
}

// finish gives the schema of a type what its tags and comments say, and lets it have
// fields that are not known: readers pass over them.
func (d *document) finish(s *jsonschema.Schema, t reflect.Type) *jsonschema.Schema {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Map {
		switch {
		case t.Kind() == reflect.Slice && s.Items != nil:
			s.Type, s.Types = "array", nil // a nil one is written as an empty one
			s = s.Items
		case t.Kind() == reflect.Map && s.AdditionalProperties != nil:
			s = s.AdditionalProperties
		}
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return s
	}
	s.AdditionalProperties, s.Description = nil, d.comments.of(t, "")
	_, checked := t.FieldByName("Extra")
	if checked {
		s.Required = nil // as the contract says, not as Go writes
	}
	for i := range t.NumField() {
		f := t.Field(i)
		key, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		p := s.Properties[key]
		if p == nil {
			continue
		}
		d.finish(p, f.Type)
		p.Description = d.comments.of(t, f.Name)
		if mark := f.Tag.Get("mark"); mark != "" {
			p.Extra = map[string]any{"x-mark": mark}
		}
		for rule := range strings.SplitSeq(f.Tag.Get("contract"), ",") {
			applyRule(s, p, key, rule)
		}
		if f.Type == reflect.TypeFor[event.ID]() && !slices.Contains(s.Required, key) {
			p.Types = append([]string{"null"}, p.Types...)
		}
	}
	return s
}

// applyRule adds a rule of the tag contract.
func applyRule(s, p *jsonschema.Schema, key, rule string) {
	choice, isChoice := strings.CutPrefix(rule, "oneof=")
	switch {
	case rule == "required":
		s.Required = append(s.Required, key)
	case rule == "nonempty":
		s.Required = append(s.Required, key)
		p.MinLength = jsonschema.Ptr(1)
	case rule == "nonnegative":
		p.Minimum = jsonschema.Ptr(0.0)
	case rule == "rank":
		p.Minimum = jsonschema.Ptr(-1.0)
	case rule == "object":
		p.Type = "object"
	case isChoice:
		if p.Enum = anys(strings.Split(choice, "|")); p.MinLength == nil {
			p.Enum = append(p.Enum, "")
		}
	}
}

// addBuckets describes what a plugin writes and reads in KV buckets.
func (d *document) addBuckets() error {
	for name, t := range map[string]reflect.Type{
		"Registration": reflect.TypeFor[router.Registration](), "SettingsDocument": reflect.TypeFor[pluginsettings.Document](),
	} {
		if err := d.addType(name, t); err != nil {
			return err
		}
	}
	r := d.schemas["Registration"]
	r.Required = []string{"name", "commands"}
	command := r.Properties["commands"].Items
	command.Required = []string{"name"}
	r.Properties["commands"].Items = &jsonschema.Schema{AnyOf: []*jsonschema.Schema{{Type: "string"}, command}}
	r.Properties["settings"] = &jsonschema.Schema{Type: "object", Description: r.Properties["settings"].Description}
	d.schemas["SettingsDocument"].Required = []string{"values"}
	for address, of := range map[string]struct{ schema, action, verb string }{
		"$KV.plugins.{name}": {"Registration", "send", "put"}, "$KV.settings.{key}": {"SettingsDocument", "receive", "watch"},
	} {
		id := idOf(address)
		d.messages[id] = object{"name": address, "payload": ref("schemas", of.schema)}
		if _, err := d.addChannel(address, "", id); err != nil {
			return err
		}
		d.operation(of.action, of.verb, id, "")
	}
	return nil
}
