package commands

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rosey-bot/rosey/bot/bottest"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins/plugintest"
)

// A requester asks the database.
type requester interface {
	Request(subject string, payload any) ([]byte, error)
}

// read returns a record.
func read(t *testing.T, w requester, in, id string) map[string]any {
	t.Helper()
	raw, err := w.Request(event.SubjectGet, event.Get{Collection: in, ID: event.ID(id)})
	if event.CodeOf(err) == event.RecordNotFound {
		return nil
	}
	var reply struct{ Data map[string]any }
	if err == nil {
		err = json.Unmarshal(raw, &reply)
	}
	if err != nil {
		t.Fatal(err)
	}
	return reply.Data
}

// age makes a record as it would be had its times been long ago.
func age(t *testing.T, w requester, in, id string, fields ...string) {
	t.Helper()
	record := read(t, w, in, id)
	of := []any{record}
	if items, ok := record["items"].([]any); ok {
		of = append(of, items...)
	}
	for _, r := range of {
		r := r.(map[string]any)
		for _, f := range fields {
			if _, ok := r[f]; ok {
				r[f] = 1
			}
		}
	}
	put(t, w, in, id, record)
}

// put stores a record.
func put(t *testing.T, w requester, in, id string, record any) {
	t.Helper()
	raw, err := event.Encode(record)
	if err == nil {
		_, err = w.Request(event.SubjectSet, event.Set{Collection: in, ID: event.ID(id), Data: raw})
	}
	if err != nil {
		t.Fatal(err)
	}
}

// channelOf is plugintest's channel, whose requests are no methods of two results.
type channelOf struct{ *plugintest.Channel }

func (c channelOf) Request(subject string, payload any) ([]byte, error) {
	return c.Channel.Request(subject, payload)
}

// An announcement needs a rhythm that suits, and says what it lacks.
func TestAnnounce(t *testing.T) {
	t.Parallel()
	channel := start(t)
	follow(t, channel,
		step{"mod", 2, "!announce", "📣 this channel has no announcements: !announce add rules 30m Please read the rules"},
		step{"mod", 2, "!announce add rules 1s Read them", "❌ an announcement is made every 1m to 30d, not every 1s"},
		step{"mod", 2, "!announce add rules 4lines Read them", "❌ an announcement is made every 5lines to 10000lines, not 4lines"},
		step{"mod", 2, "!announce add rules often Read them", "❌ often is not how often: write 30m, 20lines or 30m+20lines"},
		step{"mod", 2, "!announce add rules 30m {{.user}}", "❌ the text has a mistake at character 3: there is no .user:*"},
		step{"mod", 2, "!announce add rules 30m+20lines Read them in {{.channel}}, {{.count}}", "✅ announcing rules every 30m and 20 lines, while people talk"},
		step{"mod", 2, "!announce add tips 5lines A tip", "✅ announcing tips every 5 lines, while people talk"},
		step{"mod", 2, "!announce undo", "↩️ the announcements are as they were: rules every 30m and 20 lines"},
		step{"mod", 2, "!announce undo", "↩️ the announcements are as they were: rules every 30m and 20 lines; tips every 5 lines"},
		step{"mod", 2, "!announce add more 5lines More", "✅ announcing more every 5 lines, while people talk"},
		step{"mod", 2, "!announce group tips Evening", "✅ tips is in the group evening: every 5 lines"},
		step{"mod", 2, "!announce off evening", "✅ the announcement tips is off"},
		step{"mod", 2, "!announce group more evening", "✅ more is in the group evening: off"},
		step{"mod", 2, "!announce on EVENING", "✅ the announcements tips and more are on"},
		step{"mod", 2, "!announce off evening", "✅ the announcements tips and more are off"},
		step{"mod", 2, "!announce list", "📣 more (evening) off; rules every 30m and 20 lines; tips (evening) off"},
		step{"mod", 2, "!announce group more none", "✅ more is in no group"},
		step{"mod", 2, "!announce show rules", "📣 rules (every 30m and 20 lines, by mod): Read them in {{.channel}}, {{.count}}"},
		step{"mod", 2, "!announce rm nothing", "❌ there is no announcement nothing: see !announce list"},
	)
	age(t, channelOf{channel}, announcements, plugintest.ChannelName, "said", "last")
	for range 30 {
		channel.Type("alice", 1, "hello")
	}
	if got := channel.Next(); got != "Read them in "+plugintest.ChannelName+", 1" {
		t.Errorf("announced %q", got)
	}
	channel.Repeat(Name)
	channel.Set(Name, "announcements", "off")
	follow(t, channel, step{"mod", 2, "!announce list", "📣 more off; rules every 30m and 20 lines; tips (evening) off (all are off by the setting announcements)"})
	follow(t, channel, step{"mod", 2, "!announce rm rules", "🗑️ removed the announcement rules; !announce undo takes it back"})
}

