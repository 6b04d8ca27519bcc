package commands

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/rosey-bot/rosey/bot/bottest"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/plugins/admin"
	"github.com/rosey-bot/rosey/plugins/diceroller"
	"github.com/rosey-bot/rosey/plugins/help"
	"github.com/rosey-bot/rosey/plugins/plugintest"
)

func TestMain(m *testing.M) { bottest.Main(m, New(), diceroller.New()) }

// A step is a line of a user of a rank and the answer to it, or how that begins.
type step struct {
	user string
	rank int
	line string
	want string
}

// follow says lines and compares the answers.
func follow(t *testing.T, channel *plugintest.Channel, steps ...step) {
	t.Helper()
	for _, s := range steps {
		got := channel.SayAs(s.user, s.rank, s.line)
		if begin, ok := strings.CutSuffix(s.want, "*"); got != s.want && (!ok || !strings.HasPrefix(got, begin)) {
			t.Errorf("%s: %s was answered %q, want %q", s.user, s.line, got, s.want)
		}
		if words := strings.Fields(s.line); len(words) > 2 && words[0] == "!cmd" && strings.HasPrefix(got, "✅ added") {
			channel.Routed(strings.ToLower(strings.TrimPrefix(words[2], "!")))
		}
	}
}

func start(t *testing.T, more ...plugins.Plugin) *plugintest.Channel {
	t.Helper()
	return plugintest.Run(t, append([]plugins.Plugin{New(), diceroller.New(), help.New()}, more...)...)
}

// A command that people make is a command: in any case, with a rank, a cooldown and a grant, in
// !help, and after a restart.
func TestCustomCommand(t *testing.T) {
	t.Parallel()
	channel := start(t, admin.New())
	follow(t, channel,
		step{"alice", 1, "!cmd add rules Be kind", "⛔ alice: !cmd needs rank 2, yours is 1"},
		step{"mod", 2, "!cmd add !Rules Be kind, {{.user}}: {{default \"all of you\" .args}}", "✅ added !rules"},
		step{"alice", 1, "!RULES", "Be kind, alice: all of you"},
		step{"bob", 1, "!rules in  here", "Be kind, bob: in  here"},
		step{"alice", 1, "!help rules", "📚 !rules … — a command of this channel (commands 1.0.0)"},
		step{"mod", 2, "!cmd add rules Be kinder", "❌ there is a command !rules already: !cmd edit rules TEXT changes it"},
		step{"mod", 2, "!cmd edit rules Be kinder", "✅ changed !rules"},
		step{"mod", 2, "!cmd rank rules 2", "✅ !rules needs rank 2"},
	)
	channel.Reboot()
	follow(t, channel,
		step{"alice", 1, "!rules", "⛔ alice: !rules needs rank 2, yours is 1"},
		step{"mod", 2, "!rules", "Be kinder"},
	)
	channel.Grant("alice", "commands.rules", 0)
	follow(t, channel,
		step{"alice", 1, "!rules", "Be kinder"},
		step{"mod", 2, "!cmd cooldown rules 1 hour", "✅ !rules can be used every 1h"},
		step{"mod", 2, "!cmd show rules", "📝 !rules: Be kinder (by mod, rank 2, every 1h)"},
		step{"mod", 2, "!cmd list", "📝 !rules"},
		step{"boss", 3, "!set commands.rules.min_rank 0", "*"},
		step{"mod", 2, "!cmd rm rules", "🗑️ removed !rules; !cmd undo rules takes it back"},
	)
	channel.Routed("rules", true)
	follow(t, channel,
		step{"mod", 2, "!cmd show rules", "❌ there is no command !rules of this channel: see !cmd list"},
		step{"mod", 2, "!cmd list", "📝 this channel has no commands of its own: *"},
		step{"mod", 2, "!cmd undo", "↩️ !rules is as it was: Be kinder (by mod, rank 2, every 1h)"},
	)
	channel.Routed("rules")
	channel.Repeat(Name)
	follow(t, channel,
		step{"mod", 2, "!cmd show rules", "📝 !rules: Be kinder (by mod, rank 2, every 1h)"},
		step{"mod", 2, "!cmd undo RULES", "↩️ removed !rules again"},
		step{"mod", 2, "!cmd add rules Be kindest", "✅ added !rules"},
		step{"mod", 2, "!cmd undo rulez", "❌ there is no change of !rulez to take back"},
	)
}

