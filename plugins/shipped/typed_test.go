package shipped

import (
	"strings"
	"testing"

	"github.com/rosey-bot/rosey/plugins/plugintest"
)

// What people type is understood and found again in any form of it.
func TestTypedForms(t *testing.T) {
	t.Parallel()
	channel := plugintest.Run(t, All()...)
	for _, step := range [][2]string{
		{"！ｒｏｌｌ ２ｄ６＋３", "🎲 Rolled 2d6+3: "},
		{"!ro\u200bll 2d6−1", "🎲 Rolled 2d6-1: "},
		{"\u202e!ROLL\u202c\u00a0d20", "🎲 Rolled d20: "},
		{"!quote add @bob: Café \u201chere\u201d", "📖 Added quote #1"},
		{"!quote search CAFE\u0301", "📖 #1: “Café “here””"},
		{"!quote ＃１", "📖 #1: "},
		{"!quote by @BOB:", "📖 #1: "},
		{"!quote count bob,", "📖 bob: 1 quote"},
		{"!countdown add Straße 2h", "⏳ Straße in 2h"},
		{"!countdown STRASSE", "⏳ Straße in "},
		{"!countdown add strasse 3h", "❌ there is a countdown Straße already"},
		{"!countdown rm “STRASSE”", "🗑️ Removed the countdown Straße"},
		{"!countdown add “strasse” ３ｈ", "⏳ strasse in 3h"},
		{"!countdown add movie 8 pm tomorrow", "⏳ movie in "},
		{"!trivia score @alice:", "❌ alice has not scored yet"},
		{"!help ！ｒｏｌｌ", "📚 !roll 2d6+3"},
		{"!8ball\u3000will it rain?", "🎱 alice: "},
	} {
		if got := channel.Say("alice", step[0]); !strings.HasPrefix(got, step[1]) {
			t.Errorf("%q: %q, want %q", step[0], got, step[1])
		}
	}
}
