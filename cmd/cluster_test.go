//go:build unix

package cmd

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rosey-bot/rosey/streams/streamstest"
)

// externalServer is a NATS server and its URL, with the password in it.
func externalServer(t *testing.T) string {
	t.Helper()
	info := streamstest.Server(t).Info()
	u, err := url.Parse(info.URL)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(info.User, info.Password)
	return u.String()
}

// Two bots on one server share their channels: each is in a channel only while
// the other is not, one that is killed is followed, and one that is stopped
// hands over at once.
func TestTwoBots(t *testing.T) {
	streamstest.Slow(t, "runs two bots")
	t.Parallel()
	server := externalServer(t)
	r := openChannels(t, "one", "two")
	config := settingsFileWith(t, "site: %s\nuser: rosey\nnats: %s\nlease_term: 5s\nchannels:\n  - channel: one\n  - channel: two\n", r.site.URL(), server)
	env := []string{"ROSEY_PASSWORD=secret"}
	run := func() *process { return startWith(t, env, "run", "--config", config, "--log-level", "info") }
	n := 0
	// Everybody gets every answer once, whoever is in the channel.
	answered := func() {
		t.Helper()
		for _, channel := range []string{"one", "two"} {
			n++
			r.say(channel, fmt.Sprintf("!roll d6+%d", n))
			r.hear(channel, fmt.Sprintf(`Rolled d6\+%d:`, n))
		}
	}
	first := run()
	for _, channel := range []string{"one", "two"} {
		if err := r.site.WaitUser(r.ctx, channel, "rosey"); err != nil {
			t.Fatalf("%v\n%s", err, first.stderr.String())
		}
	}
	answered()
	second := run()
	heldByFirst(t, awaitBots(r, config, 2), first)
	expectBothNamed(t, r, config)
	answered()
	first.kill()
	for _, channel := range []string{"one", "two"} { // the channel must see the dead one go
		n++
		r.say(channel, fmt.Sprintf("!roll d6+%d", n))
		r.hear(channel, fmt.Sprintf(`Rolled d6\+%d:`, n))
	}
	third := run()
	awaitBots(r, config, 2)
	stopping := time.Now()
	if code := second.interrupt(); code != 0 {
		t.Errorf("exit code %d\n%s", code, second.stderr.String())
	}
	soon := time.Since(stopping) < 2*time.Second // and not after its lease was over anyway
	answered()
	if soon && strings.Contains(third.stderr.String(), "was not heard of for its term") {
		t.Errorf("the third bot waited for the end of a lease that was given up\n%s\n%s", second.stderr.String(), third.stderr.String())
	}
	if code := third.interrupt(); code != 0 {
		t.Errorf("exit code %d\n%s", code, third.stderr.String())
	}
	eachOnce(r, "one", "two")
}

// awaitBots waits until so many bots share the channels, and are ready.
func awaitBots(r *channels, config string, want int) (s fullStatus) {
	r.t.Helper()
	if err := until(r.ctx, func() bool {
		s = fullStatus{}
		got := rosey(r.t, "", "status", "--config", config, "--output", "json")
		return json.Unmarshal([]byte(got.stdout), &s) == nil && s.Ready == (got.code == 0) && s.Ready && len(s.Bots) == want
	}); err != nil {
		r.t.Fatalf("status: %+v", s)
	}
	return s
}

// expectBothNamed expects that status and doctor name both bots, of which one may answer too
// late on a busy machine.
func expectBothNamed(t *testing.T, r *channels, config string) {
	t.Helper()
	var text string
	if err := until(r.ctx, func() bool {
		text = rosey(t, "", "status", "--config", config).stdout
		return strings.Contains(text, "ready: 2 bots share 2 channels") && strings.Contains(text, "stands by for ")
	}); err != nil {
		t.Errorf("status:\n%s", text)
	}
	var lines []string
	if err := until(r.ctx, func() bool {
		_, lines = diagnose(t, "--config", config)
		return strings.Count(strings.Join(lines, "\n"), "bot ok: pid ") == 2
	}); err != nil {
		t.Errorf("doctor does not name both bots: %q", lines)
	}
}

