package channel

import (
	"bytes"
	"encoding/json"
	"math"
	"reflect"
	"strconv"
	"strings"
)

// loosen rewrites JSON so that it decodes into a type: numbers in strings become numbers,
// numbers strings, and what cannot become what its field wants is left out. A field of the
// wrong type so costs that field, and not the frame. It returns nil if nothing is left.
func loosen(raw json.RawMessage, t reflect.Type) json.RawMessage {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var v any
	if dec.Decode(&v) != nil {
		return nil
	}
	if v = coerce(v, t); v == nil {
		return nil
	}
	out, _ := json.Marshal(v) //nolint:errchkjson // it was decoded from JSON
	return out
}

var unmarshaler = reflect.TypeFor[json.Unmarshaler]()

// coerce returns v as t has it, or nil.
func coerce(v any, t reflect.Type) any {
	if v == nil || reflect.PointerTo(t).Implements(unmarshaler) { // which takes what comes
		return v
	}
	switch t.Kind() {
	case reflect.Pointer:
		return coerce(v, t.Elem())
	case reflect.String:
		if n, ok := v.(json.Number); ok {
			return n.String()
		}
		text, ok := v.(string)
		return orNil(text, ok)
	case reflect.Int, reflect.Int64, reflect.Float64:
		return number(v, t.Kind() != reflect.Float64)
	case reflect.Bool:
		return truth(v)
	case reflect.Slice:
		list, ok := v.([]any)
		for i := range list {
			list[i] = coerce(list[i], t.Elem())
		}
		return orNil(list, ok)
	case reflect.Struct:
		object, ok := v.(map[string]any)
		for i := range t.NumField() {
			name := t.Field(i).Tag.Get("json")
			if value := coerce(object[name], t.Field(i).Type); value != nil {
				object[name] = value
			} else {
				delete(object, name)
			}
		}
		return orNil(object, ok)
	}
	return v
}

func orNil[T any](v T, ok bool) any {
	if !ok {
		return nil
	}
	return v
}

// number returns a number that is written as one or as a string, or nil.
func number(v any, whole bool) any {
	text, ok := v.(string)
	if n, isNumber := v.(json.Number); isNumber {
		text, ok = n.String(), true
	}
	f, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	switch {
	case !ok || err != nil || math.IsInf(f, 0) || math.IsNaN(f):
		return nil
	case !whole:
		return f
	case f != math.Trunc(f) || math.Abs(f) >= 1<<53:
		return nil
	}
	return int64(f)
}

// truth returns a bool that is written as one, as a string or as 0 or 1, or nil.
func truth(v any) any {
	switch v := v.(type) {
	case bool:
		return v
	case string:
		b, err := strconv.ParseBool(v)
		return orNil(b, err == nil)
	case json.Number:
		return orNil(v == "1", v == "0" || v == "1")
	}
	return nil
}
