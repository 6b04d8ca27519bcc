package event

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"

	"github.com/rosey-bot/rosey/internal/rawjson"
)

// Extra holds the fields of an object that the contract does not name, so that the
// additions of a newer or foreign publisher survive a round trip. Payload types embed it.
type Extra map[string]json.RawMessage

// Encode writes a payload as JSON: one of this package's payload structs with its extra
// fields, or anything that encoding/json writes as an object. Errors are INVALID_INPUT.
func Encode(payload any) (json.RawMessage, error) {
	raw, err := encode(payload)
	if err != nil {
		return nil, AsError(fmt.Errorf("encode payload: %w", err), InvalidInput)
	}
	if !isObject(raw) {
		return nil, Errorf(InvalidInput, "the payload must be a JSON object, not %s", kindOf(raw))
	}
	return raw, nil
}

// encodeChecked is Encode for a payload of the subject's own type, whose rules it checks.
func (l *layout) encodeChecked(subject string, payload reflect.Value) (json.RawMessage, error) {
	var few [12]json.RawMessage // on the stack
	values := append(few[:0], make([]json.RawMessage, len(l.names))...)
	raw, err := l.encode(payload, values)
	if err != nil {
		return nil, AsError(fmt.Errorf("%s: encode payload: %w", subject, err), InvalidInput)
	}
	for i := range l.fields {
		f := &l.fields[i]
		if err := f.check(values[i], payload.Field(f.index)); err != nil {
			return nil, fieldError(subject, l.names[i], err)
		}
	}
	return raw, nil
}

func encode(payload any) ([]byte, error) {
	switch p := payload.(type) {
	case json.RawMessage:
		if !rawjson.Valid(p) {
			return nil, errors.New("not valid JSON")
		}
		return p, nil
	case json.Marshaler:
		return marshal(p)
	case map[string]any:
		if p != nil {
			b, err := appendMembers(append(make([]byte, 0, 256), '{'), p, nil)
			return append(b, '}'), err
		}
	}
	if v := reflect.Indirect(reflect.ValueOf(payload)); v.Kind() == reflect.Struct {
		if l := layoutOf(v.Type()); !l.foreign {
			return l.encode(v, nil)
		}
	}
	return marshal(payload)
}

// encode writes a payload struct. A nil slice is written as an empty list. It sets each
// of values, unless that is nil, to how the field is written.
func (l *layout) encode(v reflect.Value, values []json.RawMessage) (b []byte, err error) {
	b = append(make([]byte, 0, 256), '{')
	for i := range l.fields {
		f := &l.fields[i]
		field := v.Field(f.index)
		if f.omitEmpty && field.IsZero() {
			continue
		}
		b = appendName(b, l.names[i])
		start := len(b)
		if field.Kind() == reflect.Slice && field.IsNil() && field.Type().Elem().Kind() != reflect.Uint8 {
			b = append(b, "[]"...)
		} else if b, err = appendValue(b, field); err != nil {
			return nil, Errorf(InvalidInput, "%s: %w", l.names[i], err).With("field", l.names[i])
		}
		if values != nil {
			values[i] = b[start:]
		}
	}
	if l.extra >= 0 {
		if b, err = appendMembers(b, v.Field(l.extra).Interface().(Extra), l.names); err != nil {
			return nil, err
		}
	}
	return append(b, '}'), nil
}

// appendMembers appends the members of m in the order of their names. It skips names that
// the object has already: of two fields with one name, readers differ on which counts.
func appendMembers[V any](b []byte, m map[string]V, has []string) (_ []byte, err error) {
	names := slices.AppendSeq(make([]string, 0, len(m)), maps.Keys(m))
	slices.Sort(names)
	for _, name := range names {
		if slices.Contains(has, name) {
			continue
		}
		if b, err = appendValue(appendName(b, name), reflect.ValueOf(m[name])); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return b, nil
}

func appendName(b []byte, name string) []byte {
	if b[len(b)-1] != '{' {
		b = append(b, ',')
	}
	return append(appendString(b, name), ':')
}

// appendValue appends what marshal writes. Most values need not go through encoding/json.
func appendValue(b []byte, v reflect.Value) ([]byte, error) {
	if !v.IsValid() {
		return append(b, "null"...), nil
	}
	switch v.Type() {
	case stringType:
		return appendString(b, v.String()), nil
	case intType, int64Type:
		return strconv.AppendInt(b, v.Int(), 10), nil
	case boolType:
		return strconv.AppendBool(b, v.Bool()), nil
	case rawType:
		if rawjson.Valid(v.Bytes()) {
			return append(b, v.Bytes()...), nil // verbatim, white space too
		}
	}
	raw, err := marshal(v.Interface())
	return append(b, raw...), err
}

var (
	stringType = reflect.TypeFor[string]()
	intType    = reflect.TypeFor[int]()
	int64Type  = reflect.TypeFor[int64]()
	boolType   = reflect.TypeFor[bool]()
	rawType    = reflect.TypeFor[json.RawMessage]()
)

func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c == '"' || c == '\\' || c >= 0x7f {
			raw, err := marshal(s)
			if err != nil {
				panic("event: a string cannot fail to encode: " + err.Error())
			}
			return append(b, raw...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
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
