//go:build clock

package cmd

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rosey-bot/rosey/cytube/cytubetest"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

// A clock is how far the wall clock of a process that the test started is off. It
// takes the overlay of make clock-test, with which Go reads its time.
type clock struct {
	t    *testing.T
	file string
}

func newClock(t *testing.T) clock {
	t.Helper()
	c := clock{t, filepath.Join(t.TempDir(), "clock")}
	c.step(0)
	return c
}

// step sets the clock off by so much, from one moment to the next.
func (c clock) step(off time.Duration) {
	c.t.Helper()
	f, err := os.OpenFile(c.file, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		c.t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(binary.NativeEndian.AppendUint64(nil, uint64(off)), 0); err != nil {
		c.t.Fatal(err)
	}
}

func (c clock) env() []string { return []string{"ROSEY_PASSWORD=secret", "ROSEY_CLOCK=" + c.file} }

// steps are where the clock of a test's bot goes, one after the other.
var steps = []time.Duration{time.Hour, 0, -time.Hour, 0, 30 * 24 * time.Hour, -365 * 24 * time.Hour, 5 * time.Minute}

// The machine's clock jumps while the bot runs: every command is answered, once and
// without delay, also the one whose answer is on its way to the channel.
func TestOwnClock(t *testing.T) {
	t.Parallel()
	r, c, store := openChannels(t, "lobby"), newClock(t), t.TempDir()
	bot := startWith(t, c.env(), "run", "--site", r.site.URL(), "--channel", "lobby", "--user", "rosey", "--log-level", "info", "--store", store)
	if err := r.site.WaitUser(r.ctx, "lobby", "rosey"); err != nil {
		t.Fatalf("%v\n%s", err, bot.stderr.String())
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(bot.stderr.String())
		}
	})
	r.say("lobby", "!roll d6+1")
	r.hear("lobby", `Rolled d6\+1:`)
	longest := time.Duration(0)
	for i, off := range steps {
		r.site.Fail("lobby", "rosey", 1, cytubetest.FaultLost)
		r.say("lobby", fmt.Sprintf("!roll d6+%d", 100+i))
		lost := fmt.Sprintf("Rolled d6+%d:", 100+i)
		if _, err := r.site.WaitReceived(r.ctx, func(f cytubetest.Frame) bool { return f.User == "rosey" && strings.Contains(f.Data, lost) }); err != nil {
			t.Fatal(err)
		}
		c.step(off)
		began := time.Now()
		r.say("lobby", fmt.Sprintf("!roll d6+%d", 200+i))
		r.hear("lobby", fmt.Sprintf(`Rolled d6\+%d:`, 100+i))
		r.hear("lobby", fmt.Sprintf(`Rolled d6\+%d:`, 200+i))
		longest = max(longest, time.Since(began))
		if got := roseyWith(t, c.env(), "", "db", "set", "quotes", `{"text":"x"}`, "--store", store); got.code != 0 {
			t.Errorf("db set: %+v", got)
		}
	}
	if year := time.Now().Add(-365 * 24 * time.Hour).UTC().Format("time=2006-01-02T"); !strings.Contains(bot.stderr.String(), year) {
		t.Error("the bot's clock was not set: run make clock-test")
	}
	bus, seen := busOf(t, store), map[string]int{}
	s := siege{channels: r, store: store, bot: bot, bus: bus}
	for _, text := range r.said("lobby") {
		seen[text]++
	}
	if len(seen) != 1+2*len(steps) {
		t.Errorf("said %d lines, want %d", len(seen), 1+2*len(steps))
	}
	for text, n := range seen {
		if n != 1 {
			t.Errorf("said %d times: %s", n, text)
		}
	}
	given := s.stored(event.SubjectDelivery, func(streams.Stored) bool { return true })
	if given > 0 {
		t.Errorf("%d sends were given up", given)
	}
	if n := s.stored(event.SubjectClock, func(streams.Stored) bool { return true }); n != len(steps) {
		t.Errorf("%d steps of the clock are recorded, want %d", n, len(steps))
	}
	noNegativeDurations(t, c.env(), store)
	t.Logf("%d steps of the machine's clock, by up to a year: %d commands, half of them being answered at the step, each answered once, after %s at most (an echo is waited for 10 s)",
		len(steps), 2*len(steps), longest.Round(time.Millisecond))
}

