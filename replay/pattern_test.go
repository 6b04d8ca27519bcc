package replay_test

import (
	"testing"

	"github.com/rosey-bot/rosey/replay"
)

// A text is found whichever of their variants its characters are typed as.
func TestMatchText(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern, text string
		want          bool
	}{
		{"don't", "I don’t know", true},
		{"don’t", "I don't know", true},
		{"don’t", "I don’t know", true},
		{`“fine”`, `it is "fine"`, true},
		{"2-1", "2−1", true},
		{"^2–1$", "2-1", true},
		{"roll", "ｒｏｌｌ", true},
		{"Caf\u00e9", "Cafe\u0301", true},
		{"Cafe\u0301", "Caf\u00e9", true},
		{"a b", "a\u00a0b", true},
		{"^zerowidth$", "zero\u200bwidth", true},
		{"x.y", "x\u200by", true},
		{"…", "abc", false},
		{"＊", "aaa", false},
		{"don't", "dont", false},
	} {
		re, err := replay.Pattern(c.pattern)
		if err != nil {
			t.Fatal(err)
		}
		if got := replay.MatchText(re, c.text); got != c.want {
			t.Errorf("%q in %q is %v", c.pattern, c.text, got)
		}
	}
	if _, err := replay.Pattern("("); err == nil {
		t.Error("( is a pattern")
	}
}
