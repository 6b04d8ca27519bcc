package cmd

import (
	"strings"
	"testing"
	"time"

	"github.com/rosey-bot/rosey/cytube/cytubetest"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// A part is planned, asked about and restored, and the command that undoes it is printed.
func TestChannelRestore(t *testing.T) {
	t.Parallel()
	site, err := cytubetest.Start(cytubetest.Config{
		Accounts: []cytubetest.Account{{Name: "rosey", Password: "secret"}},
		Channels: []cytubetest.Channel{{Name: "lounge", Ranks: map[string]float64{"rosey": 3}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(site.Close)
	store, ctx := t.TempDir(), streamstest.Context(t)
	bot := startWith(t, []string{"ROSEY_PASSWORD=secret"}, "run", "--store", store, "--site", site.URL(), "--channel", "lounge", "--user", "rosey")
	if err := site.WaitUser(ctx, "lounge", "rosey"); err != nil {
		t.Fatalf("%v\n%s", err, bot.stderr.String())
	}
	channel := func(args ...string) result {
		return rosey(t, "", append(append([]string{"channel"}, args...), "--store", store)...)
	}
	for _, args := range [][]string{{"motd", "tonight"}, {"emote", "add", ":x:", "https://example.org/x.png"}} {
		if r := channel(args...); r.code != exitOK {
			t.Fatal(r)
		}
	}
	at := time.Now().UTC().Format(time.RFC3339Nano)
	for _, args := range [][]string{{"motd", "wrecked"}, {"emote", "remove", ":x:"}} {
		if r := channel(args...); r.code != exitOK {
			t.Fatal(r)
		}
	}
	for _, step := range []struct {
		args         []string
		code         int
		stdout, said string
	}{
		{[]string{"restore", "motd"}, exitUsage, "", "give the time to go back to, such as --at 'yesterday 20:00'"},
		{[]string{"restore", "--at", at}, exitUsage, "", "name what to restore: permissions, options, motd"},
		{[]string{"restore", "users", "--at", at}, exitUsage, "", "users cannot be restored, only permissions"},
		{[]string{"restore", "moods", "--at", at}, exitUsage, "", `no part "moods"`},
		{[]string{"restore", "motd", "--at", "now"}, exitUsage, "", "give the time to go back to"},
		{[]string{"restore", "motd", "--at", "2d"}, exitFailed, "", "nothing is known of channel lounge at"},
		{[]string{"restore", "motd", "emotes", "--at", at, "--dry-run"}, exitOK, "~ motd: wrecked → tonight\n+ emotes :x:: https://example.org/x.png\n2 changes to lounge\n", ""},
		{[]string{"restore", "emotes", "--at", at, "--dry-run", "--output", "json"}, exitOK, `{"part":"emotes","op":"+","key":":x:"`, ""},
		{[]string{"restore", "motd", "--at", at}, exitUsage, "", "repeat it with --yes"},
		{[]string{"restore", "motd", "emotes", "--at", at, "--yes"}, exitOK, "undo it by: rosey channel restore motd emotes --channel lounge --at ", ""},
		{[]string{"restore", "emotes", "motd", "--at", at, "--yes"}, exitOK, "no difference", ""},
		{[]string{"show", "motd"}, exitOK, "tonight", ""},
	} {
		if r := channel(step.args...); r.code != step.code || !strings.Contains(r.stdout, step.stdout) || !strings.Contains(r.stderr, step.said) {
			t.Errorf("%q: exit code %d, want %d with %q%q\n%s%s", step.args, r.code, step.code, step.stdout, step.said, r.stdout, r.stderr)
		}
	}
}
