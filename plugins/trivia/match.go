package trivia

import (
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/dustin/go-humanize/english"
	"golang.org/x/text/unicode/norm"
)

// maxLine is the longest chat line that is held to be an answer, in bytes.
const maxLine = 120

// Matches reports whether a chat line gives one of a question's answers. It
// forgives case, accents, punctuation, articles, what people say before an answer
// ("is it …?"), numbers as words, and a slip or two in longer words.
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
	if given == want || strings.ReplaceAll(given, " ", "") == strings.ReplaceAll(want, " ", "") {
		return true
	}
	g, w := []rune(given), []rune(want)
	// A number is right or wrong, and so is a short word. Names that differ by
	// their first letter alone (Gambia, Zambia) are different names.
	if len(g) == 0 || g[0] != w[0] || strings.ContainsFunc(want, unicode.IsDigit) {
		return false
	}
	slips := 0
	switch {
	case len(w) >= 10:
		slips = 2
	case len(w) >= 5:
		slips = 1
	}
	return slips > 0 && distance(g, w, slips) <= slips
}

// normal is text in the form in which answers are compared.
func normal(s string) string {
	var b strings.Builder
	for _, r := range norm.NFKD.String(strings.ToLower(s)) {
		switch {
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

// fold maps letters that do not come apart into a letter and an accent.
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
	// Kings differ by little else.
	"ii": 2, "iii": 3, "iv": 4, "vi": 6, "vii": 7, "viii": 8, "ix": 9, "xi": 11, "xii": 12, "xiii": 13, "xiv": 14, "xv": 15, "xvi": 16,
}

func isArticle(w string) bool { return w == "the" || w == "a" || w == "an" }

// leadIns are what people say before an answer, as normal writes it.
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

// distance is how many letters must be put in, left out, replaced or swapped
// with their neighbour to make a of b; it gives up beyond most and returns more.
func distance(a, b []rune, most int) int {
	if len(a)-len(b) > most || len(b)-len(a) > most {
		return most + 1
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

// isNumber reports whether an answer is a number: digits, and perhaps a point. What
// a parser of floats takes besides are words in a quiz, such as Infinity and NaN.
func isNumber(s string) bool { return number.MatchString(s) }

// hint shows a part of an answer: at level 1 how long its words are and how
// each begins, at level 2 every second letter too.
func hint(answer string, level int) string {
	if n := utf8.RuneCountInString(answer); isNumber(answer) || n <= 2 {
		return shortHint(answer, n, level)
	}
	var b strings.Builder
	place := 0 // in its word
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
