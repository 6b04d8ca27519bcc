package router

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/rosey-bot/rosey/internal/fold"
)

func isSpace(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }

// ParseCommand splits a chat line that starts with prefix into a command and its
// arguments, which white space separates. An argument that begins with a double or
// single quote ends at the next such quote followed by white space or the end of
// the line; a backslash escapes a quote or backslash. A quote that is never closed,
// or stands inside a word, is an ordinary character, since people write apostrophes
// in chat. Characters that fold.Rune replaces serve as those that they stand for: a
// full-width prefix, “ ” and « » as quotes, no-break spaces. Arguments are as typed, the
// command is without what is invisible. ok is false for a line without a command.
func ParseCommand(line, prefix string) (command string, args []string, ok bool) {
	rest, found := cutPrefix(trimLeft(line), prefix)
	if !found {
		return "", nil, false
	}
	// "! roll" is prose, as is "!!!".
	if first, _ := utf8.DecodeRuneInString(rest); rest == "" || isSpace(first) {
		return "", nil, false
	}
	command, rest = cutWord(rest)
	command = fold.Plain(command)
	if !strings.ContainsFunc(command, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }) || strings.ContainsFunc(command, isSpace) {
		return "", nil, false // the plain form of some characters has a space
	}
	args = []string{}
	for {
		rest = trimLeft(rest)
		if rest == "" {
			return command, args, true
		}
		arg, after, quoted := cutQuoted(rest)
		if !quoted {
			arg, after = cutWord(rest)
		}
		args = append(args, strings.TrimRightFunc(arg, fold.Invisible))
		rest = after
	}
}

// trimLeft cuts off white space and what is invisible.
func trimLeft(s string) string {
	return strings.TrimLeftFunc(s, func(r rune) bool { return isSpace(r) || fold.Invisible(r) })
}

// cutPrefix cuts off a prefix and its twins, and what is invisible in it or after it.
func cutPrefix(line, prefix string) (rest string, ok bool) {
	rest = line
	for _, want := range prefix {
		rest = strings.TrimLeftFunc(rest, fold.Invisible)
		r, n := utf8.DecodeRuneInString(rest)
		if r != want && fold.Rune(r) != want || n == 0 {
			return line, false
		}
		rest = rest[n:]
	}
	return strings.TrimLeftFunc(rest, fold.Invisible), true
}

func cutWord(s string) (word, rest string) {
	if i := strings.IndexFunc(s, isSpace); i >= 0 {
		return s[:i], s[i:]
	}
	return s, ""
}

func cutQuoted(s string) (arg, rest string, ok bool) {
	first, width := utf8.DecodeRuneInString(s)
	quote := fold.Rune(first)
	if quote != '"' && quote != '\'' {
		return "", "", false
	}
	var b strings.Builder
	for i := width; i < len(s); i += width {
		r, n := utf8.DecodeRuneInString(s[i:])
		width = n
		switch {
		case r == '\\' && i+1 < len(s) && (rune(s[i+1]) == quote || s[i+1] == '\\'):
			i++
			b.WriteByte(s[i])
		case fold.Rune(r) == quote:
			rest = strings.TrimLeftFunc(s[i+n:], fold.Invisible)
			if next, _ := utf8.DecodeRuneInString(rest); rest == "" || isSpace(next) {
				return b.String(), rest, true
			}
			b.WriteString(s[i : i+n])
		default:
			b.WriteString(s[i : i+n])
		}
	}
	return "", "", false
}
