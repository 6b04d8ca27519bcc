package main

import (
	"strings"
	"unicode"
)

// printable makes text from the room safe for a terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == unicode.ReplacementChar {
			return '\uFFFD'
		}
		return r
	}, s)
}
