package plugins

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/rosey-bot/rosey/consumers/pluginsettings"
	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/event"
)

// SettingsOf returns the plugin's settings in the channel of the event being handled, as
// they were when the event was taken: one handler sees one set. A redelivery may see
// newer ones. A stored value that the plugin no longer takes is logged, and its default
// holds. T is the type of Plugin.Settings. The calls of one handler share its lists.
func SettingsOf[T any](c *Context) T {
	if decoded, ok := c.decoded.(T); ok {
		return decoded
	}
	decoded := settingsFrom[T](propertiesOf(reflect.TypeFor[T]()), func(p pluginsettings.Property) json.RawMessage {
		value, from, ok := c.settings.Value(p.Key)
		if !ok {
			return p.Default
		}
		if err := p.Check(value); err != nil {
			c.Log.WarnContext(c, "setting not valid, default used", "key", p.Key, "channel", from.Channel, "error", err)
			return p.Default
		}
		return value
	})
	c.decoded = decoded
	return decoded
}

// DecodeSettings returns settings of type T with the values that are given and the defaults of
// the others. The error is INVALID_INPUT for a value that the plugin does not take.
func DecodeSettings[T any](values map[string]json.RawMessage) (T, error) {
	var wrong error
	settings := settingsFrom[T](propertiesOf(reflect.TypeFor[T]()), func(p pluginsettings.Property) json.RawMessage {
		value, ok := values[p.Key]
		if !ok {
			return p.Default
		}
		wrong = cmp.Or(wrong, p.Check(value))
		return value
	})
	return settings, wrong
}

// Properties returns the properties of the plugin's settings, nil if it has none.
func (p Plugin) Properties() pluginsettings.Properties {
	if p.Settings == nil {
		return nil
	}
	return propertiesOf(reflect.TypeOf(p.Settings))
}

func propertiesOf(t reflect.Type) pluginsettings.Properties {
	of, err := describeSettings(t)
	if err != nil {
		panic(err) // Plugin.Validate refuses such a type
	}
	return of.properties
}

// settingsFrom returns settings of type T with the values of their properties.
func settingsFrom[T any](properties pluginsettings.Properties, value func(pluginsettings.Property) json.RawMessage) (settings T) {
	v := reflect.ValueOf(&settings).Elem()
	for _, f := range settingsFields(v.Type()) {
		p, field := properties[fieldKey(f)], v.FieldByIndex(f.Index)
		if f.Type == textType {
			field.Set(reflect.ValueOf(newText(p, value(p))))
			continue
		}
		assign(field, value(p))
	}
	return settings
}

// settingsFields lists the fields of a struct of settings, those of embedded structs among them.
func settingsFields(t reflect.Type) []reflect.StructField {
	return slices.DeleteFunc(reflect.VisibleFields(t), func(f reflect.StructField) bool {
		return f.Anonymous || len(f.Index) > 1 && !f.IsExported()
	})
}

var durationType = reflect.TypeFor[time.Duration]()

// assign decodes a value that fits the field's schema.
func assign(field reflect.Value, value json.RawMessage) {
	if field.Type() == durationType {
		var seconds float64
		if json.Unmarshal(value, &seconds) == nil {
			field.SetInt(int64(seconds * float64(time.Second)))
		}
		return
	}
	if field.Kind() == reflect.Int { // 5.0 and 5e0 are integers, too
		var n float64
		if json.Unmarshal(value, &n) == nil {
			field.SetInt(int64(n))
		}
		return
	}
	_ = json.Unmarshal(value, field.Addr().Interface())
}

func fieldKey(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}

// settingsSchema returns the JSON Schema of a struct of settings. It panics where the
// struct is none, which describeSettings turns into an error.
func settingsSchema(t reflect.Type) *jsonschema.Schema {
	schema, err := jsonschema.ForType(t, &jsonschema.ForOptions{TypeSchemas: map[reflect.Type]*jsonschema.Schema{
		durationType: {Type: "number", Extra: map[string]any{"unit": pluginsettings.Seconds}},
		textType:     {Type: "string"},
	}})
	if err != nil {
		panic(err)
	}
	schema.Required, schema.AdditionalProperties = nil, nil
	for _, f := range settingsFields(t) {
		p := schema.Properties[fieldKey(f)]
		if p == nil {
			panic(fmt.Errorf("field %s has no tag json with the setting's name", f.Name))
		}
		if f.Type.Kind() == reflect.Slice {
			p.Type, p.Types = "array", nil
		}
		if f.Type == textType {
			describeText(p, f)
		}
		describeForm(p, f)
		p.Minimum, p.Maximum = number(f, "min"), number(f, "max")
		for choice := range strings.SplitSeq(f.Tag.Get("enum"), ",") {
			if choice != "" {
				p.Enum = append(p.Enum, choice)
			}
		}
		property, err := pluginsettings.NewProperty(fieldKey(f), p)
		if err == nil {
			p.Default, err = property.Parse(f.Tag.Get("default"))
		}
		if err != nil {
			panic(fmt.Errorf("default of %w", err))
		}
	}
	return schema
}

// describeForm adds the form that a text or each of a list must have: that of the tag pattern, of
// which the tag example has one, or the format regex of patterns in RE2's syntax.
func describeForm(p *jsonschema.Schema, f reflect.StructField) {
	if p.Items != nil {
		p = p.Items
	}
	p.Pattern, p.Format = f.Tag.Get("pattern"), f.Tag.Get("format")
	if example := f.Tag.Get("example"); example != "" {
		p.Examples = []any{example}
	}
}

// number returns a limit in a field's tag, or nil.
func number(f reflect.StructField, tag string) *float64 {
	text, ok := f.Tag.Lookup(tag)
	if !ok {
		return nil
	}
	n, err := strconv.ParseFloat(text, 64)
	if f.Type == durationType {
		var d time.Duration
		d, err = time.ParseDuration(text)
		n = d.Seconds()
	}
	if err != nil {
		panic(fmt.Errorf("tag %s of field %s: %w", tag, f.Name, err))
	}
	return &n
}

// schema returns the JSON Schema of the plugin's settings, or nil if it has none.
func (p Plugin) schema() (json.RawMessage, error) {
	if p.Settings == nil {
		return nil, nil
	}
	of, err := describeSettings(reflect.TypeOf(p.Settings))
	if err != nil {
		return nil, event.Errorf(event.InvalidInput, "settings of plugin %s: %w", p.Name, err)
	}
	return of.schema, nil
}

// settingsTypes holds what describeSettings made of each type: that takes milliseconds.
var settingsTypes sync.Map // reflect.Type -> settingsType

type settingsType struct {
	schema     json.RawMessage
	properties pluginsettings.Properties
}

// describeSettings returns the schema and the properties of a struct of settings.
func describeSettings(t reflect.Type) (of settingsType, err error) {
	if of, ok := settingsTypes.Load(t); ok {
		return of.(settingsType), nil
	}
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("%v", v)
		}
	}()
	schema := settingsSchema(t)
	for _, key := range slices.Sorted(maps.Keys(schema.Properties)) {
		if router.IsPolicy(key) {
			return of, fmt.Errorf("%s is a setting that every command has", key)
		}
	}
	if of.schema, err = json.Marshal(schema); err != nil {
		return of, err
	}
	if of.properties, err = pluginsettings.ParseSchema(of.schema); err == nil {
		settingsTypes.Store(t, of)
	}
	return of, err
}
