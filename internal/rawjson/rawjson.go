// Package rawjson splits JSON without copying or decoding its values, so that numbers
// stay exact and unknown fields survive. It accepts exactly what encoding/json
// accepts: duplicate names and invalid UTF-8 too.
package rawjson

import (
	"encoding/json"
	"iter"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

var lenient = []jsontext.Options{jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)}

// Valid reports whether raw is one JSON value. It is json.Valid in half the time.
func Valid(raw []byte) bool { return jsontext.Value(raw).IsValid(lenient...) }

// IsObject reports whether raw is one JSON object.
func IsObject(raw []byte) bool {
	return Valid(raw) && raw[skipSpace(raw, 0)] == '{'
}

// Check returns encoding/json's error unless raw is Valid.
func Check(raw []byte) error {
	if Valid(raw) {
		return nil
	}
	var v json.RawMessage
	return json.Unmarshal(raw, &v)
}

// Members yields the name, with its quotes, and the value of each member of an object,
// and nothing for any other value. Both are parts of raw, which must be Valid.
func Members[T ~string | ~[]byte](raw T) iter.Seq2[T, T] {
	return func(yield func(name, value T) bool) {
		i := skipSpace(raw, 0)
		if raw[i] != '{' {
			return
		}
		for i = skipSpace(raw, i+1); raw[i] != '}'; {
			colon := skipString(raw, i)
			start := skipSpace(raw, skipSpace(raw, colon)+1)
			end := skipValue(raw, start)
			if !yield(raw[i:colon], raw[start:end]) {
				return
			}
			i = next(raw, end)
		}
	}
}

// Elements yields the elements of a list, and nothing for any other value. They are
// parts of raw, which must be Valid.
func Elements[T ~string | ~[]byte](raw T) iter.Seq[T] {
	return func(yield func(T) bool) {
		i := skipSpace(raw, 0)
		if raw[i] != '[' {
			return
		}
		for i = skipSpace(raw, i+1); raw[i] != ']'; {
			end := skipValue(raw, i)
			if !yield(raw[i:end]) {
				return
			}
			i = next(raw, end)
		}
	}
}

// next returns the position of what follows the value that ends at i: another member or
// element, or the end of the object or list.
func next[T ~string | ~[]byte](raw T, i int) int {
	if i = skipSpace(raw, i); raw[i] == ',' {
		i = skipSpace(raw, i+1)
	}
	return i
}

func skipSpace[T ~string | ~[]byte](raw T, i int) int {
	for raw[i] == ' ' || raw[i] == '\t' || raw[i] == '\n' || raw[i] == '\r' {
		i++
	}
	return i
}

// skipString returns the position after the string that starts at i.
func skipString[T ~string | ~[]byte](raw T, i int) int {
	for i++; ; i++ {
		switch raw[i] {
		case '"':
			return i + 1
		case '\\':
			i++
		}
	}
}

// skipValue returns the position after the value that starts at i inside an object or
// a list.
func skipValue[T ~string | ~[]byte](raw T, i int) int {
	switch raw[i] {
	case '"':
		return skipString(raw, i)
	case '{', '[':
		for depth := 0; ; i++ {
			switch raw[i] {
			case '"':
				i = skipString(raw, i) - 1
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return i + 1
				}
			}
		}
	}
	for {
		switch raw[i] {
		case ',', '}', ']', ' ', '\t', '\n', '\r':
			return i
		}
		i++
	}
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
