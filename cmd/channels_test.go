package cmd

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rosey-bot/rosey/cytube/cytubetest"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// channels are the channels of a site of a test, each with a user in it.
type channels struct {
	t     *testing.T
	ctx   context.Context
	site  *cytubetest.Server
	users map[string]*cytubetest.User
}

func openChannels(t *testing.T, names ...string) *channels {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*testPatience) // of many waits
	t.Cleanup(cancel)
	cfg := cytubetest.Config{Accounts: []cytubetest.Account{{Name: "rosey", Password: "secret"}}}
	for _, n := range names {
		cfg.Accounts = append(cfg.Accounts, cytubetest.Account{Name: "user-" + n, Password: "secret"})
		cfg.Channels = append(cfg.Channels, cytubetest.Channel{Name: n, Ranks: map[string]float64{"rosey": 2}})
	}
	site, err := cytubetest.Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(site.Close)
	r := &channels{t: t, ctx: ctx, site: site, users: map[string]*cytubetest.User{}}
	for _, n := range names {
		u, err := cytubetest.Join(ctx, site.URL(), n, "user-"+n, "secret")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(u.Close)
		r.users[n] = u
	}
	return r
}

// awaitUser waits for the bot to be in a channel.
func (r *channels) awaitUser(channel string, p *process) {
	r.t.Helper()
	if err := r.site.WaitUser(r.ctx, channel, "rosey"); err != nil {
		r.t.Fatalf("%v\n%s", err, p.stderr.String())
	}
}

// say says a line as the channel's user.
func (r *channels) say(channel, line string) {
	r.t.Helper()
	if err := r.users[channel].Say(r.ctx, line); err != nil {
		r.t.Fatal(err)
	}
}

// hear waits for the bot to say something in a channel that matches.
func (r *channels) hear(channel, pattern string) cytubetest.Line {
	r.t.Helper()
	re := regexp.MustCompile(pattern)
	l, err := r.site.WaitHeard(r.ctx, func(l cytubetest.Line) bool {
		return l.Channel == channel && l.User == "rosey" && re.MatchString(l.Text)
	})
	if err != nil {
		r.t.Fatalf("%s in %s: %v; heard %v", pattern, channel, err, r.said(channel))
	}
	return l
}

// said is what the bot said in a channel.
func (r *channels) said(channel string) (texts []string) {
	for _, l := range r.site.Heard() {
		if l.Channel == channel && l.User == "rosey" {
			texts = append(texts, l.Text)
		}
	}
	return texts
}

