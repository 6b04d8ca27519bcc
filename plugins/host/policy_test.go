package host_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rosey-bot/rosey/consumers/pluginsettings"
	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/plugins/plugintest"
)

// picky answers !x with what was typed, !x bad with an error, and !late never in time.
func picky() plugins.Plugin {
	p := plugin(func(c *plugins.Context) ([]event.Envelope, error) {
		if len(c.Command.Args) > 0 && c.Command.Args[0] == "bad" {
			return nil, event.Errorf(event.InvalidInput, "not like that")
		}
		return c.Say("done %s", c.Command.User), nil
	})
	p.Commands = append(p.Commands, plugins.Command{Name: "late", Handle: func(c *plugins.Context) ([]event.Envelope, error) {
		<-c.Done()
		return nil, c.Err()
	}})
	return p
}

// refusals returns the reasons of the refusals that are stored.
func refusals(t *testing.T, channel *plugintest.Channel) (reasons []string) {
	t.Helper()
	for _, s := range channel.Stored("plugin.x.event.denied") {
		denied, err := event.As[event.Denied](s.Envelope)
		if err != nil {
			t.Fatal(err)
		}
		reason, _ := denied.Details["reason"].(string)
		reasons = append(reasons, reason)
	}
	return reasons
}

func expectRefusals(t *testing.T, channel *plugintest.Channel, want ...string) {
	t.Helper()
	if got := refusals(t, channel); strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("refused for %q, want %q", got, want)
	}
}

// expectSaid waits until all is handled, and compares what was said.
func expectSaid(t *testing.T, channel *plugintest.Channel, want ...string) {
	t.Helper()
	channel.Settle("x")
	said := channel.Said()
	if len(said) != len(want) {
		t.Fatalf("said %q, want %q", said, want)
	}
	for i, line := range said {
		if !strings.HasPrefix(line, want[i]) {
			t.Errorf("said %q, want %q", line, want[i])
		}
	}
}

// A use costs the user alone and in its channel alone; the rest is answered once, and holds
// over a restart (S26).
func TestCooldownOfAUser(t *testing.T) {
	t.Parallel()
	channel := plugintest.Run(t, picky())
	channel.Set("x", "x.cooldown_user", "1h")
	channel.Type("alice", 1, "!x")
	channel.Type("alice", 1, "!x")
	channel.Type("Alice", 1, "!x")
	channel.Type("bob", 1, "!x")
	expectSaid(t, channel, "done alice", "⏳ alice: !x again in ", "done bob")
	channel.Reboot()
	for range 3 {
		channel.Type("alice", 1, "!x")
	}
	expectSaid(t, channel, "done alice", "⏳ alice: !x again in ", "done bob")
	expectRefusals(t, channel, "cooldown", "cooldown", "cooldown", "cooldown", "cooldown")
	channel.Publish(event.SubjectChat, event.Chat{User: "alice", Message: "!x", Channel: "other", Rank: 1, Time: time.Now().UnixMilli()})
	expectSaid(t, channel, "done alice", "⏳ alice: !x again in ", "done bob", "done alice")
	channel.Repeat("x")
	expectSaid(t, channel, "done alice", "⏳ alice: !x again in ", "done bob", "done alice")
}

// What was refused, or failed, costs nothing; a missing right is answered before a cooldown (S25).
func TestOnlyWhatWasDoneCosts(t *testing.T) {
	t.Parallel()
	channel := plugintest.Run(t, picky())
	channel.Set("x", "x.cooldown_channel", "1h")
	channel.Set("x", "x.min_rank", "1")
	for _, line := range []string{"!y", "!x bad", "!x bad", "!x"} {
		channel.Type("alice", 1, line)
		channel.Settle("x")
	}
	channel.Type("guest", 0, "!x")
	channel.Type("bob", 1, "!x")
	expectSaid(t, channel, "❌ not like that", "❌ not like that", "done alice", "⛔ guest: !x needs rank 1, yours is 0", "⏳ bob: !x again in ")
	expectRefusals(t, channel, "rank", "cooldown")
}

// What becomes a dead letter costs nothing.
func TestDeadLetterCostsNothing(t *testing.T) {
	t.Parallel()
	channel := plugintest.Run(t, picky())
	channel.Set("x", "late.cooldown_user", "1h")
	channel.Set("x", "late.timeout", "0.01")
	for range 2 {
		channel.Type("alice", 1, "!late")
		channel.Emitted("plugin.x.event.dead_letter")
	}
	expectRefusals(t, channel)
}

