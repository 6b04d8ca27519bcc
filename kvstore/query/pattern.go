package query

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// A pattern is a $like pattern.
type pattern struct {
	fold   bool
	prefix string // what the text begins with, where case counts
	parts  []part
}

// A part matches one character, or with anyText any text.
type part struct {
	char rune
	kind partKind
}

type partKind byte

const (
	oneChar partKind = iota // char itself
	anyChar                 // _
	anyText                 // %
)

func newPattern(s string, fold bool) pattern {
	p := pattern{fold: fold}
	literal := true
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		i += size
		switch {
		case r == '%' || r == '_':
			literal = false
			kind := anyText
			if r == '_' {
				kind = anyChar
			}
			if kind == anyText && len(p.parts) > 0 && p.parts[len(p.parts)-1].kind == anyText {
				continue
			}
			p.parts = append(p.parts, part{kind: kind})
			continue
		case r == '\\' && i < len(s):
			r, size = utf8.DecodeRuneInString(s[i:])
			i += size
		}
		if literal {
			p.prefix += string(r)
		}
		p.parts = append(p.parts, part{char: foldRune(r, fold)})
	}
	return p
}

func foldRune(r rune, fold bool) rune {
	if !fold {
		return r
	}
	// The smallest of the characters that differ in case only stands for all.
	least := r
	for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
		least = min(least, next)
	}
	return least
}

// match goes back to the last % only, so its time is bounded by the product of
// the lengths.
func (p pattern) match(s string) bool {
	if !p.fold && !strings.HasPrefix(s, p.prefix) {
		return false
	}
	star, retry := -1, 0
	i, j := 0, 0
	for i < len(s) {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case j < len(p.parts) && p.parts[j].kind == anyText:
			star, retry = j, i
			j++
		case j < len(p.parts) && (p.parts[j].kind == anyChar || p.parts[j].char == foldRune(r, p.fold)):
			i += size
			j++
		case star >= 0:
			_, size := utf8.DecodeRuneInString(s[retry:])
			retry += size
			i, j = retry, star+1
		default:
			return false
		}
	}
	for j < len(p.parts) && p.parts[j].kind == anyText {
		j++
	}
	return j == len(p.parts)
}
