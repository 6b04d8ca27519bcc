package event

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
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
	Name string `json:"name"`           // a path, as a.b; of a list on it each element is meant, and * is any member
	Type string `json:"type,omitempty"` // string, number, boolean, object or list; empty for any
	Mark Mark   `json:"mark,omitempty"`
}

// Validate returns an error that names what is not known.
func (f Field) Validate() error {
	switch {
	case f.Name == "" || slices.Contains(strings.Split(f.Name, "."), ""):
		return fmt.Errorf("a field is called %q", f.Name)
	case !slices.Contains([]string{"", "string", "number", "boolean", "object", "list"}, f.Type):
		return fmt.Errorf("field %s has type %q: it is string, number, boolean, object or list", f.Name, f.Type)
	case !slices.Contains([]Mark{"", MarkPerson, MarkText}, f.Mark):
		return fmt.Errorf("field %s has the mark %q: it is person or text", f.Name, f.Mark)
	}
	return nil
}

// FieldsOf returns the fields of a struct by their JSON names, nested ones after those
// that they are in. The tag mark holds a field's mark, as in
//
//	User string `json:"user" mark:"person"`
//
// A person's mark on a map is of its keys.
func FieldsOf(t reflect.Type) []Field { return appendFields(nil, "", t) }

var (
	timeType      = reflect.TypeFor[time.Time]()
	marshalerType = reflect.TypeFor[json.Marshaler]()
)

func appendFields(fields []Field, prefix string, t reflect.Type) []Field {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() == reflect.Map {
		return appendFields(fields, prefix+"*.", t.Elem())
	}
	if t.Kind() != reflect.Struct || t == timeType {
		return fields
	}
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case name == "-" || !f.IsExported() && !f.Anonymous:
			continue
		case f.Anonymous && name == "":
			fields = appendFields(fields, prefix, f.Type)
			continue
		case name == "":
			name = f.Name
		}
		fields = append(fields, Field{prefix + name, typeName(f.Type), Mark(f.Tag.Get("mark"))})
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

// marked are the marked fields of the payload types.
var marked = sync.OnceValue(func() map[reflect.Type][]Field {
	all := map[reflect.Type][]Field{}
	add := func(t reflect.Type) {
		if t != nil && all[t] == nil {
			all[t] = slices.DeleteFunc(FieldsOf(t), func(f Field) bool { return f.Mark == "" })
		}
	}
	for _, t := range schemas.literals {
		add(t)
	}
	for _, p := range schemas.patterns {
		add(p.value)
	}
	all[reflect.TypeFor[State]()] = stateFields // its value is of any part
	return all
})

// free are payload types with fields of which the contract does not say what they hold.
var free = []reflect.Type{nil, reflect.TypeFor[Denied](), reflect.TypeFor[Set](), reflect.TypeFor[Update](), reflect.TypeFor[Batch](), reflect.TypeFor[Query](),
	reflect.TypeFor[Get](), reflect.TypeFor[Delete]()}

// Marks tell which fields of payloads hold names or texts of people: those of the
// contract's payloads, and by subject those of plugins' own events, as they are registered.
type Marks map[string][]Field

// Of returns the marked fields of a subject's payload. Known is false where nobody says
// what all of its fields hold: then any value may be a name.
func (m Marks) Of(subject string) (fields []Field, known bool) {
	if own, ok := m[subject]; ok {
		return own, true
	}
	payload, _ := schemas.Find(subject)
	return marked()[payload], !slices.Contains(free, payload)
}
