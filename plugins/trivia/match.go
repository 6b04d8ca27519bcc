package trivia

import (
	"math/big"
	"regexp"
	"strings"
	"unicode"

	"github.com/rivo/uniseg"
	"golang.org/x/text/unicode/norm"

	"github.com/rosey-bot/rosey/internal/fold"
)

// maxLine is the longest chat line that can be an answer, in characters.
const maxLine = 120

func tooLong(line string) bool {
	return len(line) > maxLine && uniseg.GraphemeClusterCount(line) > maxLine
}

// Matches reports whether a chat line contains one of a question's answers. It ignores
// case, accents, punctuation, articles and lead-ins ("is it …?"), reads number words as
// numbers, and tolerates one or two typing errors in longer words. Numbers match if they
// are equal as numbers: 1,000 is 1000, but 314 is not 3.14, nor is 5 -5.
func Matches(line string, answers []string) bool {
	if tooLong(line) {
		return false
	}
	given := normal(line)
	for _, a := range answers {
		want := normal(a)
		if want == "" {
			continue
		}
		for g := given; g != ""; {
			if same(g, want) {
				return true
			}
			shorter, ok := withoutLeadIn(g)
			if !ok {
				break
			}
			g = shorter
		}
	}
	return false
}

func same(given, want string) bool {
	if x, ok := value(want); ok {
		y, ok := value(given)
		return ok && x.Cmp(y) == 0
	}
	if joined(given) == joined(want) {
		return true
	}
	g, w := []rune(given), []rune(want)
	// Numbers and short words must be exact. Names that differ in the first letter
	// (Gambia, Zambia) are different names.
	if len(g) == 0 || g[0] != w[0] || strings.ContainsFunc(want, unicode.IsDigit) {
		return false
	}
	tolerance := 0
	switch {
	case len(w) >= 10:
		tolerance = 2
	case len(w) >= 5:
		tolerance = 1
	}
	return tolerance > 0 && distance(g, w, tolerance) <= tolerance
}

var number = regexp.MustCompile(`^-?(\d+(\.\d+)?|\d+/\d*[1-9]\d*)$`)

// value returns a number in normal form, which may be a fraction. Unlike
// strconv.ParseFloat it refuses words such as Infinity.
func value(s string) (*big.Rat, bool) {
	if !number.MatchString(s) {
		return nil, false
	}
	return new(big.Rat).SetString(s)
}

// joined returns text in normal form without spaces, except those between numbers.
func joined(s string) string {
	words := strings.Fields(s)
	var b strings.Builder
	for i, w := range words {
		if i > 0 && isDigit(words[i-1][len(words[i-1])-1]) && (isDigit(w[0]) || w[0] == '-') {
			b.WriteByte(' ')
		}
		b.WriteString(w)
	}
	return b.String()
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

var (
	thousands    = regexp.MustCompile(`(^|[^0-9.,])[0-9]{1,3}((?:,[0-9]{3})+|(?: [0-9]{3})+|(?:'[0-9]{3})+)($|[^0-9])`)
	decimalComma = regexp.MustCompile(`(^|[^0-9.,])([0-9]+),([0-9]+)($|[^0-9.,])`)
	bareFraction = regexp.MustCompile(`(^|[^0-9a-z.])(\.[0-9])`)
)

// plainNumbers writes the numbers in a text with digits, a sign and a point only.
func plainNumbers(s string) string {
	s = thousands.ReplaceAllStringFunc(s, func(n string) string {
		inner := strings.TrimSpace(n)
		return strings.Replace(n, inner, strings.NewReplacer(",", "", " ", "", "'", "").Replace(inner), 1)
	})
	s = decimalComma.ReplaceAllString(s, "$1$2.$3$4")
	return bareFraction.ReplaceAllString(s, "${1}0$2")
}

// normal returns text in the form in which answers are compared.
func normal(s string) string {
	var b strings.Builder
	text := []rune(plainNumbers(norm.NFKD.String(fold.Key(s))))
	at := func(i int) rune {
		if i < 0 || i >= len(text) {
			return ' '
		}
		return text[i]
	}
	for i, r := range text {
		switch before, digit := at(i-1), unicode.IsDigit(at(i+1)); {
		case (r == '.' || r == '/') && digit && unicode.IsDigit(before), r == '-' && digit && unicode.IsSpace(before):
			b.WriteRune(r) // of a number
		case unicode.Is(unicode.Mn, r) && !unicode.In(before, unicode.Latin, unicode.Greek, unicode.Cyrillic, unicode.Mn):
			b.WriteRune(r) // a vowel of Hindi, Thai, Hebrew
		case unicode.Is(unicode.Mn, r), r == '\'', r == '.':
			// é and e, l'eau and leau, U.S. and US are the same
		case unicode.IsLetter(r), unicode.IsDigit(r), unicode.Is(unicode.Mc, r):
			b.WriteRune(base(r))
		case r == '&':
			b.WriteString(" and ")
		default:
			b.WriteByte(' ')
		}
	}
	words := digits(strings.Fields(b.String()))
	if len(words) > 1 && isArticle(words[0]) {
		words = words[1:]
	}
	return strings.Join(words, " ")
}

// base maps letters that NFKD does not decompose.
func base(r rune) rune {
	switch r {
	case 'ø':
		return 'o'
	case 'ł':
		return 'l'
	case 'đ', 'ð':
		return 'd'
	}
	return r
}

func isArticle(w string) bool { return w == "the" || w == "a" || w == "an" }

// leadIns are phrases before an answer, in normal form.
var leadIns = []string{
	"i think it is", "i think its", "i think", "i guess", "i say", "id say", "it is", "it was", "its", "is it", "was it",
	"what is", "what are", "who is", "who was", "whats", "whos", "that is", "thats", "maybe", "perhaps", "probably", "surely",
	"must be", "could be", "answer", "um", "uh", "hm", "hmm", "oh", "the", "a", "an",
}

func withoutLeadIn(s string) (rest string, ok bool) {
	for _, l := range leadIns {
		if rest, found := strings.CutPrefix(s, l+" "); found {
			return rest, true
		}
	}
	return s, false
}

// distance returns the Damerau-Levenshtein distance (optimal string alignment) of a and
// b, or more than limit if their lengths differ by more.
func distance(a, b []rune, limit int) int {
	if len(a)-len(b) > limit || len(b)-len(a) > limit {
		return limit + 1
	}
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