// noNegativeDurations looks for durations below 0 in what replay prints.
func noNegativeDurations(t *testing.T, env []string, store string) {
	t.Helper()
	for _, args := range [][]string{{"replay", "--tree"}, {"replay", "--summary"}} {
		got := roseyWith(t, env, "", append(args, "--since", "800d", "--store", store)...)
		if negative := regexp.MustCompile(`(^|\s)-\d+(\.\d+)?\s?(ns|µs|us|ms|s|m|h)\b`).FindString(got.stdout); got.code != 0 || negative != "" {
			t.Errorf("%v: exit code %d, a negative duration %q", args, got.code, negative)
		}
	}
}

// A machine comes up again with its clock behind, as one without a battery does:
// what was being said when it went down is said soon, and not when the clock has
// caught up.
func TestOwnClockBehindAfterACrash(t *testing.T) {
	t.Parallel()
	r, c, store := openChannels(t, "lobby"), newClock(t), t.TempDir()
	run := func() *process {
		return startWith(t, c.env(), "run", "--site", r.site.URL(), "--channel", "lobby", "--user", "rosey", "--log-level", "info", "--store", store)
	}
	bot := run()
	if err := r.site.WaitUser(r.ctx, "lobby", "rosey"); err != nil {
		t.Fatalf("%v\n%s", err, bot.stderr.String())
	}
	r.site.Fail("lobby", "rosey", 1, cytubetest.FaultLost)
	r.say("lobby", "!roll d6+100")
	if _, err := r.site.WaitReceived(r.ctx, func(f cytubetest.Frame) bool {
		return f.User == "rosey" && strings.Contains(f.Data, "Rolled d6+100:")
	}); err != nil {
		t.Fatal(err)
	}
	bot.kill()
	if err := r.site.WaitGone(r.ctx, "lobby", "rosey"); err != nil {
		t.Fatal(err)
	}
	c.step(-time.Hour)
	r.say("lobby", "!roll d6+200")
	bot = run()
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(bot.stderr.String())
		}
	})
	began := time.Now()
	r.hear("lobby", `Rolled d6\+100:`)
	r.hear("lobby", `Rolled d6\+200:`)
	if said := r.said("lobby"); len(said) != 2 {
		t.Errorf("said %q", said)
	}
	t.Logf("killed while it spoke, and started with the clock an hour behind: said after %s, once", time.Since(began).Round(time.Millisecond))
}

// Leases go by time that passes and not by the clock: a step of either bot's makes
// none of them take or lose a channel.
func TestOwnClocksOfTwoBots(t *testing.T) {
	t.Parallel()
	server := externalServer(t)
	r := openChannels(t, "one")
	config := settingsFileWith(t, "site: %s\nuser: rosey\nnats: %s\nlease_term: 3s\nchannel: one\n", r.site.URL(), server)
	clocks := []clock{newClock(t), newClock(t)}
	first := startWith(t, clocks[0].env(), "run", "--config", config, "--log-level", "info")
	if err := r.site.WaitUser(r.ctx, "one", "rosey"); err != nil {
		t.Fatalf("%v\n%s", err, first.stderr.String())
	}
	second := startWith(t, clocks[1].env(), "run", "--config", config, "--log-level", "info")
	if err := until(r.ctx, func() bool { return strings.Contains(second.stderr.String(), "rosey runs") }); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, off := range steps {
		for _, c := range clocks {
			c.step(off)
			n++
			r.say("one", fmt.Sprintf("!roll d6+%d", n))
			r.hear("one", fmt.Sprintf(`Rolled d6\+%d:`, n))
		}
	}
	if strings.Contains(first.stderr.String(), "lease lost") || strings.Contains(second.stderr.String(), "lease acquired") {
		t.Errorf("the channel changed hands\n%s\n%s", first.stderr.String(), second.stderr.String())
	}
	first.kill()
	n++
	r.say("one", fmt.Sprintf("!roll d6+%d", n))
	r.hear("one", fmt.Sprintf(`Rolled d6\+%d:`, n))
	seen := map[string]bool{}
	for _, text := range r.said("one") {
		if seen[text] {
			t.Errorf("more than once: %q", text)
		}
		seen[text] = true
	}
	t.Logf("%d steps of two bots' clocks: one of them kept the channel; when it was killed, the other had it; %d commands answered, each once", 2*len(steps), n)
}
