package moderation

import (
	"testing"

	"github.com/rosey-bot/rosey/bot/bottest"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins/plugintest"
)

// Each text is said as it is set, with all that it may use.
func TestTexts(t *testing.T) {
	t.Parallel()
	w := bottest.Start(t)
	texts := plugintest.Texts(New())
	w.SetTexts(bottest.Channel, Name, texts)
	mod := w.Join("mod")
	for _, name := range []string{"alice", "bob", "gina", "hank"} {
		w.Join(name).Says("buy my stuff")
	}
	w.Join("owner").Does("chatMsg", map[string]any{"msg": "/mute alice", "meta": map[string]any{}})
	w.Await(event.ModerationSubject(event.ActionMute), about("alice"))
	for _, step := range [][2]string{
		{"!warn bob", "text_usage"}, {"!kick", "text_whom"}, {"!mute bob 0s", "text_no_time"}, {"!kick mod", "text_denied"}, {"!case 99", "text_no_case"},
		{"!strike no such phrase", "text_nobody"}, {"!unstrike", "text_no_strike"}, {"!automod", "text_automod"}, {"!mute alice", "text_failed"}, {"!strike mute 10m buy my stuff", "text_strike"}, {"!unstrike", "text_unstrike"},
		{"!kick gina spam", "text_kick"}, {"!warn bob hush", "text_warn"}, {"!note bob odd", "text_noted"}, {"!mute bob 1h", "text_mute"},
		{"!pending", "text_pending"}, {"!unmute bob", "text_unmute"}, {"!mute nobody 1h", "text_waits"}, {"!unmute nobody", "text_waived"},
		{"!history bob", "text_history"}, {"!warnings bob", "text_warnings"}, {"!case 1", "text_case"}, {"!ban carol 7d spam", "text_ban"},
	} {
		mod.Says(step[0])
		mod.Hears(`\[` + step[1] + ":")
	}
	for _, does := range []string{tellAliases, banAliases} {
		w.Set(bottest.Channel, Name, "alias_bans", does)
		w.Publish(event.SubjectUserAliases, event.UserAliases{User: "hank", Aliases: []string{"carol"}, Channel: bottest.Channel})
		w.Until("both names to be told of", func() bool { return len(w.Stored(event.EventSubject(Name, eventAlias))) > 0 })
	}
	mod.Hears(`\[text_ban:.*\[text_evades:`)
	mod.Says("!unban carol")
	mod.Hears(`\[text_unban:`)
	w.Set(bottest.Channel, Name, "automod", On)
	w.Set(bottest.Channel, Name, "raid_joins", "2")
	w.Set(bottest.Channel, Name, "raid_time", "10m")
	w.Join("dora")
	w.Join("eve")
	mod.Hears(`\[text_raid:`)
	w.Set(bottest.Channel, Name, "strike_most", "1")
	mod.Says("!strike buy my stuff")
	mod.Hears(`\[text_too_many:`)
	w.Set(bottest.Channel, Name, "caps", "50")
	w.Join("ivan").Says("WHAT IS THE MATTER WITH ALL OF YOU")
	mod.Hears(`\[text_(warn|mute):.*\[text_broke:`)
	said := w.BotLines()
	for _, pattern := range []string{event.SubjectSendPM, event.SubjectSendKick} {
		for _, s := range w.Stored(pattern) {
			said = append(said, string(s.Data))
		}
	}
	if unsaid := plugintest.Unsaid(texts, said, "text_stuck"); len(unsaid) > 0 { // said when the bot has lost its rank
		t.Errorf("not said: %v of %q", unsaid, said)
	}
}