// Who is exempt is set per command (S25).
func TestCooldownExemption(t *testing.T) {
	t.Parallel()
	channel := plugintest.Run(t, picky())
	channel.Set("x", "cooldown_user", "1h")
	channel.Set("x", "x.cooldown_exempt", "2")
	for range 2 {
		channel.Type("mod", 2, "!x")
		channel.Settle("x") // the router, which refuses, is faster than the plugin
		channel.Type("alice", 1, "!x")
	}
	expectSaid(t, channel, "done mod", "done alice", "done mod", "⏳ alice: ")
}

// What is switched off, or used in quiet hours, is recorded and not answered.
func TestSwitchedOffAndQuiet(t *testing.T) {
	t.Parallel()
	channel := plugintest.Run(t, picky())
	for _, step := range [][2]string{{"enabled", "off"}, {"enabled", "on"}, {"x.quiet_hours", "00:00-00:00"}, {"x.quiet_hours", "00:00-00:00 Europe/Berlin"}} {
		channel.Set("x", step[0], step[1])
		channel.Type("alice", 1, "!x")
		channel.Settle("x")
	}
	expectSaid(t, channel, "done alice")
	expectRefusals(t, channel, "disabled", "quiet_hours", "quiet_hours")
}

// Another name of a command is one in any form of it, and only where it was given.
func TestAliases(t *testing.T) {
	t.Parallel()
	channel := plugintest.Run(t, picky())
	channel.Set("x", "x.aliases", "würfel,ex")
	channel.Publish(event.SubjectChat, event.Chat{User: "alice", Message: "!ex", Channel: "other", Rank: 1, Time: time.Now().UnixMilli()})
	channel.Type("alice", 1, "!WÜRFEL")
	channel.Type("bob", 1, "!ex")
	expectSaid(t, channel, "done alice", "done bob")
}

// Refusals are answered where the settings say.
func TestRefusalsAreToldPrivately(t *testing.T) {
	t.Parallel()
	channel := plugintest.Run(t, picky())
	channel.Set("x", "min_rank", "2")
	channel.Set("x", "refusals", "pm")
	channel.SayAs("alice", 1, "!x")
	if n := len(channel.Stored(event.SubjectSendPM)); n != 1 {
		t.Errorf("%d private messages, want 1", n)
	}
	channel.Set("x", "refusals", "none")
	channel.Type("alice", 1, "!x")
	expectSaid(t, channel, "⛔ alice: !x needs rank 2")
	expectRefusals(t, channel, "rank", "rank")
}

// Answers go where the settings say, without a word of the plugin's.
func TestAnswersAreToldPrivately(t *testing.T) {
	t.Parallel()
	channel := plugintest.Run(t, picky())
	channel.Set("x", "x.answers", "pm")
	channel.Type("alice", 1, "!x")
	channel.Settle("x")
	private := channel.Stored(event.SubjectSendPM)
	if len(private) != 1 || len(channel.Stored(event.SubjectSendChat)) != 0 {
		t.Fatalf("%d private messages, %d in chat", len(private), len(channel.Stored(event.SubjectSendChat)))
	}
	if pm, err := event.As[event.SendPM](private[0].Envelope); err != nil || pm.To != "alice" || pm.Message != "done alice" {
		t.Errorf("%+v, %v", pm, err)
	}
	channel.Set("x", "x.answers", "as asked")
	channel.Type("alice", 1, "!x")
	expectSaid(t, channel, "done alice", "done alice")
}

// An alias is one command's wherever it holds.
func TestAliasesOfTwoCommands(t *testing.T) {
	t.Parallel()
	p := picky()
	p.Commands = append(p.Commands, plugins.Command{Name: "y", Handle: p.Commands[0].Handle})
	channel := plugintest.Run(t, p)
	store, err := pluginsettings.Open(t.Context(), channel.Bus.JetStream(), 1)
	if err != nil {
		t.Fatal(err)
	}
	registered, err := router.List(t.Context(), channel.Bus.JetStream())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ key, channel, value, want string }{
		{"x.aliases", "", "ex,xx", ""},
		{"y.aliases", "", "XX", "XX is an alias of x of x already"},
		{"y.aliases", "lounge", "ex", "ex is an alias of x of x already"},
		{"x.aliases", "lounge", "xx", ""},
		{"y.aliases", "attic", "why", ""},
		{"x.aliases", "lounge", "why", ""},
		{"x.aliases", "", "ex,why", "why is an alias of y of x already"},
		{"x.aliases", "", "ex", ""},
	} {
		_, err := router.Configure(t.Context(), channel.Bus, store, registered, router.Setting{Plugin: "x", Key: c.key, Channel: c.channel, Text: c.value})
		if got := fmt.Sprint(err); c.want == "" && err != nil || c.want != "" && !strings.HasPrefix(got, c.want) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}