// Who may not use a command may not change it either, whatever says so.
func TestRankOfACommand(t *testing.T) {
	t.Parallel()
	channel := start(t)
	follow(t, channel,
		step{"mod", 2, "!cmd undo", "❌ no command of this channel was changed"},
		step{"boss", 3, "!cmd add staff For the staff, {{.count}}", "✅ added !staff"},
		step{"boss", 3, "!cmd rank staff 3", "✅ !staff needs rank 3"},
	)
	refused := func() {
		t.Helper()
		for _, line := range []string{"edit staff Mine", "rank staff 0", "cooldown staff 1h", "count staff 9", "rm staff", "undo staff", "undo"} {
			follow(t, channel, step{"mod", 2, "!cmd " + line, "❌ !staff needs rank 3, and yours is 2: it is not yours to change"})
		}
	}
	refused()
	follow(t, channel,
		step{"boss", 3, "!cmd rank staff 2", "✅ !staff needs rank 2"},
		step{"mod", 2, "!cmd undo staff", "❌ !staff needs rank 3, and yours is 2: it is not yours to change"},
	)
	channel.Set(Name, "staff.min_rank", "3")
	refused()
	channel.Set(Name, "staff.min_rank", "2")
	follow(t, channel,
		step{"mod", 2, "!cmd edit staff Ours", "✅ changed !staff"},
		step{"boss", 3, "!cmd show staff", "📝 !staff: Ours (by boss, rank 2)"},
	)
}

// A cooldown is the command's, and costs only who used it (S25, S26); one that runs follows what is
// set meanwhile (S27).
func TestCooldown(t *testing.T) {
	t.Parallel()
	channel := start(t)
	follow(t, channel,
		step{"mod", 2, "!cmd add rules Be kind", "✅ added !rules"},
		step{"mod", 2, "!cmd add staff For the staff", "✅ added !staff"},
		step{"mod", 2, "!cmd cooldown rules 2h", "✅ !rules can be used every 2h"},
		step{"mod", 2, "!cmd cooldown staff 2h", "✅ !staff can be used every 2h"},
		step{"mod", 2, "!cmd rank staff 2", "✅ !staff needs rank 2"},
	)
	channel.Settle(Name)
	follow(t, channel,
		step{"bob", 1, "!staff", "⛔ bob: !staff needs rank 2, yours is 1"},
		step{"mod", 2, "!staff", "For the staff"},
		step{"bob", 1, "!staff", "⛔ bob: !staff needs rank 2, yours is 1"},
		step{"alice", 1, "!rules", "Be kind"},
		step{"alice", 1, "!rules", "⏳ alice: !rules again in *"},
	)
	channel.Reboot()
	follow(t, channel,
		step{"bob", 1, "!rules", "⏳ bob: !rules again in *"},
		step{"mod", 2, "!cmd cooldown rules off", "✅ !rules has no cooldown"},
	)
	for got := "⏳"; got != "Be kind"; got = channel.Say("bob", "!rules") {
		if !strings.HasPrefix(got, "⏳") {
			t.Fatalf("without a cooldown it said %q", got)
		}
	}
}

// What leads back to itself is refused, and what the bot says is never a command (S19).
func TestAliases(t *testing.T) {
	t.Parallel()
	channel := start(t)
	follow(t, channel,
		step{"mod", 2, "!cmd alias attack roll 1d4+5", "✅ added !attack"},
		step{"alice", 1, "!attack", "🎲 Rolled d4+5: *"},
		step{"alice", 1, "!help attack", "📚 !attack … — stands for roll 1d4+5 (commands 1.0.0)"},
		step{"mod", 2, "!cmd alias foo foo $1$1", "❌ foo would stand for itself: choose another name"},
		step{"mod", 2, "!cmd alias a !nothing", "❌ !nothing is no command: !help lists those that there are"},
		step{"mod", 2, "!cmd alias b attack", "✅ added !b"},
		step{"mod", 2, "!cmd rank b 2", "❌ !b stands for !attack, whose rank it has"},
		step{"mod", 2, "!cmd cooldown b 1m", "❌ !b stands for !attack, whose cooldown it has"},
		step{"mod", 2, "!cmd edit attack hit {{.target}}!", "✅ changed !attack"},
		step{"alice", 1, "!b @bob", "hit bob!"},
		step{"mod", 2, "!cmd rm attack", "🗑️ removed !attack*"},
	)
	channel.Routed("attack", true)
	follow(t, channel,
		step{"alice", 1, "!b @bob", "❌ !b stands for !attack, which is no command"},
		step{"mod", 2, "!cmd alias attack b", "❌ attack would stand for itself: choose another name"},
		step{"mod", 2, "!cmd add echo {{.args}}", "✅ added !echo"},
		step{"alice", 1, "!echo !echo !echo !roll", "!echo !echo !roll"},
	)
	before := len(channel.Said())
	channel.Publish(event.SubjectChat, event.Chat{User: "rosey", Message: "!echo !roll", Channel: plugintest.ChannelName, Rank: 3})
	channel.Settle(Name)
	if after := channel.Said(); len(after) != before {
		t.Errorf("upon the bot's own line it said %q", after[before:])
	}
}

