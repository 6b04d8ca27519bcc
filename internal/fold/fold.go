// Package fold compares what people type: text that looks the same, or that a keyboard
// writes in place of another, has one key, and quotation marks, minus signs and spaces
// are those of ASCII.
package fold

import (
	"strings"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// twins are the ASCII characters that others stand for and Unicode's compatibility
// forms leave alone.
var twins = map[rune]rune{
	'“': '"', '”': '"', '„': '"', '‟': '"', '«': '"', '»': '"', '″': '"',
	'‘': '\'', '’': '\'', '‚': '\'', '‛': '\'', '‹': '\'', '›': '\'', '′': '\'', 'ʼ': '\'', '´': '\'',
	'−': '-', '–': '-', '—': '-', '‐': '-', '‑': '-', '‒': '-', '﹣': '-',
}

// Rune returns the ASCII character that r looks like or stands for: of full-width
// letters and digits, quotation marks, minus signs and spaces; and r itself else.
func Rune(r rune) rune {
	switch t, ok := twins[r]; {
	case ok:
		return t
	case r < 0x80:
		return r
	case unicode.IsSpace(r):
		return ' '
	case '！' <= r && r <= '～': // full width
		return r - '！' + '!'
	}
	return r
}

// Invisible reports whether r shows nothing: joiners, marks of direction, tags, variation
// selectors, byte order marks.
func Invisible(r rune) bool {
	return unicode.In(r, unicode.Cf, unicode.Variation_Selector) || r == '\u034F' || r == '\u115F' || r == '\u1160' || r == '\u3164'
}

// Plain returns text in Unicode's compatibility form (NFKC) without what is invisible, and
// with the quotation marks, minus signs and spaces of ASCII. It keeps letter case.
func Plain(text string) string {
	for !isASCII(text) {
		plain := norm.NFKC.String(strings.Map(func(r rune) rune {
			if Invisible(r) {
				return -1
			}
			return Rune(r)
		}, text))
		if plain == text {
			break
		}
		text = plain // the form of a character may be a quotation mark, or invisible
	}
	return text
}

// Marks returns text composed (NFC), with the quotation marks, minus signs and spaces of
// ASCII and without what is invisible. It changes nothing that means something in a regular
// expression.
func Marks(text string) string {
	if isASCII(text) {
		return text
	}
	return norm.NFC.String(strings.Map(func(r rune) rune {
		switch t, ok := twins[r]; {
		case ok:
			return t
		case Invisible(r):
			return -1
		case unicode.IsSpace(r):
			return ' '
		}
		return r
	}, text))
}

// letters are Latin letters whose usual transcription is not a case or a form of theirs.
var letters = strings.NewReplacer("æ", "ae", "œ", "oe", "þ", "th", "ı", "i", "i\u0307", "i")

// Key returns what texts have in common that are the same but for letter case and for
// characters that Plain replaces, and for ß and ss, æ and ae, œ and oe, þ and th, and the
// Turkish ı and İ. Accents distinguish, since they do so in names.
func Key(text string) string {
	if isASCII(text) {
		return strings.ToLower(text)
	}
	folded := strings.ToLower(cases.Fold().String(Plain(text))) // of Cherokee, Fold makes the other case
	return norm.NFKC.String(letters.Replace(folded))
}

func isASCII(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r >= 0x80 })
}
