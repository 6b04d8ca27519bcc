package cmd

import (
	"strings"
	"testing"

	"github.com/rosey-bot/rosey/streams/streamstest"
)

// The changes of a part are printed, also of a bot that is stopped.
func TestChannelLog(t *testing.T) {
	t.Parallel()
	streamstest.Slow(t, "a bot of its own")
	store := t.TempDir()
	if r := rosey(t, "alice: hello\n", "run", "--local", "--store", store); r.code != 0 {
		t.Fatal(r.stderr)
	}
	r := rosey(t, "", "channel", "log", "users", "--store", store)
	if r.code != 0 || !strings.Contains(r.stdout, "alice           joins") || strings.Contains(r.stdout, "hello") {
		t.Errorf("exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	if r := rosey(t, "", "channel", "log", "guests", "--store", store); r.code != exitUsage || !strings.Contains(r.stderr, `no part "guests": its parts are bans, css,`) {
		t.Errorf("exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
}

// A channel is shown as it is and was, and what is different since, of a bot that is
// stopped.
func TestChannelShow(t *testing.T) {
	t.Parallel()
	streamstest.Slow(t, "a bot of its own")
	store := t.TempDir()
	if r := rosey(t, "alice: hello\n", "run", "--local", "--store", store); r.code != 0 {
		t.Fatal(r.stderr)
	}
	expect(t, []outcome{
		{[]string{"channel", "show"}, 0, "users: "},
		{[]string{"channel", "show", "users"}, 0, "alice                 rank"},
		{[]string{"channel", "show", "users", "motd", "--output", "json"}, 0, `"users":[{"name":"`},
		{[]string{"channel", "show", "--at", "2d"}, 1, "nothing is known of channel"},
		{[]string{"channel", "show", "--at", "in 2 hours"}, 2, "--at"},
		{[]string{"channel", "show", "guests"}, 2, `no part "guests"`},
		{[]string{"channel", "diff", "now"}, 0, "no difference"},
		{[]string{"channel", "diff"}, 2, "give one time or two"},
	}, "--store", store)
}
