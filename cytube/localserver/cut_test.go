package localserver

import (
	"strings"
	"testing"
	"unicode/utf16"

	"pgregory.net/rapid"
)

func TestCut(t *testing.T) {
	t.Parallel()
	tests := []struct {
		text  string
		units int
		want  string
	}{
		{"hello", 5, "hello"}, {"hello", 4, "hell"}, {"", 3, ""}, {"ĀĀ", 1, "Ā"},
		{"a😀b", 4, "a😀b"}, {"a😀b", 3, "a😀"}, {"a😀b", 2, "a"}, // half a character is lost
	}
	for _, tt := range tests {
		if got := cut(tt.text, tt.units); got != tt.want {
			t.Errorf("cut(%q, %d) = %q, want %q", tt.text, tt.units, got, tt.want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		text, n := rapid.String().Draw(t, "text"), rapid.IntRange(0, 20).Draw(t, "n")
		got := cut(text, n)
		if !strings.HasPrefix(text, got) || len(utf16.Encode([]rune(got))) > n {
			t.Fatalf("cut(%q, %d) = %q", text, n, got)
		}
	})
}

func TestReservedNames(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"admin": true, "Administrator": true, "x-owner-y": true, "owner": true, "the_admin": true,
		"badminton": false, "downer": false, "rosey": false,
	} {
		if reservedUser.MatchString(name) != want {
			t.Errorf("%s: reserved %v, want %v", name, !want, want)
		}
	}
}
