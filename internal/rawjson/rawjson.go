// Package rawjson splits JSON objects without copying or decoding their values, so that
// numbers stay exact and unknown fields survive. It accepts exactly what encoding/json
// accepts: duplicate names and invalid UTF-8 too.
package rawjson

import (
	"bytes"
	"encoding/json"
	"errors"
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
	d := decoders.Get().(*decoder)
	d.raw, d.buf = raw, *bytes.NewBuffer(raw)
	d.Reset(&d.buf, lenient...)
	defer func() {
		d.raw, d.buf = nil, bytes.Buffer{}
		decoders.Put(d)
	}()
	err := d.members(fn)
	if err == nil {
		return nil
	}
	var v json.RawMessage
	if malformed := json.Unmarshal(raw, &v); malformed != nil {
		return malformed // people know encoding/json's errors better
	}
	return err
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

func (d *decoder) members(fn func(name, value []byte) error) error {
	if d.PeekKind() != '{' {
		return errors.New("not an object")
	}
	_, err := d.ReadToken()
	for err == nil && d.PeekKind() != '}' {
		var name, value []byte
		if name, err = d.value(); err != nil {
			return err
		}
		if value, err = d.value(); err != nil {
			return err
		}
		err = fn(Text(name), value)
	}
	if err != nil {
		return err
	}
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	if _, err := d.ReadToken(); err != io.EOF {
		return errors.New("more than one value")
	}
	return nil
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
