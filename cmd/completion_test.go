package cmd

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

func TestCompletion(t *testing.T) {
	t.Parallel()
	nowhere := "--store=" + filepath.Join(t.TempDir(), "none")
	for line, want := range map[string]string{
		"":                          "audit automod backup channel completion console",
		"pl":                        "plugin",
		"plugin re":                 "restart resume",
		"--store x plugin res":      "restart resume",
		"replay --su":               "--subject --summary",
		"send Good evening --":      "--channel --config --context --creds --emote",
		"send --pm alice hi --chan": "--channel",
		"send -- Good --":           "",
		nowhere + " plugin run tri": "trivia",
		nowhere + " replay --into ": "8ball admin autoplay",
		"replay --output ":          "json text",
		"replay --output=j":         "--output=json",
		"run --log-level = de":      "debug",
		"help pl":                   "plugin",
		"completion z":              "zsh",
	} {
		r := rosey(t, "", append([]string{completeCommand}, strings.Split(line, " ")...)...)
		if got := strings.Join(strings.Fields(r.stdout), " "); r.code != 0 || r.stderr != "" || !strings.HasPrefix(got, want) || want == "" && got != "" {
			t.Errorf("%q is completed with %q, want %q: %+v", line, got, want, r)
		}
	}
	for shell, want := range map[string]string{"bash": "complete -o default -F _rosey rosey", "zsh": "#compdef rosey", "fish": "complete -c rosey -f -a"} {
		if r := rosey(t, "", "completion", shell); r.code != 0 || !strings.Contains(r.stdout, want) {
			t.Errorf("for %s: %+v", shell, r)
		}
	}
	if r := rosey(t, "", "completion", "tcsh"); r.code != 2 || !strings.Contains(r.stderr, "not for \"tcsh\"") {
		t.Errorf("for another shell: %+v", r)
	}
}

// Whatever stands before the cursor, completing it runs no command: neither with the
// scripts of this release nor with those of earlier ones.
func TestCompletionRunsNothing(t *testing.T) {
	t.Parallel()
	app := newApp(nil, strings.NewReader(""), io.Discard, io.Discard)
	var paths [][]string
	var walk func(above []string, commands []*cli.Command)
	walk = func(above []string, commands []*cli.Command) {
		for _, c := range commands {
			path := append(above[:len(above):len(above)], c.Name)
			paths = append(paths, path)
			walk(path, c.Subcommands)
		}
	}
	walk(nil, app.Commands)
	for _, path := range paths {
		for _, rest := range []string{"", "--", "-- -", "x y --", "x -- ", "--output json -- "} {
			words := append(path[:len(path):len(path)], strings.Split(rest, " ")...)
			for _, args := range [][]string{append([]string{"rosey", completeCommand}, words...), append(append([]string{"rosey"}, words...), completeFlag)} {
				if _, ok := completionWords(args); !ok {
					t.Errorf("%q is run", args)
				}
			}
		}
	}
}

// shellOnTerminal is a shell that believes that somebody types.
type shellOnTerminal struct {
	t     *testing.T
	shown lockedBuffer
	keys  io.Writer
}

// startShell starts a shell on a terminal of its own, with the program on its path.
func startShell(t *testing.T, store, command, setUp string) *shellOnTerminal {
	t.Helper()
	name, _, _ := strings.Cut(command, " ")
	for _, needed := range []string{name, "script"} {
		if _, err := exec.LookPath(needed); err != nil && os.Getenv("CI") != "" {
			t.Fatalf("there is no %s: apt-get install bash zsh fish bsdutils", needed)
		} else if err != nil {
			t.Skipf("there is no %s", needed)
		}
	}
	dir := t.TempDir()
	onPath(t, dir)
	script := filepath.Join(dir, "completions")
	if err := os.WriteFile(script, []byte(completions[name]), 0o600); err != nil {
		t.Fatal(err)
	}
	s := &shellOnTerminal{t: t}
	cmd := exec.Command("script", "-qfc", command, "/dev/null")
	cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "HOME="+dir, "ROSEY_STORE="+store, "TERM=vt100", "PS1=$ ", "COLUMNS=200")
	cmd.Stdout, cmd.Stderr = &s.shown, &s.shown
	var err error
	if s.keys, err = cmd.StdinPipe(); err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	s.types(strings.ReplaceAll(setUp, "SCRIPT", script)+"; echo re''ady\n", "ready")
	return s
}

// types types keys, and waits until the terminal shows a text.
func (s *shellOnTerminal) types(keys, text string) {
	s.t.Helper()
	if _, err := io.WriteString(s.keys, keys); err != nil {
		s.t.Fatal(err)
	}
	if err := until(soon(s.t), func() bool { return strings.Contains(s.shown.String(), text) }); err != nil {
		s.t.Fatalf("typed %q, and never saw %q:\n%s", keys, text, s.shown.String())
	}
}

// A tab in a real shell completes commands, plugins, collections, channels and flags, and
// says nothing in the channel.
func TestCompletionInShells(t *testing.T) {
	streamstest.Slow(t, "starts shells")
	t.Parallel()
	for command, setUp := range map[string]string{
		"bash --norc --noprofile -i": "source SCRIPT",
		"zsh -f -i":                  "autoload -U compinit; compinit -u -D; source SCRIPT",
		"fish --no-config -i":        "source SCRIPT",
	} {
		name, _, _ := strings.Cut(command, " ")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := t.TempDir()
			bot := start(t, "run", "--local", "--store", store)
			bot.say("hi")
			bot.expect("^operator: hi")
			expect(t, []outcome{{[]string{"db", "set", "quotes", "1", `{"text":"a collected text"}`}, 0, ""}}, "--store", store)
			shell := startShell(t, store, command, setUp)
			shell.types("rosey send Good evening --ch\tlo\t\n", "stored as CYTUBE")
			bot.expect("^rosey: Good evening$")
			shell.types("rosey plugin pau\ttri\t\n", "trivia is paused")
			shell.types("rosey db query quo\t\n", "a collected text")
			shell.types("rosey version --outp\tj\t\n", `"nats_server"`)
			shell.types("rosey send Good evening --\t\t", "--emote")
			if n := strings.Count(replayed(t, store), `"subject":"`+event.SubjectSendChat+`"`); n != 1 {
				t.Errorf("%d lines are sent, not 1", n)
			}
		})
	}
}
