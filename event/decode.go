package event

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"

	"github.com/rosey-bot/rosey/internal/rawjson"
)

// As reads the envelope's data as a payload type and checks it against the contract.
// Errors are INVALID_INPUT and name the field. Extra gets the fields that the type does
// not have.
func As[T any](e Envelope) (T, error) {
	var payload T
	err := e.checkJSON()
	if err == nil {
		err = decodeStruct(e.Subject, e.Data, reflect.ValueOf(&payload).Elem(), true)
	}
	return payload, err
}

// A checker is a payload type with rules that concern more than one field or
// that tags do not have.
type checker interface {
	check() (field string, err error)
}

// decodeStruct reads data, an object in valid JSON, into v and checks it. Unless keep is
// set, only the error counts, and it leaves out what costs an allocation.
func decodeStruct(subject string, data json.RawMessage, v reflect.Value, keep bool) error {
	l := layoutOf(v.Type())
	var extra *Extra
	if keep && l.extra >= 0 {
		extra = v.Field(l.extra).Addr().Interface().(*Extra)
	}
	var few [12]json.RawMessage // on the stack
	values := append(few[:0], make([]json.RawMessage, len(l.names))...)
	split(data, l.names, values, extra)
	for i := range l.fields {
		f := &l.fields[i]
		raw, into := values[i], v.Field(f.index)
		if raw != nil && !isNull(raw) && (keep || l.checks || into.Type() != stringType || raw[0] != '"') {
			if err := decodeValue(raw, into.Addr().Interface()); err != nil {
				return fieldError(subject, l.names[i], err)
			}
		}
		if err := f.check(raw, into); err != nil {
			return fieldError(subject, l.names[i], err)
		}
	}
	if !l.checks {
		return nil
	}
	if field, err := v.Addr().Interface().(checker).check(); err != nil {
		return fieldError(subject, field, err)
	}
	return nil
}

// check checks the rules of a field that has the value v and is written as raw, nil if the
// object does not have it.
func (f *fieldLayout) check(raw json.RawMessage, v reflect.Value) error {
	switch {
	case raw == nil || isNull(raw):
		if f.required {
			return errors.New("is required")
		}
	case f.nonempty && string(raw) == `""`:
		return errors.New("must not be empty")
	case f.min != nil && (v.CanInt() && float64(v.Int()) < *f.min || v.CanFloat() && v.Float() < *f.min):
		return fmt.Errorf("must be %v or more, not %s", *f.min, raw)
	case f.object && !isObject(raw):
		return fmt.Errorf("must be an object, not %s", kindOf(raw))
	case f.oneOf != nil && string(raw) != `""` && index(f.oneOf, rawjson.Text(raw)) < 0:
		return fmt.Errorf("must be %s, not %q", strings.Join(f.oneOf, " or "), rawjson.Text(raw))
	}
	return nil
}

func fieldError(subject, field string, err error) *Error {
	return Errorf(InvalidInput, "%s: %s %w", subject, field, err).With("field", field)
}

// decodeValue is json.Unmarshal with errors in the contract's words. It takes whole
// numbers for integers however they are written (2.0, 1e3), as languages without
// integers write them.
func decodeValue(raw json.RawMessage, into any) (err error) {
	switch p := into.(type) {
	case *string:
		if raw[0] != '"' {
			return fmt.Errorf("must be a string, not %s", kindOf(raw))
		}
		if t := rawjson.Text(raw); string(t) != *p { // mostly equal where it is an envelope's subject: no allocation
			*p = string(t)
		}
		return nil
	case *int64:
		*p, err = integer(raw)
		return err
	case *int:
		n, err := integer(raw)
		*p = int(n)
		return err
	case **int:
		*p = new(int)
		return decodeValue(raw, *p)
	case *json.RawMessage:
		*p = raw
		return nil
	case json.Unmarshaler:
		return p.UnmarshalJSON(raw)
	}
	err = json.Unmarshal(raw, into)
	typeErr, ok := errors.AsType[*json.UnmarshalTypeError](err)
	if !ok {
		return err
	}
	if typeErr.Type != reflect.TypeOf(into).Elem() {
		return fmt.Errorf("has %s where %s must be", jsonKind(typeErr.Value), goKind(typeErr.Type))
	}
	return fmt.Errorf("must be %s, not %s", goKind(typeErr.Type), jsonKind(typeErr.Value))
}

func integer(raw json.RawMessage) (int64, error) {
	if n, err := strconv.ParseInt(string(raw), 10, 64); err == nil {
		return n, nil
	}
	if kindOf(raw) != "a number" {
		return 0, fmt.Errorf("must be an integer, not %s", kindOf(raw))
	}
	// From 2^53 on a float no longer tells neighbouring integers apart.
	f, err := strconv.ParseFloat(string(raw), 64)
	if err != nil || f != math.Trunc(f) || math.Abs(f) >= 1<<53 {
		return 0, fmt.Errorf("must be an integer, not %s", raw)
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

var goKinds = map[reflect.Kind]string{
	reflect.String: "a string", reflect.Bool: "true or false", reflect.Slice: "a list", reflect.Array: "a list",
	reflect.Map: "an object", reflect.Struct: "an object", reflect.Float32: "a number", reflect.Float64: "a number",
}

func goKind(t reflect.Type) string { return cmp.Or(goKinds[t.Kind()], "an integer") }

var rawKinds = map[byte]string{'{': "an object", '[': "a list", '"': "a string", 't': "a boolean", 'f': "a boolean", 'n': "null"}

func kindOf(raw json.RawMessage) string {
	if raw = bytes.TrimSpace(raw); len(raw) == 0 {
		return "nothing"
	}
	return cmp.Or(rawKinds[raw[0]], "a number")
}

func isObject(raw []byte) bool {
	raw = bytes.TrimSpace(raw)
	return len(raw) > 1 && raw[0] == '{'
}

func isNull(raw []byte) bool { return string(raw) == "null" }
