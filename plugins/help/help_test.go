package help

import (
	"strings"
	"testing"

	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/plugins/diceroller"
	"github.com/rosey-bot/rosey/plugins/plugintest"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

func TestMain(m *testing.M) { streamstest.Main(m) }

func nothing(*plugins.Context) ([]event.Envelope, error) { return nil, nil }

func TestHelp(t *testing.T) {
	t.Parallel()
	ops := plugins.Plugin{
		Name: "ops", Version: "0.2.0", Description: "Keeps order", MinRank: 2,
		Commands: []plugins.Command{
			{Name: "kick", Usage: "USER", Description: "removes a user", Handle: nothing},
			{Name: "shutdown", MinRank: 3, Handle: nothing},
			{Name: "Purge", MinRank: 255, Handle: nothing},
		},
	}
	channel := plugintest.Run(t, New(), diceroller.New(), ops)
	// A plugin in another language registers with one KV put, and may write its
	// commands as plain names, with the prefix or not.
	kv, err := router.OpenBucket(t.Context(), channel.Bus.JetStream(), 1)
	if err != nil {
		t.Fatal(err)
	}
	for name, registration := range map[string]string{
		"zebra":  `{"name":"zebra","commands":["!stripes","roll"],"description":"Black and white"}`,
		"broken": `{"name":"other"}`,
	} {
		if _, err := kv.Put(t.Context(), name, []byte(registration)); err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range []struct {
		rank       int
		line, want string
	}{
		{0, "!help", "📚 !help, !roll, !stripes — !help COMMAND tells more"},
		{2, "!commands", "📚 !help, !roll, !stripes; moderators: !kick — !help COMMAND tells more"},
		{255, "!HELP", "📚 !help, !roll, !stripes; moderators: !kick; admins: !shutdown; rank 255 and up: !purge — !help COMMAND tells more"},
		{1, "!help roll", "📚 !roll 2d6+3 — rolls up to 100 dice of up to 10000 sides: 2d6+3, d20, d%, 4d6kh3 (keep the highest 3), 4d6dl1 (drop the lowest), 4d6! or !>4 (explode), 2d6r1 or ro<2 (roll again); a comment may follow (also !dice; dice-roller 1.0.0)"},
		{1, "!help !DICE", "📚 !roll 2d6+3 — rolls up to 100 dice of up to 10000 sides: 2d6+3, d20, d%, 4d6kh3 (keep the highest 3), 4d6dl1 (drop the lowest), 4d6! or !>4 (explode), 2d6r1 or ro<2 (roll again); a comment may follow (also !dice; dice-roller 1.0.0)"},
		{1, "!help kick", "📚 !kick USER — removes a user (for moderators; ops 0.2.0)"},
		{1, "!help shutdown", "📚 !shutdown — Keeps order (for admins; ops 0.2.0)"},
		{1, "!help stripes", "📚 !stripes — Black and white (zebra)"},
		{1, "!help ops", "📚 ops 0.2.0 — Keeps order"},
		{2, "!help OPS", "📚 ops 0.2.0 — Keeps order: !kick"},
		{1, "!help zebra", "📚 zebra — Black and white: !stripes"},
		{1, "!help rol", "❌ there is no command rol: did you mean !help roll?"},
		{1, "!help !dise", "❌ there is no command dise: did you mean !help dice?"},
		{1, "!help shutdwn", "❌ there is no command shutdwn: say !help for a list"},
		{3, "!help shutdwn", "❌ there is no command shutdwn: did you mean !help shutdown?"},
		{1, "!help juggle", "❌ there is no command juggle: say !help for a list"},
		{1, "!help " + strings.Repeat("x", 100), "❌ there is no command " + strings.Repeat("x", 29) + "…: say !help for a list"},
	} {
		if got := channel.SayAs("alice", step.rank, step.line); got != step.want {
			t.Errorf("rank %d: %s\n got %q\nwant %q", step.rank, step.line, got, step.want)
		}
	}
}

// The rank of a command is that which the settings say, in this channel, for it or for its plugin.
func TestRanksOfSettings(t *testing.T) {
	t.Parallel()
	channel := plugintest.Run(t, New(), diceroller.New())
	said := func(rank int, line, want string) {
		t.Helper()
		if got := channel.SayAs("alice", rank, line); !strings.Contains(got, want) {
			t.Errorf("rank %d: %s: %q, want %q", rank, line, got, want)
		}
	}
	channel.Set("dice-roller", "min_rank", "3")
	said(1, "!help", "📚 !help — ")
	said(3, "!help roll", "also !dice; for admins; ")
	channel.Set("dice-roller", "roll.min_rank", "2")
	said(2, "!help", "📚 !help; moderators: !roll — ")
	said(1, "!help roll", "also !dice; for moderators; ")
	channel.Set("dice-roller", "roll.min_rank", "0")
	said(1, "!help", "📚 !help, !roll — ")
}

// The names that the settings give commands are in the help of the channel.
func TestAliasesOfSettings(t *testing.T) {
	t.Parallel()
	channel := plugintest.Run(t, New())
	channel.Set("help", "help.aliases", "h,wut")
	if got := channel.Say("alice", "!h wut"); !strings.Contains(got, "also !commands, !h, !wut") {
		t.Error(got)
	}
}
