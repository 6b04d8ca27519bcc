package replay

import (
	"bytes"
	"io"
	"sync"

	"github.com/go-json-experiment/json/jsontext"
)

// A scanner reads JSON without decoding it: a search reads millions of bodies and
// decodes few of them.
type scanner struct {
	in  bytes.Buffer
	dec jsontext.Decoder
}

var scanners = sync.Pool{New: func() any { return new(scanner) }}

// members calls visit with the name and the raw value of each member of a JSON
// object, in order, and reports whether b is one valid JSON object; until an error
// is found, it visits what precedes it. Values are parts of b.
func members(b []byte, visit func(name, value []byte)) bool {
	s := scanners.Get().(*scanner)
	defer scanners.Put(s)
	s.in = *bytes.NewBuffer(b)
	s.dec.Reset(&s.in, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if tok, err := s.dec.ReadToken(); err != nil || tok.Kind() != '{' {
		return false
	}
	for s.dec.PeekKind() != '}' {
		name, err := s.dec.ReadValue()
		if err != nil {
			return false
		}
		name = unquote(name)
		value, err := s.dec.ReadValue()
		if err != nil {
			return false
		}
		visit(name, value)
	}
	if _, err := s.dec.ReadToken(); err != nil {
		return false
	}
	_, err := s.dec.ReadToken()
	return err == io.EOF
}

// unquote returns the text of a raw JSON string, part of raw where it has no
// escapes, or nil for any other value.
func unquote(raw []byte) []byte {
	if len(raw) < 2 || raw[0] != '"' {
		return nil
	}
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw[1 : len(raw)-1]
	}
	text, err := jsontext.AppendUnquote(nil, raw)
	if err != nil {
		return nil
	}
	return text
}

// member returns the text of a JSON object's member, or "".
func member(object []byte, wanted string) (text string) {
	members(object, func(name, value []byte) {
		if string(name) == wanted {
			text = string(unquote(value))
		}
	})
	return text
}
