package event

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
)

// As reads the envelope's data as a payload type and checks it against the contract.
// Errors are INVALID_INPUT and name the field. Extra gets the fields that the type does
// not have.
func As[T any](e Envelope) (T, error) {
	var payload T
	err := decodeStruct(e.Subject, e.Data, reflect.ValueOf(&payload).Elem())
	return payload, err
}

// checkStruct returns the error of decodeStruct. It makes no payload unless the payload's
// own rules need one, as every published event is checked.
func checkStruct(subject string, data json.RawMessage, payload reflect.Type) error {
	if l := layoutOf(payload); !l.checks {
		_, err := l.read(subject, data, reflect.Value{})
		return err
	}
	return decodeStruct(subject, data, reflect.New(payload).Elem())
}

func decodeStruct(subject string, data json.RawMessage, v reflect.Value) error {
	l := layoutOf(v.Type())
	x, err := l.read(subject, data, v)
	if err != nil {
		return err
	}
	if l.extra >= 0 && x != nil {
		v.Field(l.extra).Set(reflect.ValueOf(x))
	}
	if l.checks {
		if field, err := v.Addr().Interface().(checker).check(); err != nil {
			return fieldError(subject, field, err)
		}
	}
	return nil
}

// read reads the fields of a payload into v, or only checks them where v is the zero
// Value, and returns the fields that the payload type does not have.
func (l *layout) read(subject string, data json.RawMessage, v reflect.Value) (Extra, error) {
	if !isObject(data) {
		return nil, Errorf(InvalidInput, "%s: data must be an object, not %s", subject, kindOf(data)).With("field", "data")
	}
	var few fewMembers
	fields, err := members(few[:0], data)
	if err != nil {
		return nil, Errorf(InvalidInput, "%s: data is not valid JSON: %w", subject, err).With("field", "data")
	}
	for i := range l.fields {
		f := &l.fields[i]
		raw, present := take(fields, f.name)
		if !present || isNull(raw) {
			if f.required {
				return nil, fieldError(subject, f.name, errors.New("is required"))
			}
			continue
		}
		var into reflect.Value
		if v.IsValid() {
			into = v.Field(f.index)
		}
		if err := f.read(raw, into); err != nil {
			return nil, fieldError(subject, f.name, err)
		}
	}
	if !v.IsValid() {
		return nil, nil
	}
	return extra(fields), nil
}

// read reads a field's value into into, or only checks it where that is the zero Value.
func (f *fieldLayout) read(raw json.RawMessage, into reflect.Value) error {
	var empty, low bool
	switch f.of {
	case stringType:
		if raw[0] != '"' {
			return fmt.Errorf("must be a string, not %s", kindOf(raw))
		}
		empty = len(raw) == len(`""`)
		if into.IsValid() {
			into.SetString(text(raw))
		}
	case intType, int64Type:
		n, err := integer(raw)
		if err != nil {
			return err
		}
		low = f.min != nil && float64(n) < *f.min
		if into.IsValid() {
			into.SetInt(n)
		}
	default:
		if !into.IsValid() {
			into = reflect.New(f.of).Elem()
		}
		if err := decodeField(raw, into.Addr().Interface()); err != nil {
			return err
		}
		empty = into.IsZero()
		low = f.min != nil && into.CanFloat() && into.Float() < *f.min
	}
	switch {
	case f.nonempty && empty:
		return errors.New("must not be empty")
	case low:
		return fmt.Errorf("must be %v or more, not %s", *f.min, raw)
	}
	return nil
}

func fieldError(subject, field string, err error) *Error {
	return Errorf(InvalidInput, "%s: %s %w", subject, field, err).With("field", field)
}

// decodeField is json.Unmarshal with errors in the contract's words. It takes whole
// numbers for integers however they are written (2.0, 1e3), as languages without
// integers write them.
func decodeField(raw json.RawMessage, into any) error {
	switch p := into.(type) {
	case **int:
		n, err := integer(raw)
		*p = new(int)
		**p = int(n)
		return err
	case *string:
		return decodeText(raw, p)
	case *json.RawMessage:
		*p = raw
		return nil
	case json.Unmarshaler:
		return p.UnmarshalJSON(raw)
	}
	err := json.Unmarshal(raw, into)
	var typeErr *json.UnmarshalTypeError
	if errors.As(err, &typeErr) && typeErr.Type != reflect.TypeOf(into).Elem() {
		return fmt.Errorf("has %s where %s must be", jsonKind(typeErr.Value), goKind(typeErr.Type))
	}
	if typeErr != nil {
		return fmt.Errorf("must be %s, not %s", goKind(typeErr.Type), jsonKind(typeErr.Value))
	}
	return err
}

func decodeText(raw json.RawMessage, into *string) error {
	if kindOf(raw) != "a string" {
		return fmt.Errorf("must be a string, not %s", kindOf(raw))
	}
	*into = text(bytes.TrimSpace(raw))
	return nil
}

func integer(raw json.RawMessage) (int64, error) {
	s := string(bytes.TrimSpace(raw))
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return n, nil
	}
	if kindOf(raw) != "a number" {
		return 0, fmt.Errorf("must be an integer, not %s", kindOf(raw))
	}
	// From 2^53 on a float no longer tells neighbouring integers apart.
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || f != math.Trunc(f) || math.Abs(f) >= 1<<53 {
		return 0, fmt.Errorf("must be an integer, not %s", s)
	}
	return int64(f), nil
}

// jsonKind translates encoding/json's name of a kind of value.
func jsonKind(found string) string {
	switch found {
	case "array":
		return "a list"
	case "object":
		return "an object"
	case "bool":
		return "true or false"
	}
	return "a " + found
}

func goKind(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.Map, reflect.Struct:
		return "an object"
	case reflect.Float32, reflect.Float64:
		return "a number"
	default:
		return "an integer"
	}
}

func kindOf(raw json.RawMessage) string {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 {
		return "nothing"
	}
	switch raw[0] {
	case '{':
		return "an object"
	case '[':
		return "a list"
	case '"':
		return "a string"
	case 't', 'f':
		return "a boolean"
	case 'n':
		return "null"
	default:
		return "a number"
	}
}

func isObject(raw []byte) bool {
	raw = bytes.TrimSpace(raw)
	return len(raw) > 1 && raw[0] == '{'
}

func isNull(raw []byte) bool { return string(bytes.TrimSpace(raw)) == "null" }
