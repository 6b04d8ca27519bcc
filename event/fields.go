package event

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"time"
)

// A Mark says what a field holds of people: names, or what they wrote.
type Mark string

// Marks of fields. Of a record with several persons the first is whose its texts are.
const (
	MarkPerson Mark = "person"
	MarkText   Mark = "text"
)

// A Field is what a schema says about one field of a payload or of a collection's
// records.
type Field struct {
	Name     string `json:"name"`           // a path, as a.b; where a list is on it, each element is meant
	Type     string `json:"type,omitempty"` // string, number, boolean, object or list; empty for any
	Required bool   `json:"required,omitempty"`
	Mark     Mark   `json:"mark,omitempty"`
}

// FieldsOf returns the fields of a struct by their JSON names, nested ones behind those
// that they are in. A field without omitempty or omitzero is required; the tag mark
// holds its mark, as in
//
//	User string `json:"user" mark:"person"`
func FieldsOf(t reflect.Type) []Field { return appendFields(nil, "", t) }

var (
	timeType      = reflect.TypeFor[time.Time]()
	marshalerType = reflect.TypeFor[json.Marshaler]()
)

func appendFields(fields []Field, prefix string, t reflect.Type) []Field {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || t == timeType {
		return fields
	}
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case name == "-" || !f.IsExported() && !f.Anonymous:
			continue
		case f.Anonymous && name == "":
			fields = appendFields(fields, prefix, f.Type)
			continue
		case name == "":
			name = f.Name
		}
		optional := slices.ContainsFunc(strings.Split(options, ","), func(o string) bool { return o == "omitempty" || o == "omitzero" })
		fields = append(fields, Field{prefix + name, typeName(f.Type), !optional, Mark(f.Tag.Get("mark"))})
		fields = appendFields(fields, prefix+name+".", f.Type)
	}
	return fields
}

// typeName returns the name of the JSON type that a Go type is encoded as; empty where
// that is not said by its kind.
func typeName(t reflect.Type) string {
	switch kind := t.Kind(); {
	case t == timeType:
		return "string"
	case t == rawType, t.Implements(marshalerType), reflect.PointerTo(t).Implements(marshalerType), kind == reflect.Pointer, kind == reflect.Interface:
		return ""
	case kind == reflect.String:
		return "string"
	case kind == reflect.Bool:
		return "boolean"
	case kind == reflect.Slice && t.Elem().Kind() == reflect.Uint8:
		return "string"
	case kind == reflect.Slice, kind == reflect.Array:
		return "list"
	case kind == reflect.Struct, kind == reflect.Map:
		return "object"
	}
	return "number"
}
