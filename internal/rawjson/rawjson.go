// Package rawjson splits JSON objects and lists without copying or decoding their
// values, so that numbers stay exact and unknown fields survive. It accepts exactly what
// encoding/json accepts: duplicate names and invalid UTF-8 too.
package rawjson

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

var lenient = []jsontext.Options{jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)}

// Valid reports whether raw is one JSON value.
func Valid(raw []byte) bool { return jsontext.Value(raw).IsValid(lenient...) }

// Members calls fn with each name and value of the object raw, until fn returns an
// error. Both are parts of raw, except for a name that had to be unquoted. The error of
// malformed JSON is encoding/json's; fn may have been called before it is found.
func Members(raw []byte, fn func(name, value []byte) error) error {
	return scan(raw, '{', func(d *decoder) error {
		name, err := d.value()
		if err != nil {
			return err
		}
		value, err := d.value()
		if err != nil {
			return err
		}
		return fn(Text(name), value)
	})
}

// Elements calls fn with each element of the list raw, a part of raw, until fn returns
// an error. Malformed JSON is handled as by Members.
func Elements(raw []byte, fn func(value []byte) error) error {
	return scan(raw, '[', func(d *decoder) error {
		value, err := d.value()
		if err != nil {
			return err
		}
		return fn(value)
	})
}

// Text returns the text of a valid JSON string, as a part of it where nothing had to be
// unquoted.
func Text(literal []byte) []byte {
	for _, c := range literal {
		if c == '\\' || c >= utf8.RuneSelf {
			text, _ := jsontext.AppendUnquote(nil, literal) // replaces invalid UTF-8 and returns an error of it
			return text
		}
	}
	return literal[1 : len(literal)-1]
}

// decoder is a jsontext.Decoder that reads parts of raw in place.
type decoder struct {
	jsontext.Decoder
	raw []byte
	buf bytes.Buffer
}

var decoders = sync.Pool{New: func() any { return new(decoder) }}

func scan(raw []byte, open jsontext.Kind, next func(*decoder) error) error {
	d := decoders.Get().(*decoder)
	d.raw, d.buf = raw, *bytes.NewBuffer(raw)
	d.Reset(&d.buf, lenient...)
	defer func() {
		d.raw, d.buf = nil, bytes.Buffer{}
		decoders.Put(d)
	}()
	if kind := d.PeekKind(); kind != open {
		return explain(raw, fmt.Errorf("%v where %v must be", kind, open))
	}
	if _, err := d.ReadToken(); err != nil {
		return explain(raw, err)
	}
	for d.PeekKind() != open+2 { // '}' or ']'
		if err := next(d); err != nil {
			return explain(raw, err)
		}
	}
	if _, err := d.ReadToken(); err != nil {
		return explain(raw, err)
	}
	if _, err := d.ReadToken(); err != io.EOF {
		return explain(raw, err)
	}
	return nil
}

// explain returns encoding/json's error where raw is malformed, which people know
// better, and err otherwise.
func explain(raw []byte, err error) error {
	var v json.RawMessage
	if malformed := json.Unmarshal(raw, &v); malformed != nil {
		return malformed
	}
	return err
}

// value reads the next value as a part of the input.
func (d *decoder) value() ([]byte, error) {
	v, err := d.ReadValue()
	if err != nil {
		return nil, err
	}
	end := int(d.InputOffset())
	return d.raw[end-len(v) : end : end], nil
}
