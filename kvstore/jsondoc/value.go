// Package jsondoc reads and writes JSON documents in a canonical form that can be
// searched without parsing it: no white space, no two members of one name, member
// names escaped in one way only, and the document's id as its first member.
// Numbers and string values stay as they were written, with every digit.
package jsondoc

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/rosey-bot/rosey/event"
)

// maxDepth bounds the nesting of a document, maxExponent the exponents of its numbers.
const (
	maxDepth    = 500
	maxExponent = 9999
)

// Kind is the kind of a JSON value: its first byte, where any number has '0'.
type Kind byte

// Kinds of values.
const (
	Null   Kind = 'n'
	True   Kind = 't'
	False  Kind = 'f'
	Number Kind = '0'
	String Kind = '"'
	List   Kind = '['
	Object Kind = '{'
)

// String names the kind for people, with its article.
func (k Kind) String() string {
	switch k {
	case Object:
		return "an object"
	case List:
		return "a list"
	case String:
		return "a string"
	case Number:
		return "a number"
	case Null:
		return "null"
	}
	return "a boolean"
}

// A Value is a parsed JSON value.
type Value struct {
	Kind     Kind
	Text     string  // of a scalar, as it was written
	Name     string  // of an object's member, unquoted
	Children []Value // elements or members
}

// Parse reads one JSON value. Of two members with one name the last counts, in the
// place of the first, as for encoding/json.
func Parse(in string) (Value, error) {
	if !utf8.ValidString(in) {
		return Value{}, errors.New("not valid UTF-8")
	}
	d := newDecoder([]byte(in), lenient...)
	defer decoders.Put(d)
	p := parser{in, d}
	v, err := p.value()
	if err != nil {
		return Value{}, err
	}
	switch _, err := p.ReadToken(); {
	case err == nil:
		return Value{}, errors.New("unexpected data after the value")
	case !errors.Is(err, io.EOF):
		return Value{}, err
	}
	return v, nil
}

// lenient keeps half of a surrogate pair as it is, which jsontext takes for invalid
// UTF-8.
var lenient = []jsontext.Options{jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)}

// A decoder is a jsontext.Decoder that can be used again.
type decoder struct {
	jsontext.Decoder
	in bytes.Buffer
}

var decoders = sync.Pool{New: func() any { return new(decoder) }}

// newDecoder returns a decoder of what in holds; the caller gives it back.
func newDecoder(in []byte, opts ...jsontext.Options) *decoder {
	d := decoders.Get().(*decoder)
	d.in = *bytes.NewBuffer(in)
	d.Reset(&d.in, opts...)
	return d
}

type parser struct {
	in string
	*decoder
}

func (p parser) value() (Value, error) {
	v := Value{Kind: Kind(p.PeekKind())}
	if v.Kind != Object && v.Kind != List {
		var err error
		if v.Text, err = p.scalar(); err == nil && v.Kind == Number && exponentTooLarge(v.Text) {
			err = fmt.Errorf("number %.40s: an exponent is at most %d", v.Text, maxExponent)
		}
		return v, err
	}
	if _, err := p.ReadToken(); err != nil {
		return v, err
	}
	if p.StackDepth() > maxDepth {
		return v, fmt.Errorf("nested deeper than %d", maxDepth)
	}
	for p.PeekKind() != jsontext.Kind(v.Kind+2) { // in ASCII, ] is [+2 and } is {+2
		var name string
		if v.Kind == Object {
			literal, err := p.scalar()
			if err != nil {
				return v, err
			}
			name = Unquote(literal)
		}
		child, err := p.value()
		if err != nil {
			return v, err
		}
		child.Name = name
		v.Children = append(v.Children, child)
	}
	if v.Kind == Object {
		v.dropRepeats()
	}
	_, err := p.ReadToken()
	return v, err
}

// scalar reads a string, number or word, and returns it as a part of the input.
func (p parser) scalar() (string, error) {
	raw, err := p.ReadValue()
	if err != nil {
		return "", err
	}
	end := int(p.InputOffset())
	return p.in[end-len(raw) : end], nil
}

func exponentTooLarge(number string) bool {
	i := strings.IndexAny(number, "eE")
	return i >= 0 && len(strings.TrimLeft(number[i+1:], "+-0")) > len("9999")
}

