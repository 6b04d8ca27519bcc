package router

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

func isSpace(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }

// ParseCommand splits a chat line that starts with prefix into a command and its
// arguments, which white space separates. An argument that begins with a double or
// single quote ends at the next such quote followed by white space or the end of
// the line; a backslash escapes a quote or backslash. A quote that is never closed,
// or stands inside a word, is an ordinary character, since people write apostrophes
// in chat. ok is false for a line without a command.
func ParseCommand(line, prefix string) (command string, args []string, ok bool) {
	rest, found := strings.CutPrefix(strings.TrimLeftFunc(line, isSpace), prefix)
	if !found {
		return "", nil, false
	}
	// "! roll" is prose, as is "!!!".
	if first, _ := utf8.DecodeRuneInString(rest); rest == "" || isSpace(first) {
		return "", nil, false
	}
	command, rest = cutWord(rest)
	if !strings.ContainsFunc(command, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }) {
		return "", nil, false
	}
	args = []string{}
	for {
		rest = strings.TrimLeftFunc(rest, isSpace)
		if rest == "" {
			return command, args, true
		}
		arg, after, quoted := cutQuoted(rest)
		if !quoted {
			arg, after = cutWord(rest)
		}
		args = append(args, arg)
		rest = after
	}
}

func cutWord(s string) (word, rest string) {
	if i := strings.IndexFunc(s, isSpace); i >= 0 {
		return s[:i], s[i:]
	}
	return s, ""
}

func cutQuoted(s string) (arg, rest string, ok bool) {
	quote := s[0]
	if quote != '"' && quote != '\'' {
		return "", "", false
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s) && (s[i+1] == quote || s[i+1] == '\\'):
			i++
			b.WriteByte(s[i])
		case s[i] == quote:
			rest = s[i+1:]
			if first, _ := utf8.DecodeRuneInString(rest); rest == "" || isSpace(first) {
				return b.String(), rest, true
			}
			b.WriteByte(quote)
		default:
			b.WriteByte(s[i])
		}
	}
	return "", "", false
}