// The name of another plugin's command is refused, whatever its form (S20).
func TestNamesOfOthers(t *testing.T) {
	t.Parallel()
	channel := start(t)
	channel.Set("dice-roller", "roll.aliases", "wurf")
	for name, want := range map[string]string{
		"roll": "❌ !roll is a command of the plugin dice-roller: choose another name", "!ROLL": "❌ !roll is a command of the plugin dice-roller: choose another name",
		"wurf": "❌ !wurf is a command of the plugin dice-roller: choose another name", "cmd": "❌ !cmd is a command of the plugin commands: choose another name",
		"a.b": `❌ "a.b" cannot be a name: it is 1 to 30 letters, digits, _ and -`,
	} {
		follow(t, channel, step{"mod", 2, "!cmd add " + name + " hello", want})
	}
	if n := len(channel.Stored(event.EventSubject(Name, kindChanged))); n != 0 {
		t.Errorf("%d changes are reported", n)
	}
}

// What users type is said as typed, and a text with a mistake is refused with its place (S23).
func TestTexts(t *testing.T) {
	t.Parallel()
	channel := start(t)
	follow(t, channel,
		step{"mod", 2, "!cmd add hi Hi {{.usr}}", "❌ the text has a mistake at character 6: there is no .usr: did you mean .user?*"},
		step{"mod", 2, "!cmd add hi Hi {{.user", "❌ the text has a mistake at character 4: this {{ has no }}"},
		step{"mod", 2, "!cmd add hi", "❌ write for example !cmd add rules Be kind"},
		step{"mod", 2, "!cmd add hi Hi {{.user}}, {{.args}} {{.arg2}} {{.arg9}}{{pick \"x\" \"x\"}}", "✅ added !hi"},
		step{"alice", 1, "!hi $user {{.Settings}} %s {name}", "Hi alice, $user {{.Settings}} %s {name} {{.Settings}} x"},
		step{"mod", 2, "!cmd add count {{.user}} is the {{.count}}.", "✅ added !count"},
		step{"alice", 1, "!count", "alice is the 1."},
		step{"bob", 1, "!count", "bob is the 2."},
	)
	channel.Repeat(Name) // as after a crash
	follow(t, channel,
		step{"bob", 1, "!count", "bob is the 3."},
		step{"mod", 2, "!cmd count count 41", "✅ !count counts from 41"},
		step{"bob", 1, "!count", "bob is the 42."},
	)
}