// heldByFirst compares who is in the channels: the bot that came first.
func heldByFirst(t *testing.T, s fullStatus, first *process) {
	t.Helper()
	holders := map[string]int{}
	for _, b := range s.Bots {
		for _, c := range b.Channels {
			if c.Connected {
				holders[c.Channel] = b.PID
			} else if !strings.HasSuffix(c.Holder, fmt.Sprintf("pid %d", first.cmd.Process.Pid)) {
				t.Errorf("%s is held by %q", c.Channel, c.Holder)
			}
		}
	}
	if pid := first.cmd.Process.Pid; holders["one"] != pid || holders["two"] != pid {
		t.Errorf("in the channels are %v, not the bot that came first", holders)
	}
}

// eachOnce compares how often the bots said each line in each channel.
func eachOnce(r *channels, names ...string) {
	r.t.Helper()
	for _, channel := range names {
		seen := map[string]bool{}
		for _, text := range r.said(channel) {
			if seen[text] {
				r.t.Errorf("in %s more than once: %q", channel, text)
			}
			seen[text] = true
		}
	}
}

// A bot that is stopped for longer than its lease's term says nothing when it
// goes on: another is in the channel.
func TestSuspendedBotIsSilent(t *testing.T) {
	streamstest.Slow(t, "waits for a lease to end")
	t.Parallel()
	server := externalServer(t)
	r := openChannels(t, "one")
	config := settingsFileWith(t, "site: %s\nuser: rosey\nnats: %s\nlease_term: 2s\nchannel: one\n", r.site.URL(), server)
	env := []string{"ROSEY_PASSWORD=secret"}
	first := startWith(t, env, "run", "--config", config, "--log-level", "info")
	if err := r.site.WaitUser(r.ctx, "one", "rosey"); err != nil {
		t.Fatalf("%v\n%s", err, first.stderr.String())
	}
	r.say("one", "!roll d6+1")
	r.hear("one", `Rolled d6\+1:`)
	second := startWith(t, env, "run", "--config", config, "--log-level", "info")
	if err := until(r.ctx, func() bool { return strings.Contains(second.stderr.String(), "rosey runs") }); err != nil {
		t.Fatal(err)
	}
	suspend(t, first)
	if err := until(r.ctx, func() bool { return strings.Contains(second.stderr.String(), "lease acquired") }); err != nil {
		t.Fatalf("%v\n%s", err, second.stderr.String())
	}
	for i := range 5 {
		r.say("one", fmt.Sprintf("!roll d6+1%d", i))
	}
	for i := range 5 {
		r.hear("one", fmt.Sprintf(`Rolled d6\+1%d:`, i))
	}
	before := len(r.said("one"))
	wake(t, first)
	if err := until(r.ctx, func() bool { return strings.Contains(first.stderr.String(), "lease lost") }); err != nil {
		t.Fatalf("%v\n%s", err, first.stderr.String())
	}
	r.say("one", "!roll d6+20")
	r.hear("one", `Rolled d6\+20:`)
	if err := until(r.ctx, func() bool { return len(r.said("one")) >= before+1 }); err != nil {
		t.Fatal(err)
	}
	if said := r.said("one"); len(said) != before+1 {
		t.Errorf("said %q", said[before:])
	}
}

// suspend stops a process where it is, as a machine that sleeps does.
func suspend(t *testing.T, p *process) {
	sendSignal(t, p, syscall.SIGSTOP)
	// The signal is on its way when kill returns.
	if err := until(soon(t), func() bool {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
		return err != nil || bytes.Contains(stat, []byte(") T "))
	}); err != nil {
		t.Fatal(err)
	}
}

// wake lets it go on.
func wake(t *testing.T, p *process) { sendSignal(t, p, syscall.SIGCONT) }

func sendSignal(t *testing.T, p *process, s syscall.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}
