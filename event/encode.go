package event

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"

	"github.com/rosey-bot/rosey/internal/rawjson"
)

// Extra holds the fields of an object that the contract does not name, so that the
// additions of a newer or foreign publisher survive a round trip. Payload types embed it.
type Extra map[string]json.RawMessage

// append writes the fields behind b in the order of their names. It skips names that the
// object has already: of two fields with one name, readers differ on which counts.
func (x Extra) append(b []byte, has func(name string) bool) []byte {
	names := make([]string, 0, len(x))
	for name := range x {
		if !has(name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		if b[len(b)-1] != '{' {
			b = append(b, ',')
		}
		b = append(appendString(b, name), ':')
		b = append(b, x[name]...)
	}
	return b
}

// Encode writes a payload as JSON: one of this package's payload structs with its extra
// fields, or anything that encoding/json writes as an object. Errors are INVALID_INPUT.
func Encode(payload any) (json.RawMessage, error) {
	if raw, ok := payload.(json.RawMessage); ok {
		if !isObject(raw) || !rawjson.Valid(raw) {
			return nil, Errorf(InvalidInput, "the payload must be a JSON object")
		}
		return raw, nil
	}
	if m, ok := payload.(map[string]any); ok && m != nil {
		raw, err := appendObject(make([]byte, 0, 256), m)
		if err != nil {
			return nil, Errorf(InvalidInput, "encode payload: %w", err)
		}
		return raw, nil
	}
	v := reflect.Indirect(reflect.ValueOf(payload))
	if v.Kind() == reflect.Struct && !layoutOf(v.Type()).foreign {
		if _, custom := payload.(json.Marshaler); !custom {
			return encodeStruct(v)
		}
	}
	raw, err := marshal(payload)
	if err != nil {
		return nil, Errorf(InvalidInput, "encode payload: %w", err)
	}
	if !isObject(raw) {
		return nil, Errorf(InvalidInput, "the payload must be a JSON object, not %s", kindOf(raw))
	}
	return raw, nil
}

func encodeStruct(v reflect.Value) (json.RawMessage, error) {
	l := layoutOf(v.Type())
	b := append(make([]byte, 0, 256), '{')
	for _, f := range l.fields {
		fv := v.Field(f.index)
		if f.omitEmpty && fv.IsZero() {
			continue
		}
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = append(appendString(b, f.name), ':')
		switch {
		case f.of == stringType:
			b = appendString(b, fv.String())
		case f.of == intType, f.of == int64Type:
			b = strconv.AppendInt(b, fv.Int(), 10)
		case f.of == idType:
			b = ID(fv.String()).AppendJSON(b)
		case f.of == rawType && rawjson.Valid(fv.Bytes()):
			b = append(b, fv.Bytes()...)
		case fv.Kind() == reflect.Slice && fv.IsNil() && fv.Type().Elem().Kind() != reflect.Uint8:
			b = append(b, "[]"...)
		default:
			raw, err := marshal(fv.Interface())
			if err != nil {
				return nil, Errorf(InvalidInput, "%s: %w", f.name, err).With("field", f.name)
			}
			b = append(b, raw...)
		}
	}
	b = append(b, '}')
	if l.extra < 0 || v.Field(l.extra).Len() == 0 {
		return b, nil
	}
	if b = append(v.Field(l.extra).Interface().(Extra).append(b[:len(b)-1], l.has), '}'); !rawjson.Valid(b) {
		return nil, Errorf(InvalidInput, "encode payload: a field of Extra is not valid JSON")
	}
	return b, nil
}

// marshal is json.Marshal without HTML escaping: bodies are read by people in
// the NATS CLI, and are escaped where they become HTML, not before.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// appendObject writes a map with its names in order.
func appendObject(b []byte, m map[string]any) ([]byte, error) {
	var few [8]string
	names := few[:0]
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	b = append(b, '{')
	for i, name := range names {
		if i > 0 {
			b = append(b, ',')
		}
		var err error
		if b, err = appendValue(append(appendString(b, name), ':'), m[name]); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return append(b, '}'), nil
}

// appendValue appends what marshal writes. Most metadata are strings, which need not go
// through reflection.
func appendValue(b []byte, v any) ([]byte, error) {
	switch v := v.(type) {
	case string:
		return appendString(b, v), nil
	case bool:
		return strconv.AppendBool(b, v), nil
	case int:
		return strconv.AppendInt(b, int64(v), 10), nil
	case float64:
		// Others are written with an exponent, or not at all.
		if size := math.Abs(v); size == 0 || size >= 1e-6 && size < 1e21 {
			return strconv.AppendFloat(b, v, 'f', -1, 64), nil
		}
	}
	raw, err := marshal(v)
	return append(b, raw...), err
}

func appendString(b []byte, s string) []byte {
	plain := true
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c == '"' || c == '\\' || c >= 0x7f {
			plain = false
			break
		}
	}
	if plain {
		return append(append(append(b, '"'), s...), '"')
	}
	raw, err := marshal(s)
	if err != nil {
		panic("event: a string cannot fail to encode: " + err.Error())
	}
	return append(b, raw...)
}
