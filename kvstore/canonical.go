package kvstore

import (
	"strings"
	"unicode/utf8"

	"github.com/rosey-bot/rosey/event"
)

// canonical is a stored value in the form that lookup and queries rely on: as it
// is when this package wrote it, else as it would have been written.
func canonical(raw []byte, id event.ID) ([]byte, error) {
	if isCanonical(raw, id) {
		return raw, nil
	}
	n, err := parseRecord(raw)
	if err != nil {
		return nil, err
	}
	return n.record(id), nil
}

// isCanonical recognises most values that are canonical already, without
// allocating; it may say no to one that is.
func isCanonical(raw []byte, id event.ID) bool {
	var scratch [64]byte
	head := append(id.AppendJSON(append(scratch[:0], `{"id":`...)), '}')
	if len(raw) < len(head) || string(raw[:len(head)-1]) != string(head[:len(head)-1]) || raw[len(head)-1] != '}' && raw[len(head)-1] != ',' {
		return false
	}
	if !utf8.Valid(raw) {
		return false
	}
	p := parser{in: string(raw)}
	return p.canonicalValue() && p.pos == len(raw)
}

// maxNames is how many members of an object are compared with each other.
const maxNames = 24

func (p *parser) canonicalValue() bool {
	if p.pos >= len(p.in) {
		return false
	}
	if p.in[p.pos] != '{' && p.in[p.pos] != '[' {
		_, err := p.value()
		return err == nil
	}
	if p.depth++; p.depth > maxDepth {
		return false
	}
	open, closer := p.in[p.pos], p.in[p.pos]+2
	var names [maxNames]string
	n := 0
	for p.pos++; ; p.pos++ {
		if p.pos < len(p.in) && p.in[p.pos] == closer && p.in[p.pos-1] == open {
			break
		}
		if open == '{' {
			if n == maxNames || p.pos >= len(p.in) || p.in[p.pos] != '"' {
				return false
			}
			end, err := p.stringEnd()
			if err != nil {
				return false
			}
			name := p.in[p.pos:end]
			for i := range n {
				if names[i] == name {
					return false
				}
			}
			names[n] = name
			n++
			if !plainName(name) || end >= len(p.in) || p.in[end] != ':' {
				return false
			}
			p.pos = end + 1
		}
		if !p.canonicalValue() || p.pos >= len(p.in) {
			return false
		}
		if p.in[p.pos] == closer {
			break
		}
		if p.in[p.pos] != ',' {
			return false
		}
	}
	p.pos++
	p.depth--
	return true
}

// plainName reports whether a name is written in one way only.
func plainName(literal string) bool {
	return strings.IndexByte(literal, '\\') < 0 && !strings.Contains(literal, "\u2028") && !strings.Contains(literal, "\u2029")
}
