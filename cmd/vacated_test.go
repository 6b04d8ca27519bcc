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

// vacation is a bot that is started with settings of one channel or of two.
type vacation struct {
	*channels
	store string
	bot   *process
}

// run starts the bot with a settings file, and waits until it is in the channels.
func (v *vacation) run(config string, channels ...string) {
	v.t.Helper()
	v.bot = startWith(v.t, []string{"ROSEY_PASSWORD=secret"}, "run", "--config", config, "--store", v.store)
	for _, name := range channels {
		if err := v.site.WaitUser(v.ctx, name, "rosey"); err != nil {
			v.t.Fatalf("%v\n%s", err, v.bot.stderr.String())
		}
	}
}

func (v *vacation) send(channel, text string) {
	v.t.Helper()
	expect(v.t, []outcome{{[]string{"send", "--channel", channel, text}, 0, ""}}, "--store", v.store)
}

func (v *vacation) stop() {
	v.t.Helper()
	if code := v.bot.interrupt(); code != 0 {
		v.t.Errorf("exit code %d\n%s", code, v.bot.stderr.String())
	}
	if err := v.site.WaitGone(v.ctx, "one", "rosey"); err != nil {
		v.t.Fatal(err)
	}
}

// recorded counts the events that a replay shows with a text.
func (v *vacation) recorded(text string) int { return strings.Count(replayed(v.t, v.store), text) }

// What waits for a channel that the settings have no more is recorded as refused, what
// waits for one that they have is said, and nothing is left of the former list.
func TestSettingsLoseAChannel(t *testing.T) {
	streamstest.Slow(t, "restarts a bot")
	t.Parallel()
	v := &vacation{channels: openChannels(t, "one", "two"), store: filepath.Join(t.TempDir(), "store")}
	several := "site: %s\nuser: rosey\nchannels:\n  - {channel: one, rate: {burst: 1, per_second: %s}}\n  - {channel: two, rate: {burst: 1, per_second: 0.01}}\n"
	v.run(settingsFileWith(t, several, v.site.URL(), "0.01"), "one", "two")
	for i := range 3 {
		v.send("one", fmt.Sprint("one ", i))
		v.send("two", fmt.Sprint("two ", i))
	}
	v.hear("one", "^one 0$")
	v.hear("two", "^two 0$")
	v.stop()

	v.run(settingsFileWith(t, "site: %s\nuser: rosey\nchannel: one\n", v.site.URL()), "one")
	v.hear("one", "^one 2$")
	v.awaitVacated()
	if _, lines := diagnose(t, "--store", v.store); !has(lines, "consumers ok") {
		t.Errorf("doctor: %q", lines)
	}
	v.stop()

	v.run(settingsFileWith(t, several, v.site.URL(), "5"), "one", "two")
	v.send("one", "one again")
	v.send("two", "two again")
	v.hear("one", "^one again$")
	v.hear("two", "^two again$")
	v.stop()
	if got := fmt.Sprint(v.said("one"), v.said("two")); got != "[one 0 one 1 one 2 one again] [two 0 two again]" {
		t.Errorf("said %s", got)
	}
	if n := v.recorded(`"subject":"cytube.delivery"`); n != 2 {
		t.Errorf("%d sends are recorded as not heard", n)
	}
}

// awaitVacated waits until two sends are refused and no channel has a consumer of its own.
func (v *vacation) awaitVacated() {
	v.t.Helper()
	refusals := func() int { return v.recorded(`"status":"refused"`) }
	cytube, err := busOf(v.t, v.store).JetStream().Stream(v.ctx, streams.Cytube)
	if err != nil {
		v.t.Fatal(err)
	}
	durables := func() (names []string) {
		for name := range cytube.ConsumerNames(v.ctx).Name() {
			if strings.HasPrefix(name, "cytube-sender-") {
				names = append(names, name)
			}
		}
		return names
	}
	if err := until(v.ctx, func() bool { return refusals() == 2 && len(durables()) == 0 }); err != nil {
		v.t.Fatalf("%d sends are refused, and there are still %q\n%s", refusals(), durables(), v.bot.stderr.String())
	}
}

// On a shared server, sends to a channel that another bot is in stay in its outbox.
func TestOthersChannelsAreNotLeft(t *testing.T) {
	streamstest.Slow(t, "runs two bots")
	t.Parallel()
	server := externalServer(t)
	r := openChannels(t, "one", "two")
	run := func(channel string) *process {
		t.Helper()
		config := settingsFileWith(t, "site: %s\nuser: rosey\nnats: %s\nlease_term: 2s\nchannels: [{channel: %s}]\n", r.site.URL(), server, channel)
		bot := startWith(t, []string{"ROSEY_PASSWORD=secret"}, "run", "--config", config, "--log-level", "info")
		if err := r.site.WaitUser(r.ctx, channel, "rosey"); err != nil {
			t.Fatalf("%v\n%s", err, bot.stderr.String())
		}
		return bot
	}
	two := run("two")
	one := run("one")
	js := dial(t, server)
	there := func(channel string) {
		t.Helper()
		if _, err := js.Consumer(t.Context(), streams.Cytube, "cytube-sender-"+channel); err != nil {
			t.Errorf("outbox of %s: %v", channel, err)
		}
	}
	for i, channel := range []string{"two", "one"} {
		r.say(channel, fmt.Sprintf("!roll d6+%d", i))
		r.hear(channel, fmt.Sprintf(`Rolled d6\+%d:`, i))
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
