package kvstore

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/rosey-bot/rosey/event"
)

// Records are stored in a canonical form of JSON that can be searched without
// parsing it: no white space, no object with two members of one name, member
// names escaped one way only, and the record's id as its first member. Numbers
// and string values stay as they were written.

// maxDepth bounds the nesting of a record.
const maxDepth = 500

// maxExponent bounds the exponent of a number.
const maxExponent = 9999

// A node is a parsed JSON value.
type node struct {
	kind byte   // n, t, f, 0, ", [ or {
	text string // null, true, false, a number or a string, as written
	name string // the member's name, where the value is an object's member
	kids []node // elements or members
}

type parser struct {
	in    string
	pos   int
	depth int
}

// parseJSON reads one JSON value; of two members with one name the last counts,
// as for encoding/json.
func parseJSON(in string) (node, error) {
	if !utf8.ValidString(in) {
		return node{}, errors.New("not valid UTF-8")
	}
	p := parser{in: in}
	p.space()
	n, err := p.value()
	if err != nil {
		return node{}, err
	}
	p.space()
	if p.pos != len(p.in) {
		return node{}, fmt.Errorf("unexpected %q after the value at byte %d", p.in[p.pos], p.pos)
	}
	return n, nil
}

func (p *parser) space() {
	for p.pos < len(p.in) {
		switch p.in[p.pos] {
		case ' ', '\t', '\n', '\r':
			p.pos++
		default:
			return
		}
	}
}

func (p *parser) fail() error {
	if p.pos >= len(p.in) {
		return errors.New("unexpected end of JSON")
	}
	return fmt.Errorf("unexpected %q at byte %d", p.in[p.pos], p.pos)
}

func (p *parser) value() (node, error) {
	if p.pos >= len(p.in) {
		return node{}, p.fail()
	}
	switch c := p.in[p.pos]; c {
	case '{', '[':
		if p.depth++; p.depth > maxDepth {
			return node{}, fmt.Errorf("nested deeper than %d", maxDepth)
		}
		n, err := p.list(c)
		p.depth--
		return n, err
	case '"':
		end, err := p.stringEnd()
		if err != nil {
			return node{}, err
		}
		n := node{kind: '"', text: p.in[p.pos:end]}
		p.pos = end
		return n, nil
	case 'n', 't', 'f':
		for _, word := range [...]string{"null", "true", "false"} {
			if strings.HasPrefix(p.in[p.pos:], word) {
				p.pos += len(word)
				return node{kind: c, text: word}, nil
			}
		}
		return node{}, p.fail()
	default:
		return p.number()
	}
}

func (p *parser) list(open byte) (node, error) {
	n := node{kind: open}
	closer := open + 2 // in ASCII, ] is [+2 and } is {+2
	p.pos++
	p.space()
	if p.pos < len(p.in) && p.in[p.pos] == closer {
		p.pos++
		return n, nil
	}
	for {
		p.space()
		var name string
		if open == '{' {
			if p.pos >= len(p.in) || p.in[p.pos] != '"' {
				return n, p.fail()
			}
			end, err := p.stringEnd()
			if err != nil {
				return n, err
			}
			name = unquote(p.in[p.pos:end])
			p.pos = end
			p.space()
			if p.pos >= len(p.in) || p.in[p.pos] != ':' {
				return n, p.fail()
			}
			p.pos++
			p.space()
		}
		kid, err := p.value()
		if err != nil {
			return n, err
		}
		kid.name = name
		n.kids = append(n.kids, kid)
		p.space()
		if p.pos >= len(p.in) {
			return n, p.fail()
		}
		switch p.in[p.pos] {
		case ',':
			p.pos++
		case closer:
			p.pos++
			if open == '{' {
				n.dropRepeats()
			}
			return n, nil
		default:
			return n, p.fail()
		}
	}
}

// dropRepeats keeps the last of the members that share a name, in the place of
// the first.
func (n *node) dropRepeats() {
	if len(n.kids) <= 16 {
		for i := range n.kids {
			for j := range i {
				if n.kids[i].name == n.kids[j].name {
					n.dropRepeatsByMap()
					return
				}
			}
		}
		return
	}
	n.dropRepeatsByMap()
}

func (n *node) dropRepeatsByMap() {
	at := make(map[string]int, len(n.kids))
	kept := n.kids[:0]
	for _, kid := range n.kids {
		if i, repeated := at[kid.name]; repeated {
			kept[i] = kid
			continue
		}
		at[kid.name] = len(kept)
		kept = append(kept, kid)
	}
	n.kids = kept
}

