package event

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Extra holds the fields of an object that the contract does not name, so that
// what a newer or foreign publisher added survives being read and written.
// Payload types embed it.
type Extra map[string]json.RawMessage

// append writes the fields behind b, but for those that the object has already:
// of two fields with one name, readers differ on which counts.
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

var (
	extraType  = reflect.TypeFor[Extra]()
	stringType = reflect.TypeFor[string]()
	intType    = reflect.TypeFor[int]()
	int64Type  = reflect.TypeFor[int64]()
	rawType    = reflect.TypeFor[json.RawMessage]()
	idType     = reflect.TypeFor[ID]()
	textsType  = reflect.TypeFor[[]string]()
)

// A layout lists a payload struct's fields, read from its tags: json:"name" and
// contract:"rule,…", where a rule is required (present and not null), nonempty,
// nonnegative or rank (−1 and up). A field without rules is optional.
type layout struct {
	fields  []fieldLayout
	extra   int  // index of the embedded Extra, or -1
	foreign bool // it has fields without a tag, so it is no payload type of ours
	checks  bool // it has rules beyond those of its fields: see checker
}

type fieldLayout struct {
	index              int
	name               string
	of                 reflect.Type
	omitEmpty          bool
	required, nonempty bool
	min                *float64
}

// A checker is a payload type with rules that concern more than one field or
// that tags do not have.
type checker interface {
	check() (field string, err error)
}

func (l *layout) has(name string) bool {
	return slices.ContainsFunc(l.fields, func(f fieldLayout) bool { return f.name == name })
}

// layouts caches what reflection finds, as encoding/json does for its own types.
var layouts sync.Map // reflect.Type -> *layout

func layoutOf(t reflect.Type) *layout {
	if l, ok := layouts.Load(t); ok {
		return l.(*layout)
	}
	l := &layout{extra: -1, checks: reflect.PointerTo(t).Implements(reflect.TypeFor[checker]())}
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Type == extraType {
			l.extra = i
			continue
		}
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "-" || name == "" {
			l.foreign = l.foreign || name == "" && (f.IsExported() || f.Anonymous)
			continue
		}
		fl := fieldLayout{index: i, name: name, of: f.Type, omitEmpty: options == "omitempty"}
		for rule := range strings.SplitSeq(f.Tag.Get("contract"), ",") {
			switch rule {
			case "required":
				fl.required = true
			case "nonempty":
				fl.required, fl.nonempty = true, true
			case "nonnegative":
				fl.min = new(float64)
			case "rank":
				anonymous := -1.0
				fl.min = &anonymous
			}
		}
		l.fields = append(l.fields, fl)
	}
	actual, _ := layouts.LoadOrStore(t, l)
	return actual.(*layout)
}

// Encode writes a payload as JSON: one of this package's payload structs with
// its extra fields, or anything encoding/json takes that becomes an object. What
// it returns is valid JSON.
func Encode(payload any) (json.RawMessage, error) {
	if raw, ok := payload.(json.RawMessage); ok {
		if !isObject(raw) || !valid(raw) {
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
		case f.of == textsType:
			b = appendTexts(b, fv)
		case f.of == rawType && valid(fv.Bytes()):
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
	if b = append(v.Field(l.extra).Interface().(Extra).append(b[:len(b)-1], l.has), '}'); !valid(b) {
		return nil, Errorf(InvalidInput, "encode payload: a field of Extra is not valid JSON")
	}
	return b, nil
}

// As reads the envelope's data as a payload type, checking it against the
// contract. Errors are INVALID_INPUT and name the field; fields the type does
// not know end up in its Extra.
func As[T any](e Envelope) (T, error) {
	var payload T
	err := decodeStruct(e.Subject, e.Data, e.checked.holds(e.Data), reflect.ValueOf(&payload).Elem())
	return payload, err
}

// checkStruct is decodeStruct for the sake of its error.
func checkStruct(subject string, data json.RawMessage, known bool, payload reflect.Type) error {
	if l := layoutOf(payload); !l.checks {
		_, err := l.read(subject, data, known, reflect.Value{})
		return err
	}
	return decodeStruct(subject, data, known, reflect.New(payload).Elem())
}

// decodeStruct reads data, which may be known to be a JSON object, into v.
func decodeStruct(subject string, data json.RawMessage, known bool, v reflect.Value) error {
	l := layoutOf(v.Type())
	x, err := l.read(subject, data, known, v)
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

// read reads the fields of a payload into v, or only checks them where v is the
// zero Value, and returns the others.
func (l *layout) read(subject string, data json.RawMessage, known bool, v reflect.Value) (Extra, error) {
	if !known && !isObject(data) {
		return nil, Errorf(InvalidInput, "%s: data must be an object, not %s", subject, kindOf(data)).With("field", "data")
	}
	var few fewMembers
	fields, err := members(few[:0], data, known)
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

// read reads a field's value, or only checks it where into is the zero Value.
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
		if f.of == textsType && !f.nonempty {
			if list, ok := texts(raw, into.IsValid()); ok {
				if into.IsValid() {
					into.Set(reflect.ValueOf(list))
				}
				break
			}
		}
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

// decodeField is json.Unmarshal with errors in the contract's words, and with
// whole numbers accepted for integers however they are written (2.0, 1e3):
// languages without integers write them so.
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
	if n, ok := digits(raw); ok {
		return n, nil
	}
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

// digits reads a number of so few digits that it cannot overflow.
func digits(raw []byte) (n int64, ok bool) {
	for _, c := range raw {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, len(raw) > 0 && len(raw) < 19
}

// jsonKind is what encoding/json says it has found, in our words.
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

func appendTexts(b []byte, list reflect.Value) []byte {
	b = append(b, '[')
	for i := range list.Len() {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, list.Index(i).String())
	}
	return append(b, ']')
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

// appendValue writes what marshal does.
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