// Only what people say counts: not the bot's answers, nor what another bot or the server says;
// off is off (S21).
func TestOnlyPeopleTalk(t *testing.T) {
	t.Parallel()
	w := bottest.Start(t)
	mod, alice, other := w.Join("mod"), w.Join("alice"), w.Join("carol")
	w.Set(bottest.Channel, Name, "ignore", "Carol")
	for _, line := range []string{"!announce add rules 5lines Read the rules", "!announce add quiet 5lines Nobody hears this", "!announce off quiet"} {
		if got := w.Asks(mod, line); !strings.HasPrefix(got, "✅ ") {
			t.Fatalf("%s: %s", line, got)
		}
	}
	lines := func() int { n, _ := read(t, w, announcements, bottest.Channel)["lines"].(float64); return int(n) }
	w.Until("the commands to count", func() bool { return lines() == 2 })
	age(t, w, announcements, bottest.Channel, "said", "last", "line")
	w.Asks(alice, "!roll")
	for range 6 {
		other.Says("beep")
	}
	alice.Says("hello")
	alice.Says("how are you?")
	w.Until("three lines to count", func() bool { return lines() == 5 })
	alice.Says("and so on")
	if got := w.Hears(""); got != "Read the rules" {
		t.Errorf("announced %q", got)
	}
	if n := lines(); n != 6 {
		t.Errorf("%d lines count, want 6", n)
	}
}

// Who comes is welcomed once in the time set, and who was there before is not: a wave gets one
// line (S22).
func TestWelcome(t *testing.T) {
	t.Parallel()
	w := bottest.Start(t)
	w.Join("mod") // before it is switched on
	w.Until("the arrival of mod", func() bool { return read(t, w, visitors, bottest.Channel+"/mod") != nil })
	w.Set(bottest.Channel, Name, "welcome", "on")
	w.Until("the bot's own arrival", func() bool { return read(t, w, welcomes, bottest.Channel) != nil })
	age(t, w, welcomes, bottest.Channel, "last")
	alice := w.Join("alice")
	if got := alice.Hears(""); got != "Welcome, alice! Say !help to see what I can do." {
		t.Errorf("welcomed by %q", got)
	}
	for i := range 8 {
		w.Join(fmt.Sprintf("guest%d", i))
	}
	for range 3 { // as who reloads
		w.Join("carol").Close()
	}
	put(t, w, visitors, bottest.Channel+"/bob", Visitor{User: "Bob", Channel: bottest.Channel, First: 1, Last: 1})
	age(t, w, welcomes, bottest.Channel, "last")
	w.Join("carol")
	if got := w.Join("bob").Hears(""); !strings.HasPrefix(got, "Welcome back, bob! You were away for ") {
		t.Errorf("welcomed by %q", got)
	}
	w.Set(bottest.Channel, Name, "back_after", "1h")
	w.Set(bottest.Channel, Name, "welcome_again", "1m")
	w.Set(bottest.Channel, Name, "arrival", "There is {{.user}}")
	for name, away := range map[string]time.Duration{"erin": 10 * time.Minute, "frank": 2 * time.Hour} {
		put(t, w, visitors, bottest.Channel+"/"+name, Visitor{User: name, Channel: bottest.Channel, First: 1, Last: time.Now().Add(-away).UnixMilli()})
		age(t, w, welcomes, bottest.Channel, "last")
		w.Join(name).Hears("^(There is erin|Welcome back, frank! You were away for 2h.)$")
	}
	w.Stop()
	w.Restart()
	alice.Says("!roll")
	alice.Hears("Rolled")
	if said := w.BotLines(); len(said) != 5 { // the welcomes of alice, bob, erin and frank, and the dice
		t.Errorf("it said %q", said)
	}
}

// A command that counts counts once, and is answered once, wherever the bot is killed.
func TestKilled(t *testing.T) {
	t.Parallel()
	w := bottest.Start(t)
	mod := w.Join("mod")
	var want []string
	for name, done := range map[string]bool{"deaths": true, "lives": false} {
		w.KillAt("chatMsg", done, func() { mod.Says("!cmd add " + name + " " + name + ": {{.count}}") })
		mod.Hears("^✅ added !" + name + "$")
		w.KillAt("chatMsg", !done, func() { mod.Says("!" + name) })
		mod.Hears("^" + name + ": 1$")
		mod.Says("!" + name)
		mod.Hears("^" + name + ": 2$")
		want = append(want, "✅ added !"+name, name+": 1", name+": 2")
	}
	if got := w.BotLines(); !slices.Equal(got, want) {
		t.Errorf("it said %q", got)
	}
}
