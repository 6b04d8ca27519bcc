package query

import (
	"regexp"
	"strings"
)

// newPattern returns a $like pattern as a regular expression, and what every text
// begins with that it matches where case counts.
func newPattern(s string, fold bool) (matches *regexp.Regexp, prefix string, err error) {
	var expression strings.Builder
	runes := []rune(s)
	literal := true
	for i := 0; i < len(runes); i++ {
		switch r := runes[i]; {
		case r == '%' || r == '_':
			literal = false
			expression.WriteString(map[rune]string{'%': ".*", '_': "."}[r])
			continue
		case r == '\\' && i+1 < len(runes):
			i++
		}
		text := string(runes[i])
		if literal {
			prefix += text
		}
		expression.WriteString(regexp.QuoteMeta(text))
	}
	// Without .* at its ends an expression is searched for faster.
	body, openStart := strings.CutPrefix(expression.String(), ".*")
	body, openEnd := strings.CutSuffix(body, ".*")
	flags := "(?s)"
	if fold {
		flags = "(?si)"
	}
	if !openStart {
		flags += "^"
	}
	if !openEnd {
		body += "$"
	}
	matches, err = regexp.Compile(flags + body)
	return matches, prefix, err
}
