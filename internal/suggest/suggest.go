// Package suggest finds the name that somebody meant who misspelled it.
package suggest

import (
	"strings"

	"github.com/xrash/smetrics"
)

// likeness is how alike, of 1, two names are for one to be a slip of the other:
// run and runn are at 0.92, user and username at 0.83, context and container,
// both of them words that somebody may mean, at 0.76.
const likeness = 0.8

// Nearest returns the name among names that is most like the given one, or "" when
// none is. Names may have a path in front, up to a dot.
func Nearest(given string, names []string) string {
	best, near := "", likeness
	for _, name := range names {
		if like := smetrics.Jaro(given, name[strings.LastIndexByte(name, '.')+1:]); like >= near && best == "" || like > near {
			best, near = name, like
		}
	}
	return best
}

// DidYouMean returns " did you mean NAME?" for an error's text, with prefix in front
// of the name, or "" when no name is like the given one.
func DidYouMean(given, prefix string, names []string) string {
	if name := Nearest(given, names); name != "" {
		return " did you mean " + prefix + name + "?"
	}
	return ""
}
