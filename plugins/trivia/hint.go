package trivia

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/dustin/go-humanize/english"
	"github.com/rivo/uniseg"
)

// hint returns a part of an answer: at level 1 first letters of its words, at most a third
// of all, at level 2 also every second letter, at most two thirds. Of a number, and of one
// or two letters, it returns how many they are.
func hint(answer string, level int) string {
	letters, onlyDigits := 0, true
	for g := uniseg.NewGraphemes(answer); g.Next(); {
		if isLetter(g.Str()) {
			letters++
			onlyDigits = onlyDigits && unicode.IsDigit(g.Runes()[0])
		}
	}
	if _, ok := value(answer); ok || letters <= 2 {
		return shortHint(answer, letters, level, onlyDigits)
	}
	shown := map[int]bool{} // by the number of the letter
	budget := letters * level / 3
	for pass := range level {
		n, place := 0, 0 // of the letter, in all and in its word
		for g := uniseg.NewGraphemes(answer); g.Next(); {
			if !isLetter(g.Str()) {
				place = 0
				continue
			}
			if first := place == 0; len(shown) < budget && (first && pass == 0 || !first && pass == 1 && place%2 == 0) {
				shown[n] = true
			}
			n, place = n+1, place+1
		}
	}
	var b strings.Builder
	n := 0
	for g := uniseg.NewGraphemes(answer); g.Next(); {
		text := g.Str()
		if isLetter(text) {
			if !shown[n] {
				text = "•"
			}
			n++
		}
		b.WriteString(text)
	}
	return b.String()
}

func isLetter(grapheme string) bool {
	r, _ := utf8.DecodeRuneInString(grapheme)
	return unicode.IsLetter(r) || unicode.IsNumber(r)
}

func shortHint(answer string, n, level int, digits bool) string {
	what := "letter"
	if digits {
		what = "digit"
	}
	what = english.PluralWord(n, what, "")
	last := answer[len(answer)-1]
	switch {
	case level == 1:
		return strconv.Itoa(n) + " " + what
	case n > 1:
		first := ""
		for g := uniseg.NewGraphemes(answer); g.Next() && first == ""; {
			if isLetter(g.Str()) {
				first = g.Str()
			}
		}
		return strconv.Itoa(n) + " " + what + ", the first is " + first
	case digits && last >= '0' && last <= '9' && (last-'0')%2 == 1:
		return "an odd digit"
	case digits && last >= '0' && last <= '9':
		return "an even digit"
	}
	return "a single " + what
}
