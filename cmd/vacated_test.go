//go:build unix

package cmd

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// What waits for a channel that the settings have no more is recorded as refused, what
// waits for one that they have is said, and nothing is left of the former list.
func TestSettingsLoseAChannel(t *testing.T) {
	streamstest.Slow(t, "restarts a bot")
	t.Parallel()
	r := openRooms(t, "one", "two")
	store := filepath.Join(t.TempDir(), "store")
	several := "site: %s\nuser: rosey\nchannels:\n  - {channel: one, rate: {burst: 1, per_second: %s}}\n  - {channel: two, rate: {burst: 1, per_second: 0.01}}\n"
	run := func(config string) *process {
		t.Helper()
		bot := startWith(t, []string{"ROSEY_PASSWORD=secret"}, "run", "--config", config, "--store", store)
		if err := r.site.WaitUser(r.ctx, "one", "rosey"); err != nil {
			t.Fatalf("%v\n%s", err, bot.stderr.String())
		}
		return bot
	}
	send := func(room, text string) {
		expect(t, []outcome{{[]string{"send", "--channel", room, text}, 0, ""}}, "--store", store)
	}
	stop := func(bot *process) {
		t.Helper()
		if code := bot.interrupt(); code != 0 {
			t.Errorf("exit code %d\n%s", code, bot.stderr.String())
		}
		if err := r.site.WaitGone(r.ctx, "one", "rosey"); err != nil {
			t.Fatal(err)
		}
	}
	bot := run(settingsFileWith(t, several, r.site.URL(), "0.01"))
	if err := r.site.WaitUser(r.ctx, "two", "rosey"); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		send("one", fmt.Sprint("one ", i))
		send("two", fmt.Sprint("two ", i))
	}
	r.hear("one", "^one 0$")
	r.hear("two", "^two 0$")
	if err := until(r.ctx, func() bool { return strings.Count(replayed(t, store), `"subject":"cytube.outbox.`) == 6 }); err != nil {
		t.Fatal(err)
	}
	stop(bot)

	bot = run(settingsFileWith(t, "site: %s\nuser: rosey\nchannel: one\n", r.site.URL()))
	r.hear("one", "^one 2$")
	awaitVacated(r, store, bot)
	if _, lines := diagnose(t, "--store", store); !has(lines, "consumers ok") {
		t.Errorf("doctor: %q", lines)
	}
	stop(bot)

	bot = run(settingsFileWith(t, several, r.site.URL(), "5"))
	if err := r.site.WaitUser(r.ctx, "two", "rosey"); err != nil {
		t.Fatal(err)
	}
	send("one", "one again")
	send("two", "two again")
	r.hear("one", "^one again$")
	r.hear("two", "^two again$")
	stop(bot)
	if got := fmt.Sprint(r.said("one"), r.said("two")); got != "[one 0 one 1 one 2 one again] [two 0 two again]" {
		t.Errorf("said %s", got)
	}
	if n := strings.Count(replayed(t, store), `"subject":"cytube.delivery"`); n != 2 {
		t.Errorf("%d sends are recorded as not heard", n)
	}
}

// awaitVacated waits until two sends are refused and no channel's outbox is left.
func awaitVacated(r *rooms, store string, bot *process) {
	r.t.Helper()
	refusals := func() int { return strings.Count(replayed(r.t, store), `"status":"refused"`) }
	cytube, err := busOf(r.t, store).JetStream().Stream(r.ctx, streams.Cytube)
	if err != nil {
		r.t.Fatal(err)
	}
	durables := func() (names []string) {
		for name := range cytube.ConsumerNames(r.ctx).Name() {
			if strings.HasPrefix(name, "cytube-sender-") {
				names = append(names, name)
			}
		}
		return names
	}
	if err := until(r.ctx, func() bool { return refusals() == 2 && len(durables()) == 0 }); err != nil {
		r.t.Fatalf("%d sends are refused, and there are still %q\n%s", refusals(), durables(), bot.stderr.String())
	}
}

// On a server that others share, what waits for another's channel is left alone while
// a bot is in it.
func TestOthersChannelsAreNotLeft(t *testing.T) {
	streamstest.Slow(t, "runs two bots")
	t.Parallel()
	server := externalServer(t)
	r := openRooms(t, "one", "two")
	run := func(room string) *process {
		t.Helper()
		config := settingsFileWith(t, "site: %s\nuser: rosey\nnats: %s\nlease_term: 2s\nchannels: [{channel: %s}]\n", r.site.URL(), server, room)
		bot := startWith(t, []string{"ROSEY_PASSWORD=secret"}, "run", "--config", config, "--log-level", "info")
		if err := r.site.WaitUser(r.ctx, room, "rosey"); err != nil {
			t.Fatalf("%v\n%s", err, bot.stderr.String())
		}
		return bot
	}
	two := run("two")
	one := run("one")
	js := dial(t, server)
	there := func(room string) {
		t.Helper()
		if _, err := js.Consumer(t.Context(), streams.Cytube, "cytube-sender-"+room); err != nil {
			t.Errorf("what waits for %s: %v", room, err)
		}
	}
	for i, room := range []string{"two", "one"} {
		r.say(room, fmt.Sprintf("!roll d6+%d", i))
		r.hear(room, fmt.Sprintf(`Rolled d6\+%d:`, i))
	}
	there("one")
	there("two")
	// Nor when it has just left: it may be on its way back.
	if code := two.interrupt(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if code := one.interrupt(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	there("two")
	run("one")
	r.say("one", "!roll d6+3")
	r.hear("one", `Rolled d6\+3:`)
	there("two")
}
