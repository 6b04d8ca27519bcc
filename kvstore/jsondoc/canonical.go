package jsondoc

import (
	"bytes"
	"iter"

	"github.com/rosey-bot/rosey/event"
)

// Canonical returns a stored document in canonical form: raw itself where it is in
// that form already.
func Canonical(raw []byte, id event.ID) ([]byte, error) {
	if isCanonical(raw, id) {
		return raw, nil
	}
	v, err := ParseObject(raw)
	if err != nil {
		return nil, err
	}
	return v.Document(id), nil
}

// isCanonical recognises most documents that are canonical already, for a third of
// what it takes to parse them; it may return false for one that is.
func isCanonical(raw []byte, id event.ID) bool {
	var scratch [64]byte
	head := append(id.AppendJSON(append(scratch[:0], `{"id":`...)), '}')
	if len(raw) < len(head) || string(raw[:len(head)-1]) != string(head[:len(head)-1]) || raw[len(head)-1] != '}' && raw[len(head)-1] != ',' {
		return false
	}
	d := newDecoder(raw)
	defer decoders.Put(d)
	for {
		container, before := d.StackIndex(d.StackDepth())
		start := d.InputOffset()
		size, separator := int64(1), before > 0
		switch kind := d.PeekKind(); kind {
		case '{', '[', '}', ']':
			if _, err := d.ReadToken(); err != nil {
				return false
			}
			separator = separator && kind != '}' && kind != ']'
		default:
			token, err := d.ReadValue()
			isName := container == '{' && before%2 == 0
			if err != nil || isName && bytes.IndexByte(token, '\\') >= 0 || kind == '0' && bytes.ContainsAny(token, "eE") {
				return false
			}
			size = int64(len(token))
		}
		if separator {
			size++
		}
		if d.InputOffset() != start+size || d.StackDepth() > maxDepth {
			return false
		}
		if d.StackDepth() == 0 {
			return start+size == int64(len(raw))
		}
	}
}

// Lookup finds the value at a path of quoted member names in a canonical value. It
// scans the text itself, because a query may look into every document for one value,
// and a decoder takes longer.
func Lookup(s string, path []string) (value string, ok bool) {
	for _, name := range path {
		if s == "" || s[0] != '{' || s[1] == '}' {
			return "", false
		}
		for i := 1; ; i++ {
			colon := skipString(s, i)
			end := skip(s, colon+1)
			if s[i:colon] == name {
				s = s[colon+1 : end]
				break
			}
			if i = end; s[i] == '}' {
				return "", false
			}
		}
	}
	return s, true
}

// Members yields the quoted names and the values of a canonical object, and nothing
// for any other value.
func Members(s string) iter.Seq2[string, string] {
	return func(yield func(name, value string) bool) {
		if s[0] != '{' {
			return
		}
		for i := 1; s[i] != '}'; {
			colon := skipString(s, i)
			end := skip(s, colon+1)
			if !yield(s[i:colon], s[colon+1:end]) {
				return
			}
			if i = end; s[i] == ',' {
				i++
			}
		}
	}
}

// Elements yields the elements of a canonical list, and nothing for any other value.
func Elements(s string) iter.Seq[string] {
	return func(yield func(string) bool) {
		if s[0] != '[' {
			return
		}
		for i := 1; s[i] != ']'; {
			end := skip(s, i)
			if !yield(s[i:end]) {
				return
			}
			if i = end; s[i] == ',' {
				i++
			}
		}
	}
}

// skip returns the position after the value that starts at i in canonical JSON.
func skip(s string, i int) int {
	switch s[i] {
	case '"':
		return skipString(s, i)
	case '{', '[':
		for depth := 0; ; i++ {
			switch s[i] {
			case '"':
				i = skipString(s, i) - 1
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return i + 1
				}
			}
		}
	}
	for i < len(s) && s[i] != ',' && s[i] != '}' && s[i] != ']' {
		i++
	}
	return i
}

func skipString(s string, i int) int {
	for i++; ; i++ {
		switch s[i] {
		case '"':
			return i + 1
		case '\\':
			i++
		}
	}
}
