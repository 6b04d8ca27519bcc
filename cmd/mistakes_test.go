package cmd

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rosey-bot/rosey/streams/streamstest"
)

// Each mistake gets one line that says what to do.
func TestMistakes(t *testing.T) {
	streamstest.Slow(t, "runs dozens of commands")
	t.Parallel()
	dir := t.TempDir()
	broken := filepath.Join(dir, "broken.yaml")
	if err := os.WriteFile(broken, []byte("prefix: '!'\nheartbeet: 5s\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	taken := l.Addr().String()
	held := start(t, "run", "--local", "--store", filepath.Join(dir, "held"))
	held.say("hi")
	held.expect("^operator: hi")
	for _, c := range mistakenCommands(dir, broken, taken) {
		r := rosey(t, "", c.args...)
		if r.code != c.code || !strings.Contains(r.stderr, c.says) || strings.Count(strings.TrimSpace(r.stderr), "\n") > 6 {
			t.Errorf("rosey %s: exit code %d, stderr %q; want %d and %q", strings.Join(c.args, " "), r.code, r.stderr, c.code, c.says)
		}
	}
}

// mistakenCommands lists command lines that cannot work, with what each says on stderr.
func mistakenCommands(dir, broken, taken string) []outcome {
	return []outcome{
		{[]string{"run", "--local", "--store", filepath.Join(dir, "held")}, 1, "is held by rosey run (pid"},
		{[]string{"run", "--config", broken}, 2, "heartbeet"},
		{[]string{"run", "--config", filepath.Join(dir, "none.yaml")}, 2, "none.yaml"},
		{[]string{"run", "--heartbeat", "soon"}, 2, `"soon" is not a duration`},
		{[]string{"run", "--plugins", "nonsense"}, 2, `no shipped plugin "nonsense"`},
		{[]string{"run", "hello"}, 2, "takes no arguments"},
		{[]string{"run", "--nonsense"}, 2, "nonsense"},
		{[]string{"run", "--prefix", " "}, 2, "prefix"},
		{[]string{"run", "--local", "--prefix", "hey rosey"}, 2, `the prefix "hey rosey"`},
		{[]string{"run", "--channel", "bad name!"}, 2, `"bad name!" is no channel`},
		{[]string{"run", "--channel", "#lounge"}, 2, `"#lounge" is no channel`},
		{[]string{"run", "--store", filepath.Join(dir, "nobody")}, 2, "there is nobody to type: set --channel"},
		{[]string{"replay", "--since", "1h", "--channel", "bad name!", "--store", filepath.Join(dir, "held")}, 1, "no event matches"},
		{[]string{"plugin", "pause"}, 2, "rosey plugin pause NAME"},
		{[]string{"audit", "seal", "--store", filepath.Join(dir, "held")}, 2, "rosey audit seal FILE"},
		{[]string{"plugin", "run", "trivia", "--nats", "nats://127.0.0.1:1", "--creds", filepath.Join(dir, "none.creds")}, 1, "none.creds"},
		{[]string{"plugin", "run", "trivia", "--nats", "nats://127.0.0.1:1", "--tlsca", filepath.Join(dir, "none.pem")}, 1, "none.pem"},
		{[]string{"run", "--log-level", "loud"}, 2, "loud"},
		{[]string{"nonsense"}, 2, `there is no command "rosey nonsense": see rosey --help`},
		{[]string{"plugin", "nonsense"}, 2, `there is no command "rosey plugin nonsense": see rosey plugin --help`},
		{[]string{"statsu"}, 2, `there is no command "rosey statsu": did you mean rosey status? see rosey --help`},
		{[]string{"lint", "--help"}, 2, `there is no command "rosey lint": see rosey --help`},
		{[]string{"help", "plugin", "lint"}, 2, `there is no command "rosey plugin lint": see rosey plugin --help`},
		{[]string{"audit", "seall"}, 2, `there is no command "rosey audit seall": did you mean rosey audit seal? see rosey audit --help`},
		{[]string{"status", "--output", "xml"}, 2, "choose text, json or env"},
		{[]string{"send", "--store", filepath.Join(dir, "s")}, 1, "no bot is running"},
		{[]string{"replay", "--since", "1h", "--store", filepath.Join(dir, "s")}, 1, "there is no store"},
		{[]string{"replay", "--since", "soon", "--store", filepath.Join(dir, "s")}, 2, `"soon" is not a time`},
		{[]string{"replay", "--since", "1h", "--until", "2h", "--store", filepath.Join(dir, "s")}, 2, "the start must be before the end"},
		{[]string{"replay", "--into", "dice-roller", "--until", "soon", "--store", filepath.Join(dir, "s")}, 2, `"soon" is not a time`},
		{[]string{"audit", "--until", "soon", "--store", filepath.Join(dir, "s")}, 2, `"soon" is not a time`},
		{[]string{"audit", "--grep", "(", "--store", filepath.Join(dir, "s")}, 2, "--grep"},
		{[]string{"audit", "seal", "--since", "soon", "--store", filepath.Join(dir, "s"), filepath.Join(dir, "x.seal")}, 2, `"soon" is not a time`},
		{[]string{"audit", "forget", "--user", "bob", "--since", "soon", "--store", filepath.Join(dir, "s")}, 2, `"soon" is not a time`},
		{[]string{"run", "--channel", "c", "--password-file", filepath.Join(dir, "pw"), "--store", filepath.Join(dir, "t")}, 1, "read a password"},
		{[]string{"status", "--nats", "nats://127.0.0.1:1"}, 1, "is the server running"},
		{[]string{"db", "get", "quotes", "--store", filepath.Join(dir, "held")}, 2, "COLLECTION ID"},
		{[]string{"db", "set", "quotes", "{", "--store", filepath.Join(dir, "held")}, 2, "is not JSON"},
		{[]string{"db", "get", "quotes", "99", "--store", filepath.Join(dir, "held")}, 1, "not found"},
		{[]string{"dead", "show", "nonsense", "--store", filepath.Join(dir, "held")}, 2, "STREAM:SEQ"},
		{[]string{"plugin", "run", "nonsense", "--store", filepath.Join(dir, "held")}, 2, "no shipped plugin"},
		{[]string{"plugin", "pause", "nonsense", "--store", filepath.Join(dir, "held")}, 1, `there is no plugin "nonsense"`},
		{[]string{"plugin", "rm", "nonsense", "--store", filepath.Join(dir, "held")}, 1, `there is no plugin "nonsense"`},
		{[]string{"replay", "--sinse", "1h"}, 2, "there is no flag --sinse: did you mean --since? see rosey replay --help"},
		{[]string{"replay", "--nonsense", "1h"}, 2, "there is no flag --nonsense: see rosey replay --help"},
		{[]string{"replay", "--since"}, 2, "flag needs an argument: --since: see rosey replay --help"},
		{[]string{"plugin", "pause", "--for", "ever", "trivia"}, 2, `--for: "ever" is not a time: write for example 2h30m, fri 20:00`},
		{[]string{"run", "--password", "x"}, 2, "give --password-file FILE, or ROSEY_PASSWORD"},
		{[]string{"status", "--store", ""}, 2, "name a directory with --store"},
		{[]string{"run", "--local", "--store", filepath.Join(dir, "t"), "--listen-room", taken}, 1, "--listen-channel " + taken},
		{[]string{"run", "--local", "--store", filepath.Join(dir, "u"), "--metrics", taken}, 1, "--metrics " + taken},
	}
}
