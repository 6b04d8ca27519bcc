package diceroller

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins/plugintest"
)

func TestParse(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"2d6+3": "2d6+3", "D20": "d20", " 1d6 + 2 ": "d6+2", "2 d 6": "2d6", "4d6 kh 3 - 1": "4d6kh3-1", "4d6 dl1": "4d6kh3", "d%": "d100", "4d6kh3": "4d6kh3", "4d6k3": "4d6kh3",
		"2d20kl": "2d20kl1", "4d6dl1": "4d6kh3", "4d6dh1": "4d6kl3", "4d6d1": "4d6kh3", "4d6!": "4d6!", "4d6!>4": "4d6!>4", "4d6 !5 kh3": "4d6!5kh3", "4d6!>6r1": "4d6!r1", "4d6!kh3": "4d6!kh3", "2d6r1": "2d6r1", "2d6ro<2+1": "2d6ro<2+1", "5": "5", "-d4+10-2d6": "-d4+10-2d6", "+3": "3",
		"２ｄ６＋３": "2d6+3", "2d6−1": "2d6-1", "2d6–1": "2d6-1", "d％": "d100", "2d6\u00a0+\u200b3": "2d6+3",
	} {
		x, err := Parse(text)
		if err != nil || x.String() != want {
			t.Errorf("Parse(%q) = %s, %v; want %s", text, x, err, want)
		}
	}
}

func TestParseErrorsSayWhatIsWrong(t *testing.T) {
	t.Parallel()
	for text, says := range map[string]string{
		"": "for example 2d6+3", "banana": "I cannot read", "2d6 3": "I cannot read \"3\": put + or -", "1d6 2": "put + or -", "1d6 d4": "put + or -", "1 2": "put + or -",
		"2d6+3 4": "put + or -", "d% 5": "put + or -", "4d6kh3 2": "put + or -", "1d6\t2": "put + or -", "1d6 d%": "put + or -", "2d": "I cannot read",
		"0d6": "at least one", "101d6": "too many", "60d6+60d6": "120 dice", "2d1": "at least 2 sides", "d10001": "roll away",
		"99999999999999999999d6": "too many", "2d6kh3": "leaves nothing", "2d6dl2": "leaves nothing", "2d6kh0": "leaves nothing", "2d6r6": "leaves nothing to roll", "2d6r<9": "leaves nothing to roll", "2d6r0": "leaves nothing to roll", "4d6!>1": "never or always", "4d6!7": "never or always", "4d6!0": "never or always", "4d6!>": "I cannot read",
		"9999999": "too large", "1+1+1+1+1+1+1+1+1+1+1": "terms", "2d6++3": "I cannot read", strings.Repeat("x", 500): "…",
	} {
		_, err := Parse(text)
		if event.CodeOf(err) != event.InvalidInput || !strings.Contains(err.Error(), says) || len(err.Error()) > 200 {
			t.Errorf("Parse(%.40q): %v, want INVALID_INPUT that says %q", text, err, says)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"2d6+3", "d%", "4d6kh3-2", "-5", "", "d", "2d6kl99"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		x, err := Parse(text)
		if err != nil {
			return
		}
		if again, err := Parse(x.String()); err != nil || again.String() != x.String() {
			t.Errorf("%q parses as %s, which parses as %s, %v", text, x, again, err)
		}
		x.Roll(rand.New(rand.NewPCG(1, 2)))
	})
}

// Whatever is rolled lies between the least and the most that the dice allow.
func TestRollStaysInBounds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		count := rapid.IntRange(1, MaxDice).Draw(t, "count")
		term := Term{Count: count, Sides: rapid.IntRange(2, MaxSides).Draw(t, "sides"),
			Keep: rapid.IntRange(1, count).Draw(t, "keep"), Lowest: rapid.Bool().Draw(t, "lowest")}
		total, _ := Expression{term}.Roll(rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0)))
		if total < term.Keep || total > term.Keep*term.Sides {
			t.Fatalf("%s gave %d", Expression{term}, total)
		}
	})
}