// dropRepeats keeps the last of the members that share a name, in the place of
// the first.
func (v *Value) dropRepeats() {
	var at map[string]int
	if len(v.Children) > 16 {
		at = make(map[string]int, len(v.Children))
	}
	kept := v.Children[:0]
	for _, child := range v.Children {
		i, repeated := at[child.Name]
		if at == nil {
			for i = 0; i < len(kept) && kept[i].Name != child.Name; i++ {
			}
			repeated = i < len(kept)
		}
		if repeated {
			kept[i] = child
			continue
		}
		if at != nil {
			at[child.Name] = len(kept)
		}
		kept = append(kept, child)
	}
	v.Children = kept
}

// ParseObject reads what is, or is to become, a document.
func ParseObject(raw []byte) (Value, error) {
	v, err := Parse(string(raw))
	if err != nil {
		return Value{}, fmt.Errorf("is not valid JSON: %w", err)
	}
	if v.Kind != Object {
		return Value{}, fmt.Errorf("must be an object, not %s", v.Kind)
	}
	return v, nil
}

// Append appends the value in canonical form.
func (v *Value) Append(b []byte) []byte {
	if v.Kind != Object && v.Kind != List {
		return append(b, v.Text...)
	}
	b = append(b, byte(v.Kind))
	for i := range v.Children {
		if i > 0 {
			b = append(b, ',')
		}
		if v.Kind == Object {
			b = append(AppendQuoted(b, v.Children[i].Name), ':')
		}
		b = v.Children[i].Append(b)
	}
	return append(b, byte(v.Kind+2))
}

// String returns the value in canonical form.
func (v *Value) String() string { return string(v.Append(nil)) }

// Document returns an object as the document id: in canonical form, with the id as
// its first member in place of any other it may have.
func (v *Value) Document(id event.ID) []byte {
	b := append(make([]byte, 0, 256), `{"id":`...)
	b = id.AppendJSON(b)
	for i := range v.Children {
		if v.Children[i].Name == "id" {
			continue
		}
		b = append(b, ',')
		b = append(AppendQuoted(b, v.Children[i].Name), ':')
		b = v.Children[i].Append(b)
	}
	return append(b, '}')
}

// Member returns the object's member of that name, or nil.
func (v *Value) Member(name string) *Value {
	for i := range v.Children {
		if v.Children[i].Name == name {
			return &v.Children[i]
		}
	}
	return nil
}

// Each calls f with the values at a path of member names, where * is any member. A list
// on the way has one for each element.
func (v *Value) Each(path []string, f func(*Value)) {
	switch {
	case v.Kind == List:
		for i := range v.Children {
			v.Children[i].Each(path, f)
		}
	case len(path) == 0:
		f(v)
	case path[0] == "*":
		for i := range v.Children {
			v.Children[i].Each(path[1:], f)
		}
	default:
		if m := v.Member(path[0]); m != nil {
			m.Each(path[1:], f)
		}
	}
}

// Merge gives the object the members of another, its id excepted.
func (v *Value) Merge(other *Value) {
	for _, child := range other.Children {
		if child.Name == "id" {
			continue
		}
		if m := v.Member(child.Name); m != nil {
			*m = child
		} else {
			v.Children = append(v.Children, child)
		}
	}
}

// AppendQuoted appends s as the JSON string that names are written as. What is not UTF-8
// becomes U+FFFD.
func AppendQuoted(b []byte, s string) []byte {
	quoted, err := jsontext.AppendQuote(b, s)
	if err != nil {
		quoted, err = jsontext.AppendQuote(b, strings.ToValidUTF8(s, "\ufffd"))
	}
	if err != nil {
		panic("jsondoc: " + err.Error())
	}
	return quoted
}

// Unquote returns the text of a valid string literal. Half of a surrogate pair
// becomes U+FFFD.
func Unquote(literal string) string {
	if inner := literal[1 : len(literal)-1]; strings.IndexByte(inner, '\\') < 0 {
		return inner
	}
	text, err := jsontext.AppendUnquote(nil, literal)
	if err != nil && text == nil {
		panic("jsondoc: not a string literal: " + err.Error())
	}
	return string(text)
}
