package fold

import (
	"testing"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// Texts that people take for the same have one key.
func TestKey(t *testing.T) {
	t.Parallel()
	for _, same := range [][]string{
		{"roll", "ROLL", "ro\u200bll", "\ufeffroll", "r\u2060oll", "\u202eroll\u202c", "roll\U000e0072\U000e007f", "ｒｏｌｌ", "ro\u00adll"},
		{"2d6-1", "2d6−1", "2d6–1", "２ｄ６－１", "2d6‑1"},
		{"café", "cafe\u0301", "CAFÉ", "CAFE\u0301"},
		{"straße", "STRASSE", "strasse", "Straẞe"},
		{"ægir", "aegir", "Ægir"},
		{"œuvre", "oeuvre", "ŒUVRE"},
		{"þor", "thor", "Þór"[:2] + "or"},
		{"istanbul", "İstanbul", "ıstanbul", "ISTANBUL"},
		{"a b", "a\u00a0b", "a\u202fb", "a\u3000b"},
		{"it's", "it’s", "itʼs", "it´s"},
		{`"x"`, "“x”", "„x“", "«x»"},
		{"'x'", "‘x’", "‹x›", "‚x‘"},
		{"a", "\u2066a\u2069", "\u200fa", "\u061ca", "a\u200c", "a\u180e"},
		{"+1=2%#!", "＋１＝２％＃！"},
		{"👨\u200d👩\u200d👧", "👨👩👧"},
		{"❤\ufe0f", "❤"},
		{"ﬁn", "fin"},
		{"'n", "ŉ"},
		{"ꮊꭰ", "ᎺᎠ", "Ꮊꭰ"},
	} {
		for _, text := range same[1:] {
			if got, want := Key(text), Key(same[0]); got != want {
				t.Errorf("%q has the key %q, %q has %q", text, got, same[0], want)
			}
		}
	}
	for _, pair := range [][2]string{{"café", "cafe"}, {"alice", "alicia"}, {"1", "l"}, {"", " "}} {
		if Key(pair[0]) == Key(pair[1]) {
			t.Errorf("%q and %q have one key", pair[0], pair[1])
		}
	}
}

// A key is its own key, and has nothing that is invisible.
func FuzzKey(f *testing.F) {
	for _, s := range []string{"Café", "ｒｏｌｌ", "\U000e0072", "İ", "ẞ", "ﷺ", "ῼ", "\u0345", "Ꮊ", "ŉ"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, fold := range []func(string) string{Plain, Key} {
			once := fold(text)
			if again := fold(once); again != once {
				t.Errorf("%q becomes %q, and that %q", text, once, again)
			}
			for _, r := range once {
				if r >= 0x80 && unicode.Is(unicode.Cf, r) {
					t.Errorf("%q keeps %U", text, r)
				}
			}
		}
		if Key(norm.NFD.String(text)) != Key(norm.NFC.String(text)) {
			t.Errorf("%q: NFD and NFC have different keys", text)
		}
	})
}