// settings writes a configuration file and returns its name.
func settingsFileWith(t *testing.T, text string, args ...any) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "rosey.yaml")
	if err := os.WriteFile(path, fmt.Appendf(nil, text, args...), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Each answer is heard once, in the channel of its command; games, countdowns and
// prefixes are each channel's own; and one channel that will not have the bot keeps it
// from no other.
func TestSeveralChannels(t *testing.T) {
	t.Parallel()
	names := []string{"one", "two", "three", "four", "five"}
	r := openChannels(t, names...)
	r.site.Ban("five", "rosey")
	store := t.TempDir()
	list := ""
	for _, n := range names {
		list += "  - channel: " + n + "\n"
		if n == "two" {
			list += "    prefix: \"?\"\n    rate: {burst: 5, per_second: 5}\n"
		}
	}
	config := settingsFileWith(t, "site: %s\nuser: rosey\nchannels:\n%s", r.site.URL(), list)
	p := startWith(t, []string{"ROSEY_PASSWORD=secret"}, "run", "--config", config, "--store", store)
	for _, n := range names[:4] {
		r.awaitUser(n, p)
	}
	r.rollEverywhere(map[string]string{"one": "!", "two": "?", "three": "!", "four": "!"})
	r.sendToSome(store)
	r.eachOnceInItsChannel(names)
	r.reportLostChannel(p, store)
	if _, lines := diagnose(t, "--config", config, "--store", store); !has(lines, "site ok: "+r.site.URL()+" has channel four") {
		t.Errorf("doctor: %q", lines)
	}
	if got := rosey(t, "", "replay", "--since", "1h", "--store", store).stdout; !regexp.MustCompile(`cytube\.chat +two  +\S`).MatchString(got) {
		t.Errorf("replay does not say which channel was spoken in:\n%s", got)
	}
	for _, command := range []string{"replay", "audit"} {
		got := rosey(t, "", command, "--since", "1h", "--channel", "two", "--store", store).stdout
		if !strings.Contains(got, "?roll d6+20") || strings.Contains(got, "!roll d6+10") {
			t.Errorf("%s --channel two:\n%s", command, got)
		}
	}
	if code := p.interrupt(); code != 0 {
		t.Errorf("exit code %d\n%s", code, p.stderr.String())
	}
}

// rollEverywhere types rolls, with each channel's prefix, and begins a game and a countdown
// in one channel each.
func (r *channels) rollEverywhere(prefix map[string]string) {
	r.t.Helper()
	const rolls = 5
	for i := range rolls {
		for channel, p := range prefix {
			r.say(channel, fmt.Sprintf("%sroll d6+%s%d", p, number(channel), i))
		}
	}
	r.say("two", "!roll d6+999") // not this room's prefix
	r.say("one", "!trivia start 3")
	r.say("three", "!countdown add movie 2h")
	r.hear("one", "^🧠 Trivia: 3 questions")
	r.hear("three", "^⏳ movie in 2h")
	r.say("one", "!countdown list")
	r.hear("one", "^⏳ There are no countdowns")
	r.say("three", "!trivia")
	r.hear("three", "^🧠 No game is on")
	r.say("three", "!countdown")
	r.hear("three", "^⏳ movie in ")
	r.say("one", "!trivia stop")
	r.hear("one", "^🏁 ")
	for channel := range prefix {
		for i := range rolls {
			r.hear(channel, fmt.Sprintf(`^🎲 Rolled d6\+%s%d: `, number(channel), i))
		}
	}
}

// sendToSome sends to a channel by name, to the first, and to one that there is not.
func (r *channels) sendToSome(store string) {
	r.t.Helper()
	expect(r.t, []outcome{{[]string{"send", "--channel", "four", "only for four"}, 0, ""}}, "--store", store)
	r.hear("four", "^only for four$")
	expect(r.t, []outcome{{[]string{"send", "for the first"}, 0, ""}}, "--store", store)
	r.hear("one", "^for the first$")
	expect(r.t, []outcome{{[]string{"send", "--channel", "six", "hello"}, 1, `not in a channel "six": its channels are one, two, three, four, five`}}, "--store", store)
}

// eachOnceInItsChannel compares what the bot said in each channel.
func (r *channels) eachOnceInItsChannel(names []string) {
	r.t.Helper()
	for _, channel := range names {
		seen := map[string]int{}
		for _, text := range r.said(channel) {
			if seen[text]++; seen[text] > 1 {
				r.t.Errorf("in %s more than once: %q", channel, text)
			}
			if m := regexp.MustCompile(`Rolled d6\+(\d)`).FindStringSubmatch(text); m != nil && m[1] != number(channel) {
				r.t.Errorf("in %s: %q", channel, text)
			}
		}
	}
	if got := len(r.said("five")); got > 0 {
		r.t.Errorf("said %d lines where it is banned", got)
	}
}

// reportLostChannel compares what the log and the status say of the channel that banned the bot.
func (r *channels) reportLostChannel(p *process, store string) {
	r.t.Helper()
	if err := until(r.ctx, func() bool { return strings.Contains(p.stderr.String(), "channel given up") }); err != nil {
		r.t.Errorf("no word about the ban:\n%s", p.stderr.String())
	}
	status := rosey(r.t, "", "status", "--output", "json", "--store", store)
	var s fullStatus
	if err := json.Unmarshal([]byte(status.stdout), &s); err != nil {
		r.t.Fatalf("%v: %+v", err, status)
	}
	if status.code != 1 || s.Ready || !strings.Contains(s.Problem, "banned") || len(s.Bot.Channels) != 5 {
		r.t.Errorf("status: exit code %d, %+v", status.code, s)
	}
	for _, c := range s.Bot.Channels {
		if c.Connected != (c.Channel != "five") || (c.Problem == "") != c.Connected {
			r.t.Errorf("status of %s: %+v", c.Channel, c)
		}
	}
	text := rosey(r.t, "", "status", "--store", store).stdout
	for _, want := range []string{`(?m)^ *two .* connected`, `(?m)^ *five .* NOT connected: .*banned`} {
		if !regexp.MustCompile(want).MatchString(text) {
			r.t.Errorf("%s is not in the status:\n%s", want, text)
		}
	}
}

// number is a channel's digit in the rolls of its user.
func number(channel string) string {
	return map[string]string{"one": "1", "two": "2", "three": "3", "four": "4"}[channel]
}

// A bot that no channel will have says why and ends.
func TestNoChannelIsLeft(t *testing.T) {
	t.Parallel()
	streamstest.Slow(t, "a bot of its own")
	r := openChannels(t, "one", "two")
	r.site.Ban("one", "rosey")
	r.site.Ban("two", "rosey")
	config := settingsFileWith(t, "site: %s\nuser: rosey\nchannels:\n  - channel: one\n  - channel: two\n", r.site.URL())
	got := roseyWith(t, []string{"ROSEY_PASSWORD=secret"}, "", "run", "--config", config, "--store", t.TempDir())
	for _, want := range []string{"no channel is left", "channel one: ", "channel two: "} {
		if got.code != 1 || !strings.Contains(got.stderr, want) {
			t.Errorf("exit code %d, without %q: %s", got.code, want, got.stderr)
		}
	}
}

func TestMistakesInChannels(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ file, want string }{
		{"channels: [{channel: a}, {channel: A}]", "A is listed twice; leave one of them out"},
		{"channels: [{channel: a}, {channel: a, site: 'https://other.example'}]", "events name the channel and not the site"},
		{"channels: [{channel: a}, {user: b}]", `number 2: "" is no channel`},
		{"channels: [{channel: 'no where'}]", `"no where" is no channel`},
		{"channel: b\nchannels: [{channel: a}]", "channel and channels do not go together"},
		{"channels: [{channel: a, prefix: ' '}]", `the prefix " " is empty`},
		{"channels: [{channel: a, message_limit: 5}]", "message_limit must be 20 or more"},
		{"channels: [{channel: a, rate: {burst: -1}}]", "a rate must not be below 0"},
		{"channels: [{channel: a, undelivered_pm: shout}]", `undelivered_pm must be drop, wait or chat, not "shout"`},
		{"channels: [{channel: a, colour: red}]", "colour"},
		{"channels: [{channel: a}]\njoins_per_second: 0", "joins_per_second must be above 0"},
	} {
		got := rosey(t, "", "run", "--config", settingsFileWith(t, "%s\n", c.file), "--store", t.TempDir())
		if got.code != 2 || !strings.Contains(got.stderr, c.want) {
			t.Errorf("%s: exit code %d, %s", c.file, got.code, got.stderr)
		}
	}
	got := rosey(t, "", "run", "--channel", "b", "--config", settingsFileWith(t, "channels: [{channel: a}]\n"), "--store", t.TempDir())
	if got.code != 2 || !strings.Contains(got.stderr, "leave out --channel") {
		t.Errorf("--channel beside channels: %+v", got)
	}
	// This --channel is no setting.
	got = rosey(t, "", "replay", "--channel", "b", "--config", settingsFileWith(t, "channels: [{channel: a}]\n"), "--store", t.TempDir())
	if got.code != 1 || !strings.Contains(got.stderr, "there is no store") {
		t.Errorf("replay of one of the channels: %+v", got)
	}
}
