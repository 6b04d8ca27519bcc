package replay

import (
	"regexp"

	"github.com/rosey-bot/rosey/internal/fold"
)

// Pattern compiles a regular expression that somebody typed, for MatchText: the kind of its
// quotation marks, minus signs and spaces does not matter.
func Pattern(text string) (*regexp.Regexp, error) { return regexp.Compile(fold.Marks(text)) }

// MatchText reports whether an expression matches a text as it is, or without what is
// invisible and with the letters, quotation marks, minus signs and spaces that others are
// variants of.
func MatchText(re *regexp.Regexp, text string) bool {
	if re.MatchString(text) {
		return true
	}
	plain := fold.Plain(text)
	return plain != text && re.MatchString(plain)
}