func TestRoll(t *testing.T) {
	t.Parallel()
	x, err := Parse("6d2kh2-d2+10")
	if err != nil {
		t.Fatal(err)
	}
	if total, working := x.Roll(rand.New(rand.NewPCG(7, 7))); strings.Count(working, "(") != 4 || total < 10 || total > 13 {
		t.Errorf("%s = %d", working, total)
	}
	x, _ = Parse("100d6")
	if _, working := x.Roll(rand.New(rand.NewPCG(7, 7))); !strings.HasPrefix(working, "[100 dice: ") {
		t.Errorf("%s", working)
	}
}

func TestCommand(t *testing.T) {
	t.Parallel()
	channel := plugintest.Run(t, New())
	for command, want := range map[string]string{
		"!roll 2d6+3":                 "🎲 Rolled 2d6+3: [",
		"!roll":                       "🎲 Rolled d6: [",
		"!roll # luck":                "🎲 Rolled d6: [",
		"!roll 4d6!>4 boom":           "🎲 Rolled 4d6!>4: [",
		"!roll 4d6 kh 3 for strength": "🎲 Rolled 4d6kh3: [",
		"!roll 2d6+3 fire damage":     "🎲 Rolled 2d6+3: [",
		"!roll 4d6!r1":                "🎲 Rolled 4d6!r1: [",
		"!dice d20":                   "🎲 Rolled d20: [",
		"!roll banana":                `❌ I cannot read "banana": try 2d6+3, d20 or 4d6kh3`,
	} {
		if got := channel.Say("alice", command); !strings.HasPrefix(got, want) {
			t.Errorf("%s was answered %q, want %q", command, got, want)
		}
	}
}

func TestRequest(t *testing.T) {
	t.Parallel()
	channel := plugintest.Run(t, New())
	for _, c := range []struct {
		payload map[string]any
		dice    string
		least   int
		most    int
	}{{map[string]any{}, "d6", 1, 6}, {map[string]any{"dice": "2D6 + 300"}, "2d6+300", 302, 312}} {
		raw, err := channel.Request("plugin.dice-roller.request", c.payload)
		var r struct {
			Success       bool
			Dice, Working string
			Total         int
		}
		if err == nil {
			err = json.Unmarshal(raw, &r)
		}
		if err != nil || !r.Success || r.Dice != c.dice || r.Total < c.least || r.Total > c.most || r.Working == "" {
			t.Errorf("%v was answered %s, %v", c.payload, raw, err)
		}
	}
	_, err := channel.Request("plugin.dice-roller.request", map[string]any{"dice": "banana"})
	e, ok := errors.AsType[*event.Error](err)
	if !ok || e.Code != event.InvalidInput || e.Details["field"] != "dice" {
		t.Errorf("bananas were answered %v, %+v", err, e)
	}
}

func TestCutComment(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][2]string{
		"2d6+3 fire damage": {"2d6+3", "fire damage"}, "2d6 # fire": {"2d6 ", "fire"}, "2d6 + 3 Rolls for d20": {"2d6 + 3", "Rolls for d20"},
		"4d6 kh 3": {"4d6 kh 3", ""}, "2 d 6": {"2 d 6", ""}, "banana": {"banana", ""}, "2d6 (fire)": {"2d6", "(fire)"}, "": {"", ""},
	} {
		if expression, comment := cutComment(text); expression != want[0] || comment != want[1] {
			t.Errorf("%q is %q and %q", text, expression, comment)
		}
	}
}

// Exploding dice have as many more as show the highest side, or what they explode at; dice that are rolled again
// show what they may not only if they are rolled again once.
func TestExplodeAndReroll(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		shown := rolled(t, "6d2!", random)
		if dice := strings.Split(strings.Trim(shown, "[]"), ", "); !strings.Contains(shown, "dice") && strings.Count(strings.Join(dice, ""), "2") != len(dice)-6 {
			t.Errorf("exploded: %v", dice)
		}
		if shown := rolled(t, "4d4!>3", random); !strings.Contains(shown, "dice") && strings.Count(shown, "1")+strings.Count(shown, "2") != 4 {
			t.Errorf("exploded at 3 and 4: %s", shown)
		}
		if shown := rolled(t, "8d4r<2", random); strings.ContainsAny(shown, "12") {
			t.Errorf("rolled again: %s", shown)
		}
	}
}

func rolled(t *testing.T, text string, random *rand.Rand) string {
	t.Helper()
	x, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	_, working := x.Roll(random)
	return working
}
