package cmd

import (
	"regexp"
	"strings"
	"testing"
)

func TestLocalRoomThroughAPipe(t *testing.T) {
	t.Parallel()
	r := rosey(t, "!roll 2d6+3\nalice: !roll banana\n!nonsense\nhello\n", "run", "--local", "--store", t.TempDir())
	if r.code != 0 {
		t.Fatalf("exit code %d\n%s", r.code, r.stderr)
	}
	for _, want := range []string{
		`(?m)^operator: !roll 2d6\+3$`, `(?m)^rosey: 🎲 Rolled 2d6\+3: \[\d, \d\] \+ 3 = \d+$`,
		`(?m)^alice: !roll banana$`, `(?m)^rosey: ❌ I cannot read "banana"`, `(?m)^operator: hello$`,
	} {
		if !regexp.MustCompile(want).MatchString(r.stdout) {
			t.Errorf("%s is not in the output:\n%s", want, r.stdout)
		}
	}
	if n := strings.Count(r.stdout, "\n"); n != 6 {
		t.Errorf("%d lines, want the 4 that were typed and 2 answers:\n%s", n, r.stdout)
	}
}

// Killed in mid-conversation, the bot loses nothing that it had stored, and goes
// on where it was.
func TestKillLosesNothing(t *testing.T) {
	t.Parallel()
	store := t.TempDir()
	p := start(t, "run", "--local", "--store", store)
	p.say("!roll 1d6")
	p.expect("^rosey: 🎲")
	p.say("remember me")
	p.expect("^operator: remember me")
	waitStored(t, store, "remember me")
	p.kill()
	r := rosey(t, "!roll 2d6\n", "run", "--local", "--store", store)
	if r.code != 0 || !strings.Contains(r.stdout, "Rolled 2d6") {
		t.Fatalf("after the kill: exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	said := replayed(t, store)
	for _, want := range []string{"!roll 1d6", "remember me", "!roll 2d6", "Rolled d6", "Rolled 2d6"} {
		if strings.Count(said, want) == 0 {
			t.Errorf("%q is not in the replay:\n%s", want, said)
		}
	}
}

func replayed(t *testing.T, store string) string {
	t.Helper()
	r := rosey(t, "", "replay", "--since", "1h", "--output", "json", "--store", store)
	if r.code != 0 {
		t.Fatalf("replay: exit code %d\n%s", r.code, r.stderr)
	}
	return r.stdout
}

// waitStored waits until an event with a text is stored.
func waitStored(t *testing.T, store, text string) {
	t.Helper()
	if err := until(soon(t), func() bool { return strings.Contains(replayed(t, store), text) }); err != nil {
		t.Fatalf("%q was not stored", text)
	}
}
