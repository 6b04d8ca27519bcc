package cmd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rosey-bot/rosey/cytube/cytubetest"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// What is asked of a channel has an outcome, which the exit code says.
func TestChannelAbilities(t *testing.T) {
	t.Parallel()
	streamstest.Slow(t, "a bot of its own")
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
	emotes := filepath.Join(t.TempDir(), "emotes.json")
	if err := os.WriteFile(emotes, []byte(`{"emotes":[{"name":":z:","image":"https://example.org/z.png"}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		args         []string
		code         int
		stdout, said string
	}{
		{[]string{"queue", "https://youtu.be/dQw4w9WgXcQ?si=x", "https://vimeo.com/76979871", "--for", "alice"}, exitOK, "done", ""},
		{[]string{"queue", "https://vimeo.com/76979871"}, exitOK, "already: This item is already on the playlist", ""},
		{[]string{"queue", "https://example.org/page", "https://vimeo.com/76979872"}, exitFailed, "https://vimeo.com/76979872: done", ""},
		{[]string{"queue", "https://example.org/page"}, exitFailed, "refused (INVALID_INPUT): ", ""},
		{[]string{"show", "playlist"}, exitOK, "\n       1  ", ""},
		{[]string{"skip", "--output", "json"}, exitOK, `"status":"done"`, ""},
		{[]string{"delete", "99"}, exitFailed, "refused (RECORD_NOT_FOUND): there is no item 99", ""},
		{[]string{"delete", "first"}, exitUsage, "", "rosey channel show playlist shows them"},
		{[]string{"kick", "nobody"}, exitFailed, "nobody is not in the channel", ""},
		{[]string{"kick"}, exitUsage, "", "call it as rosey channel kick USER"},
		{[]string{"poll", "open", "Pizza?", "yes", "no"}, exitOK, "done", ""},
		{[]string{"poll", "vote", "2"}, exitOK, "done", ""},
		{[]string{"poll", "vote", "7"}, exitFailed, "the poll has only 2 options  ", ""},
		{[]string{"poll", "close"}, exitOK, "done", ""},
		{[]string{"motd", "<b>hi</b>"}, exitOK, "done", ""},
		{[]string{"motd", "<b>hi</b>"}, exitOK, "already", ""},
		{[]string{"options", "allow_voteskip=false"}, exitOK, "done", ""},
		{[]string{"options", "no_such=1"}, exitFailed, `no option "no_such"`, ""},
		{[]string{"options", "novalue"}, exitUsage, "", "is not NAME=VALUE"},
		{[]string{"emote", "add", ":x:", "https://example.org/x.png"}, exitOK, "done", ""},
		{[]string{"emote", "rename", ":x:", ":y:"}, exitOK, "done", ""},
		{[]string{"emote", "import", emotes}, exitUsage, "", "the emotes of lounge will be replaced by 1 emote: repeat it with --yes"},
		{[]string{"emote", "import", emotes, "--yes"}, exitOK, "done", ""},
		{[]string{"emote", "import", emotes, "--yes"}, exitOK, "already", ""},
		{[]string{"filter", "import", emotes, "--yes"}, exitUsage, "", `it must be a JSON list of filters, or an object that has one as "filters"`},
		{[]string{"clear"}, exitUsage, "", "the whole playlist of lounge will be gone: repeat it with --yes"},
		{[]string{"clear", "--yes"}, exitOK, "done", ""},
		{[]string{"skip", "--channel", "elsewhere"}, exitFailed, "", `not in a channel "elsewhere"`},
	} {
		r := rosey(t, "", append(append([]string{"channel"}, step.args...), "--store", store)...)
		if r.code != step.code || !strings.Contains(r.stdout, step.stdout) || !strings.Contains(r.stderr, step.said) {
			t.Errorf("%q: exit code %d, want %d with %q%q\n%s%s", step.args, r.code, step.code, step.stdout, step.said, r.stdout, r.stderr)
		}
	}
}
