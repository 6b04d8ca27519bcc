package query

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"
	"strings"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/kvstore/jsondoc"
)

// Values are compared by an encoding whose byte order is the order of the
// values: null (and a missing field) < false < true < numbers < strings < lists
// < objects. Numbers are exact at any size, so 1, 1.0 and 1e0 are equal and
// 9007199254740993 is not 9007199254740992. An encoding is never the beginning
// of another, so encodings can be joined into the keys of an index over several
// fields, and their complements sort the other way round.
const (
	tagNull     = 0x10
	tagFalse    = 0x20
	tagTrue     = 0x21
	tagNumber   = 0x30 // the first of the three
	tagNegative = 0x30
	tagZero     = 0x31
	tagPositive = 0x32
	tagString   = 0x40
	tagList     = 0x50
	tagObject   = 0x60
	tagEnd      = 0x00 // ends a list or object; less than every value
)

// appendOrdered appends the encoding of a canonical JSON value.
func appendOrdered(b []byte, value string) []byte {
	switch value[0] {
	case 'n':
		return append(b, tagNull)
	case 'f':
		return append(b, tagFalse)
	case 't':
		return append(b, tagTrue)
	case '"':
		return appendOrderedString(b, jsondoc.Unquote(value))
	case '[':
		b = append(b, tagList)
		for element := range jsondoc.Elements(value) {
			b = appendOrdered(b, element)
		}
		return append(b, tagEnd)
	case '{':
		return appendOrderedObject(b, value)
	}
	return appendOrderedNumber(b, value)
}

// appendOrderedObject sorts the members by name: an object's order is not part
// of its value.
func appendOrderedObject(b []byte, value string) []byte {
	type member struct{ name, value string }
	var members []member
	for name, value := range jsondoc.Members(value) {
		members = append(members, member{jsondoc.Unquote(name), value})
	}
	slices.SortFunc(members, func(x, y member) int { return cmp.Compare(x.name, y.name) })
	b = append(b, tagObject)
	for _, m := range members {
		b = appendOrdered(appendOrderedString(b, m.name), m.value)
	}
	return append(b, tagEnd)
}

func appendOrderedString(b []byte, s string) []byte {
	b = append(b, tagString)
	if strings.IndexByte(s, 0) < 0 {
		b = append(b, s...)
	} else {
		for i := range len(s) {
			if b = append(b, s[i]); s[i] == 0 {
				b = append(b, 0xFF)
			}
		}
	}
	return append(b, 0x00, 0x01)
}

// appendOrderedNumber writes a number as its sign, its exponent e and its digits
// d, where the number is 0.d × 10^e, two digits a byte.
func appendOrderedNumber(b []byte, literal string) []byte {
	negative, digits, exponent := jsondoc.Decimal(literal)
	if digits == "" {
		return append(b, tagZero)
	}
	start := len(b)
	b = append(b, tagPositive)
	b = binary.BigEndian.AppendUint32(b, uint32(exponent)+1<<31)
	for i := 0; i < len(digits); i += 2 {
		pair := (digits[i] - '0') * 10
		if i+1 < len(digits) {
			pair += digits[i+1] - '0'
		}
		b = append(b, pair+1)
	}
	b = append(b, 0)
	if negative {
		complement(b[start:])
		b[start] = tagNegative
	}
	return b
}

func appendOrderedID(b []byte, id event.ID) []byte {
	if _, ok := id.Int(); ok {
		return appendOrderedNumber(b, string(id))
	}
	return appendOrderedString(b, string(id))
}

// Compare compares two canonical JSON values by the order of values.
func Compare(a, b string) int { return bytes.Compare(appendOrdered(nil, a), appendOrdered(nil, b)) }

func complement(b []byte) {
	for i := range b {
		b[i] = ^b[i]
	}
}

// A span is a range of encodings: from lo up to, and not including, hi. Both
// mean themselves and whatever they are the beginning of; an empty hi is no end.
type span struct {
	lo, hi string
	exact  bool // holds one value's encoding and no other
}

// after returns the least string that is greater than all that begin with prefix, or
// "" when there is none.
func after(prefix string) string {
	for i := len(prefix) - 1; i >= 0; i-- {
		if prefix[i] != 0xFF {
			return prefix[:i] + string([]byte{prefix[i] + 1})
		}
	}
	return ""
}

func point(encoding string) span { return span{encoding, after(encoding), true} }

func (s span) contains(encoding []byte) bool {
	return string(encoding) >= s.lo && (s.hi == "" || string(encoding) < s.hi)
}

// reversed returns the span of the complements of what s contains.
func (s span) reversed() span {
	r := span{lo: "\x00", hi: after(not(s.lo)), exact: s.exact}
	if s.hi != "" {
		r.lo = after(not(s.hi))
	}
	return r
}

func not(s string) string {
	b := []byte(s)
	complement(b)
	return string(b)
}

// kindSpan returns the span of all values of the encoded value's type, which is what
// $gt and its like compare within.
func kindSpan(encoding string) span {
	switch tag := encoding[0]; tag {
	case tagFalse, tagTrue:
		return span{lo: string([]byte{tagFalse}), hi: string([]byte{tagTrue + 1})}
	case tagNegative, tagZero, tagPositive:
		return span{lo: string([]byte{tagNegative}), hi: string([]byte{tagPositive + 1})}
	default:
		return span{lo: string([]byte{tag}), hi: string([]byte{tag + 1})}
	}
}

// intersect returns what two sorted lists of disjoint spans have in common.
func intersect(a, b []span) []span {
	var out []span
	for i, j := 0, 0; i < len(a) && j < len(b); {
		s := span{lo: max(a[i].lo, b[j].lo), hi: minEnd(a[i].hi, b[j].hi)}
		s.exact = a[i].exact || b[j].exact
		if s.hi == "" || s.lo < s.hi {
			out = append(out, s)
		}
		if s.hi == a[i].hi {
			i++
		} else {
			j++
		}
	}
	return out
}

// unite returns what a list of spans covers, as a sorted list of disjoint ones.
func unite(all []span) []span {
	slices.SortFunc(all, func(a, b span) int { return cmp.Or(strings.Compare(a.lo, b.lo), strings.Compare(b.hi, a.hi)) })
	out := all[:0]
	for _, s := range all {
		last := len(out) - 1
		if last < 0 || out[last].hi != "" && out[last].hi <= s.lo {
			out = append(out, s)
		} else if out[last] != s {
			out[last] = span{lo: out[last].lo, hi: maxEnd(out[last].hi, s.hi)}
		}
	}
	return out
}

func maxEnd(a, b string) string {
	if a == "" || b == "" {
		return ""
	}
	return max(a, b)
}

func minEnd(a, b string) string {
	if a == "" || b != "" && b < a {
		return b
	}
	return a
}
