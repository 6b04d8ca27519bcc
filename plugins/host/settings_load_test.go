package host_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rosey-bot/rosey/consumers/pluginsettings"
	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/plugins/plugintest"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// twins are settings that are always set alike, at once.
type twins struct {
	Left  int `json:"left" default:"0" min:"0" max:"100000"`
	Right int `json:"right" default:"0" min:"0" max:"100000"`
}

// handled is what a command of underLoad emits.
type handled struct {
	Left, Right int
	Of          event.Ref
}

// underLoad returns a plugin whose commands emit the settings that they were handled with.
func underLoad(commands ...string) plugins.Plugin {
	p := plugin(nil)
	p.Settings, p.Concurrent, p.Commands = twins{}, true, nil
	for _, name := range commands {
		p.Commands = append(p.Commands, plugins.Command{Name: name, Handle: func(c *plugins.Context) ([]event.Envelope, error) {
			s := plugins.SettingsOf[twins](c)
			return c.Emit("handled", map[string]any{"left": s.Left, "right": s.Right, "of": c.Event.Ref}), nil
		}})
	}
	return p
}

// toggle changes, for each tick, two settings of the plugin x and two that all its commands have,
// all four at once, as another process does. It returns how often.
func toggle(t *testing.T, channel *plugintest.Channel, ticks <-chan struct{}) (changes int) {
	ctx := streamstest.Context(t)
	store, err := pluginsettings.Open(ctx, channel.Bus.JetStream(), 1)
	if err != nil {
		t.Error(err)
		return 0
	}
	for range ticks {
		changes++
		n, timeout, answers := fmt.Sprint(changes), "10", "as asked"
		if changes%2 == 0 {
			timeout, answers = "20", "pm"
		}
		quoted, _ := json.Marshal(answers)
		_, err = store.Apply(ctx, channel.Bus, pluginsettings.Update{Plugin: "x", By: "test", Values: map[string]json.RawMessage{
			"left": json.RawMessage(n), "right": json.RawMessage(n), "timeout": json.RawMessage(timeout), "answers": quoted,
		}})
		if err != nil {
			t.Error(err)
		}
	}
	return changes
}

// outcomes returns what came of each line, in the order in which a command was typed: "+" for
// handled, else the reason of its refusal. It checks that only one thing came of each, and that
// the settings of each command held together.
func outcomes(t *testing.T, channel *plugintest.Channel, lines map[string][]event.Ref) map[string]string {
	t.Helper()
	of, commands, values := map[event.Ref][]string{}, map[event.Ref]event.Ref{}, map[int]bool{}
	for _, s := range channel.Stored(event.CommandSubject("x")) {
		command, err := event.As[event.Command](s.Envelope)
		if timeout := fmt.Sprint(s.Metadata[event.MetaTimeout]); err != nil || command.Private != (timeout == "20") {
			t.Errorf("private %t with a timeout of %s: %v", command.Private, timeout, err)
		}
		commands[s.Ref], _ = s.Causation()
	}
	for _, s := range channel.Stored("plugin.x.event.handled") {
		var h handled
		if err := json.Unmarshal(s.Data, &h); err != nil || h.Left != h.Right {
			t.Errorf("handled with %+v: %v", h, err)
		}
		of[commands[h.Of]], values[h.Left] = append(of[commands[h.Of]], "+"), true
	}
	for _, s := range channel.Stored("plugin.x.event.denied") {
		denied, err := event.As[event.Denied](s.Envelope)
		line, ok := s.Causation()
		if err != nil || !ok {
			t.Fatalf("%+v: %v", s, err)
		}
		of[line] = append(of[line], fmt.Sprint(denied.Details["reason"]))
	}
	all := map[string]string{}
	for command, refs := range lines {
		for _, ref := range refs {
			if len(of[ref]) != 1 {
				t.Errorf("!%s, %s: %q came of it", command, ref, of[ref])
			}
			all[command] += strings.Join(of[ref], "&") + " "
		}
	}
	if len(values) < 2 {
		t.Errorf("all commands were handled with the same settings")
	}
	return all
}

// While settings change, and a cooldown, a switch of the channel and a grant are set and taken
// away, each command is handled once or refused once with its reason, with settings that held
// together.
func TestSettingsChangeUnderLoad(t *testing.T) {
	t.Parallel()
	streamstest.Slow(t, "runs under load")
	const rounds = 100
	channel := plugintest.Run(t, underLoad("cools", "switched", "granted"))
	grants, err := router.OpenGrants(streamstest.Context(t), channel.Bus.JetStream(), 1)
	if err != nil {
		t.Fatal(err)
	}
	channel.Set("x", "granted.min_rank", "3")
	ticks, changes := make(chan struct{}, 1), 0
	var changing, setting sync.WaitGroup
	changing.Go(func() { changes = toggle(t, channel, ticks) })
	set := func() {
		channel.Set("x", "cools.cooldown_channel", "1h")
		channel.Set("x", "switched.enabled", "off")
		channel.Grant("alice", "x.granted", time.Hour)
	}
	unset := func() {
		channel.Set("x", "cools.cooldown_channel", "0")
		channel.Set("x", "switched.enabled", "on")
		if err := grants.Revoke(t.Context(), channel.Bus, "alice", router.Grant{Right: "x.granted", Channel: plugintest.ChannelName}); err != nil {
			t.Error(err)
		}
	}
	began, lines := time.Now(), map[string][]event.Ref{}
	for i := range rounds {
		switch i {
		case rounds / 5, 3 * rounds / 5:
			channel.Settle("x") // what was typed before is handled before
			setting.Go(map[int]func(){rounds / 5: set, 3 * rounds / 5: unset}[i])
		case 2 * rounds / 5, 4 * rounds / 5:
			setting.Wait() // what is typed from here on knows it
		}
		for command, user := range map[string]string{"cools": fmt.Sprint("user", i%20), "switched": "bob", "granted": "alice"} {
			lines[command] = append(lines[command], channel.Type(user, 1, "!"+command))
		}
		select {
		case ticks <- struct{}{}:
		default: // it still changes
		}
	}
	channel.Settle("x")
	took := time.Since(began)
	close(ticks)
	changing.Wait()
	got := outcomes(t, channel, lines)
	expectPhases(t, "cools", got, "+", "cooldown", "+")
	expectPhases(t, "switched", got, "+", "disabled", "+")
	expectPhases(t, "granted", got, "rank", "+", "rank")
	t.Logf("%d commands in %s, %.0f a second, beside %d changes of four settings at once", 3*rounds, took.Round(time.Millisecond), 3*rounds/took.Seconds(), changes)
}

// expectPhases checks what came of a command, one outcome after the other without repeats.
func expectPhases(t *testing.T, command string, outcomes map[string]string, want ...string) {
	t.Helper()
	all := strings.Fields(outcomes[command])
	if phases := slices.Compact(slices.Clone(all)); !slices.Equal(phases, want) {
		t.Errorf("what came of !%s changed like %v, want %v", command, phases, want)
	}
	t.Logf("!%s: %d outcomes", command, len(all))
}