// stringEnd is the position behind the string literal that starts at pos.
func (p *parser) stringEnd() (int, error) {
	for i := p.pos + 1; i < len(p.in); i++ {
		switch c := p.in[i]; {
		case c == '"':
			return i + 1, nil
		case c < 0x20:
			p.pos = i
			return 0, p.fail()
		case c == '\\':
			i++
			if i >= len(p.in) {
				break
			}
			switch p.in[i] {
			case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
			case 'u':
				for range 4 {
					if i++; i >= len(p.in) || !isHex(p.in[i]) {
						p.pos = min(i, len(p.in))
						return 0, p.fail()
					}
				}
			default:
				p.pos = i
				return 0, p.fail()
			}
		}
	}
	p.pos = len(p.in)
	return 0, p.fail()
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

func (p *parser) digits() bool {
	start := p.pos
	for p.pos < len(p.in) && p.in[p.pos] >= '0' && p.in[p.pos] <= '9' {
		p.pos++
	}
	return p.pos > start
}

func (p *parser) number() (node, error) {
	start := p.pos
	if p.in[p.pos] == '-' {
		p.pos++
	}
	if p.pos < len(p.in) && p.in[p.pos] == '0' {
		p.pos++
	} else if !p.digits() {
		return node{}, p.fail()
	}
	if p.pos < len(p.in) && p.in[p.pos] == '.' {
		p.pos++
		if !p.digits() {
			return node{}, p.fail()
		}
	}
	if p.pos < len(p.in) && (p.in[p.pos] == 'e' || p.in[p.pos] == 'E') {
		p.pos++
		if p.pos < len(p.in) && (p.in[p.pos] == '+' || p.in[p.pos] == '-') {
			p.pos++
		}
		first := p.pos
		if !p.digits() {
			return node{}, p.fail()
		}
		exponent := strings.TrimLeft(p.in[first:p.pos], "0")
		if len(exponent) > len("9999") {
			return node{}, fmt.Errorf("number %.40s: an exponent is at most %d", p.in[start:p.pos], maxExponent)
		}
	}
	return node{kind: '0', text: p.in[start:p.pos]}, nil
}

// append writes the value in canonical form.
func (n *node) append(b []byte) []byte {
	switch n.kind {
	case '{', '[':
		b = append(b, n.kind)
		for i := range n.kids {
			if i > 0 {
				b = append(b, ',')
			}
			if n.kind == '{' {
				b = append(appendQuoted(b, n.kids[i].name), ':')
			}
			b = n.kids[i].append(b)
		}
		return append(b, n.kind+2)
	}
	return append(b, n.text...)
}

func (n *node) String() string { return string(n.append(nil)) }

// member is the object's member of that name, or nil.
func (n *node) member(name string) *node {
	for i := range n.kids {
		if n.kids[i].name == name {
			return &n.kids[i]
		}
	}
	return nil
}

// kindName names a kind of value for people.
func kindName(kind byte) string {
	switch kind {
	case '{':
		return "an object"
	case '[':
		return "a list"
	case '"':
		return "a string"
	case '0':
		return "a number"
	case 'n':
		return "null"
	}
	return "a boolean"
}

func appendQuoted(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			var out bytes.Buffer
			enc := json.NewEncoder(&out)
			enc.SetEscapeHTML(false)
			if err := enc.Encode(s); err != nil {
				panic("kvstore: a string cannot fail to encode: " + err.Error())
			}
			return append(b, bytes.TrimSuffix(out.Bytes(), []byte("\n"))...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}

// unquote is the text of a valid string literal.
func unquote(literal string) string {
	inner := literal[1 : len(literal)-1]
	if strings.IndexByte(inner, '\\') < 0 {
		return inner
	}
	var s string
	if err := json.Unmarshal([]byte(literal), &s); err != nil {
		panic("kvstore: not a string literal: " + err.Error())
	}
	return s
}

// parseRecord reads what is, or is to become, a record's data.
func parseRecord(raw []byte) (node, error) {
	n, err := parseJSON(string(raw))
	if err != nil {
		return node{}, fmt.Errorf("is not valid JSON: %w", err)
	}
	if n.kind != '{' {
		return node{}, fmt.Errorf("must be an object, not %s", kindName(n.kind))
	}
	return n, nil
}

// record writes an object as the record id: in canonical form, with the id as
// its first member in place of any other it may have.
func (n *node) record(id event.ID) []byte {
	b := append(make([]byte, 0, 256), `{"id":`...)
	b = id.AppendJSON(b)
	for i := range n.kids {
		if n.kids[i].name == "id" {
			continue
		}
		b = append(b, ',')
		b = append(appendQuoted(b, n.kids[i].name), ':')
		b = n.kids[i].append(b)
	}
	return append(b, '}')
}

// skip is the position behind the value that starts at i in canonical JSON.
func skip(s string, i int) int {
	switch s[i] {
	case '"':
		return skipString(s, i)
	case '{', '[':
		depth := 0
		for {
			switch s[i] {
			case '"':
				i = skipString(s, i)
				continue
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return i + 1
				}
			}
			i++
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

// lookup finds the value at a path of quoted member names in canonical JSON.
func lookup(s string, path []string) (value string, ok bool) {
	for _, name := range path {
		if s == "" || s[0] != '{' || s[1] == '}' {
			return "", false
		}
		for i := 1; ; {
			end := skipString(s, i)
			if s[i:end] == name {
				s = s[end+1 : skip(s, end+1)]
				break
			}
			if i = skip(s, end+1); s[i] == '}' {
				return "", false
			}
			i++
		}
	}
	return s, true
}
