package trivia

import (
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/dustin/go-humanize/english"
	"golang.org/x/text/unicode/norm"
)

// maxLine is the longest chat line that can be an answer, in bytes.
const maxLine = 120

// Matches reports whether a chat line contains one of a question's answers. It ignores
// case, accents, punctuation, articles and lead-ins ("is it …?"), reads number words as
// numbers, and tolerates one or two typing errors in longer words. Numbers match if they
// are equal as numbers: 1,000 is 1000, but 314 is not 3.14, nor is 5 -5.
func Matches(line string, answers []string) bool {
	if len(line) > maxLine {
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

// value returns a number in normal form.
func value(s string) (*big.Rat, bool) {
	if !isNumber(strings.TrimPrefix(s, "-")) {
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
	thousands    = regexp.MustCompile(`(^|[^0-9.,])[0-9]{1,3}(?:,[0-9]{3})+($|[^0-9])`)
	decimalComma = regexp.MustCompile(`(^|[^0-9.,])([0-9]+),([0-9]+)($|[^0-9.,])`)
	bareFraction = regexp.MustCompile(`(^|[^0-9a-z.])(\.[0-9])`)
)

// plainNumbers writes the numbers in a text with digits, a sign and a point only.
func plainNumbers(s string) string {
	s = strings.NewReplacer("−", "-", "–", "-").Replace(s)
	s = thousands.ReplaceAllStringFunc(s, func(n string) string {
		return strings.ReplaceAll(n, ",", "")
	})
	s = decimalComma.ReplaceAllString(s, "$1$2.$3$4")
	return bareFraction.ReplaceAllString(s, "${1}0$2")
}

// normal returns text in the form in which answers are compared.
func normal(s string) string {
	var b strings.Builder
	text := []rune(plainNumbers(norm.NFKD.String(strings.ToLower(s))))
	at := func(i int) rune {
		if i < 0 || i >= len(text) {
			return ' '
		}
		return text[i]
	}
	for i, r := range text {
		switch before, digit := at(i-1), unicode.IsDigit(at(i+1)); {
		case r == '.' && digit && unicode.IsDigit(before), r == '-' && digit && unicode.IsSpace(before):
			b.WriteRune(r) // of a number
		case unicode.Is(unicode.Mn, r), r == '\'', r == '’', r == '.':
			// l'eau and leau, U.S. and US are the same
		case unicode.IsLetter(r), unicode.IsDigit(r):
			b.WriteRune(fold(r))
		case r == '&':
			b.WriteString(" and ")
		default:
			b.WriteByte(' ')
		}
	}
	words := strings.Fields(b.String())
	for i, w := range words {
		if n, ok := numberWords[w]; ok {
			words[i] = strconv.Itoa(n)
		}
	}
	if len(words) > 1 && isArticle(words[0]) {
		words = words[1:]
	}
	return strings.Join(words, " ")
}

// fold maps letters that NFKD does not decompose.
func fold(r rune) rune {
	switch r {
	case 'ø':
		return 'o'
	case 'ł':
		return 'l'
	case 'đ', 'ð':
		return 'd'
	case 'ı':
		return 'i'
	}
	return r
}

var numberWords = map[string]int{
	"zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10,
	"eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16, "seventeen": 17,
	"eighteen": 18, "nineteen": 19, "twenty": 20,
	// Roman numerals, which distinguish kings.
	"ii": 2, "iii": 3, "iv": 4, "vi": 6, "vii": 7, "viii": 8, "ix": 9, "xi": 11, "xii": 12, "xiii": 13, "xiv": 14, "xv": 15, "xvi": 16,
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

var number = regexp.MustCompile(`^\d+(\.\d+)?$`)

// isNumber reports whether an answer is a decimal number. Unlike strconv.ParseFloat it
// refuses words such as Infinity.
func isNumber(s string) bool { return number.MatchString(s) }

// hint returns a part of an answer: at level 1 the lengths and first letters of its
// words, at level 2 also every second letter.
func hint(answer string, level int) string {
	if n := utf8.RuneCountInString(answer); isNumber(answer) || n <= 2 {
		return shortHint(answer, n, level)
	}
	var b strings.Builder
	place := 0 // in the word
	for _, r := range answer {
		switch {
		case !unicode.IsLetter(r) && !unicode.IsDigit(r):
			b.WriteRune(r)
			place = 0
			continue
		case place == 0, level > 1 && place%2 == 0:
			b.WriteRune(r)
		default:
			b.WriteRune('•')
		}
		place++
	}
	return b.String()
}

func shortHint(answer string, n, level int) string {
	what := "letter"
	if isNumber(answer) {
		what = "digit"
	}
	what = english.PluralWord(n, what, "")
	switch last := answer[len(answer)-1]; {
	case level == 1:
		return strconv.Itoa(n) + " " + what
	case n > 1:
		first, _ := utf8.DecodeRuneInString(answer)
		return strconv.Itoa(n) + " " + what + ", the first is " + string(first)
	case isNumber(answer) && (last-'0')%2 == 1:
		return "an odd digit"
	case isNumber(answer):
		return "an even digit"
	default:
		return "a single letter"
	}
}
