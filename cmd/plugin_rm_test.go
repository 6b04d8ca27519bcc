package cmd

import (
	"strings"
	"testing"

	"github.com/rosey-bot/rosey/streams/streamstest"
)

// What a plugin has stored goes with it only where that is asked for and answered, says before what
// goes, and leaves what is others'.
func TestPluginRemoveWithData(t *testing.T) {
	streamstest.Slow(t, "restarts a bot")
	t.Parallel()
	store, file := t.TempDir(), settingsFileWith(t, "plugins: {countdown: false, quote-db: false}\n")
	p := start(t, "run", "--local", "--store", store)
	for line, answer := range map[string]string{"!quote add to be or not to be": "Added quote #1", "!countdown add tea 2h": "tea in 2h"} {
		p.say(line)
		p.expect(answer)
	}
	steps := func(outcomes ...outcome) { t.Helper(); expect(t, outcomes, "--store", store) }
	remove := func(name string, more ...string) []string {
		return append([]string{"plugin", "rm", name, "--with-data"}, more...)
	}
	steps(
		outcome{[]string{"settings", "set", "countdown", "max_running", "3"}, 0, ""},
		outcome{[]string{"settings", "set", "countdown", "enabled", "on", "--channel", "local"}, 0, ""},
		outcome{[]string{"grant", "alice", "countdown.countdown"}, 0, ""},
		outcome{[]string{"grant", "alice", "quote-db"}, 0, ""},
		outcome{[]string{"plugin", "creds", "countdown", "--file", store + "/countdown.creds"}, 0, ""},
		outcome{remove("countdown", "--yes"), 1, "1 process of countdown still run(s)"},
		outcome{remove("no-such"), 1, `there is no plugin "no-such", and nothing of one`},
		outcome{remove("no.name"), 2, "is not a plugin's name"},
	)
	p.interrupt()
	steps(outcome{remove("countdown"), 1, "the collection countdowns with 1 record and its history"})
	asked := rosey(t, "n\n", remove("countdown", "--store", store)...)
	for _, want := range []string{"1 timer\n", "1 setting in all channels", "1 setting in channel local", "the grant of countdown.countdown to alice", "its credentials", "nothing was deleted"} {
		if !strings.Contains(asked.stdout+asked.stderr, want) || asked.code != 1 {
			t.Errorf("%+v lacks %q", asked, want)
		}
	}
	steps(
		outcome{[]string{"db", "query", "countdowns"}, 0, "tea"},
		outcome{remove("countdown", "--yes"), 0, "countdown and what it stored are gone"},
		outcome{remove("countdown", "--yes"), 1, `there is no plugin "countdown", and nothing of one`},
		outcome{[]string{"plugin", "creds", "countdown", "--revoke"}, 1, "countdown has no credentials"},
		outcome{[]string{"grants", "ls"}, 0, "quote-db"},
		outcome{[]string{"db", "query", "quotes"}, 0, "to be or not"},
		outcome{[]string{"replay", "--subject", "plugin.countdown.event.added"}, 0, "added"},
	)
	if r := rosey(t, "", "settings", "ls", "--store", store); strings.Contains(r.stdout, "countdown") {
		t.Errorf("its settings are left: %+v", r)
	}
	p = start(t, "run", "--local", "--store", store, "--config", file)
	p.say("!roll d6")
	p.expect("Rolled")
	steps(outcome{remove("quote-db", "--yes"), 0, "the collection quotes with 1 record"})
	if code := p.interrupt(); code != 0 || strings.Contains(p.stderr.String(), "contents lost") {
		t.Errorf("exit code %d: %s", code, p.stderr.String())
	}
	if r := rosey(t, "", "doctor", "--store", store); !strings.Contains(r.stdout, "nothing is known to be gone") {
		t.Errorf("%+v", r)
	}
	if r := rosey(t, "", "db", "ls", "--store", store); strings.Contains(r.stdout, "quotes") || strings.Contains(r.stdout, "countdowns") {
		t.Errorf("%+v", r)
	}
}