// Each answer is said as it is set, with all that it may use; one that is empty is not said.
func TestAnswers(t *testing.T) {
	t.Parallel()
	channel := start(t)
	texts := plugintest.Texts(New())
	for key, text := range texts {
		channel.Set(Name, key, text)
	}
	store := func(collection, id string, record any) {
		t.Helper()
		if _, err := channel.Request(event.SubjectSet, map[string]any{"collection": collection, "id": id, "data": record}); err != nil {
			t.Fatal(err)
		}
	}
	store(collection, plugintest.ChannelName+"/gone", Command{Name: "gone", Channel: plugintest.ChannelName})
	channel.SayAs("owner", 3, "!cmd add high hi")
	channel.SayAs("owner", 3, "!cmd rank high 3")
	for _, line := range []string{
		"announce undo", "cmd nonsense", "cmd add", "cmd add a.b hello", "cmd add hi {{.usr}}", "cmd show nothing", "cmd add cmd hello", "cmd rm high", "gone",
		"cmd alias self self", "cmd alias atk roll 1d20", "cmd count atk 3", "cmd rank gone 9", "cmd cooldown gone x", "cmd count gone x", "announce add z 3x hi",
		"reply add z a* no", "cmd add gone again",
		"cmd list", "cmd add rules Be kind", "cmd edit rules Be kinder", "cmd rank rules 2", "cmd cooldown rules 1h", "cmd count rules 3",
		"cmd show rules", "cmd rm rules", "cmd undo rules", "announce list", "announce add tips 30m A tip", "announce add more 30m More",
		"announce group tips evening", "announce group more evening", "announce off evening", "announce list", "announce show tips", "announce rm tips", "announce undo",
		"reply list", "reply add cow cow Moo", "reply show cow", "reply rm cow", "reply undo",
	} {
		if got := channel.SayAs("mod", 2, "!"+line); !strings.HasPrefix(strings.TrimPrefix(got, "❌ "), "[text_") {
			t.Errorf("%s was answered %q", line, got)
		}
	}
	store(replies, plugintest.ChannelName, Replies{Items: make([]Reply, maxItems)})
	channel.SayAs("mod", 2, "!reply add one more more")
	rare := []string{"first", "back", "arrival", "text_no_text", "text_unusable"} // not of these commands, or not as they are typed
	if unsaid := plugintest.Unsaid(texts, channel.Said(), rare...); len(unsaid) > 0 {
		t.Errorf("not said: %v", unsaid)
	}
	channel.Set(Name, "text_edited", "")
	channel.Type("mod", 2, "!cmd edit rules Be kindest")
	follow(t, channel, step{"mod", 2, "!cmd show rules", "[text_shown: mod ! rules [text_command: mod ! rules Be kindest *"})
}

// Replies are to whole words of people, one a line, not to commands, and not again soon (S24).
func TestReplies(t *testing.T) {
	t.Parallel()
	channel := start(t)
	channel.Set(Name, "ignore", "otherbot")
	follow(t, channel,
		step{"mod", 2, `!reply add ass "(?=x)" no`, "❌ the pattern cannot be used: invalid or unsupported Perl syntax: `(?=`. It is a regular expression of RE2*"},
		step{"mod", 2, `!reply add ass "a*" no`, "❌ the pattern would match every line"},
		step{"mod", 2, `!reply add ass ass {{.txt}}`, "❌ the text has a mistake at character 3*"},
		step{"mod", 2, `!reply add ass ass No “{{.match}}” here, {{.user}}`, "✅ replying to ass"},
		step{"mod", 2, `!reply add cats "cats? (?:and|or) (dogs|mice)" {{.group1}}!`, "✅ replying to cats? (?:and|or) (dogs|mice)"},
		step{"mod", 2, "!reply add ass x y", "❌ there is a reply ass already: !reply rm ass first"},
		step{"mod", 2, "!reply list", "💬 ass (ass); cats (cats? (?:and|or) (dogs|mice))"},
		step{"mod", 2, "!reply rm ass", "🗑️ removed the reply ass; !reply undo takes it back"},
		step{"mod", 2, "!reply undo", "↩️ the replies are as they were: ass (ass); cats *"},
	)
	before := len(channel.Said())
	for _, line := range []string{"classic passage", "!nothing ass", "assés", "ass_"} {
		channel.Type("alice", 1, line)
	}
	channel.Type("otherbot", 1, "ass")
	channel.Publish(event.SubjectChat, event.Chat{User: "carol", Message: "ass", Channel: plugintest.ChannelName, Extra: event.Extra{"shadow": json.RawMessage("true")}})
	for range 20 {
		channel.Type("alice", 1, "You ASS, you (ass), with a cat and dogs")
	}
	channel.Settle(Name)
	if got := strings.Join(channel.Said()[before:], "|"); got != "No “ASS” here, alice|dogs!" {
		t.Errorf("it replied %q", got)
	}
	channel.Repeat(Name)
	channel.Next()
	channel.Next()
	channel.Set(Name, "replies", "off")
	follow(t, channel, step{"mod", 2, "!reply add cow cow Moo", "✅ replying to cow"})
	before++
	channel.Type("alice", 1, "a cow")
	channel.Settle(Name)
	if n := len(channel.Said()) - before; n != 2 {
		t.Errorf("handled again, it replied %d times", n)
	}
}
