package cmd

import (
	"strings"
	"testing"
)

// The changes of a part are printed, also of a bot that is stopped.
func TestChannelLog(t *testing.T) {
	t.Parallel()
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
