package cmd

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/rosey-bot/rosey/bot"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// greeter is the plugin that the test binary is, where ROSEY_TEST_MAIN says so.
func greeter() plugins.Plugin {
	type settings struct {
		Greeting string `json:"greeting" default:"Hello" jsonschema:"what is said"`
		Times    int    `json:"times" default:"1" min:"1" max:"3" jsonschema:"how often"`
	}
	return plugins.Plugin{
		Name: "written-as", Version: "1.0.0", Description: "Greets", Settings: settings{},
		Commands: []plugins.Command{
			{Name: "greet", Description: "greets", Handle: func(c *plugins.Context) ([]event.Envelope, error) {
				s := plugins.SettingsOf[settings](c)
				return c.Say("%s, %s!", strings.Repeat(s.Greeting, s.Times), c.Command.User), nil
			}},
			{Name: "die", Description: "ends the process", Handle: func(c *plugins.Context) ([]event.Envelope, error) {
				if c.Event.Attempt == 1 {
					fmt.Fprintln(os.Stderr, "dying as told")
					os.Exit(9)
				}
				return c.Say("back again"), nil
			}},
		},
	}
}

// greeterProgram is the test binary as a plugin, in the form of the settings file.
func greeterProgram(t *testing.T) string {
	t.Helper()
	return fmt.Sprintf(`{run: [%q], env: {ROSEY_TEST_MAIN: plugin, GORACE: atexit_sleep_ms=0}, settings: {greeting: Hi}}`, self(t))
}

// statusOf returns the bot's status.
func statusOf(t *testing.T, store string) (s bot.Status) {
	t.Helper()
	r := rosey(t, "", "status", "--output", "json", "--store", store)
	var full struct{ Bot bot.Status }
	if err := json.Unmarshal([]byte(r.stdout), &full); err != nil {
		t.Fatalf("%v: %+v", err, r)
	}
	return full.Bot
}

// A plugin of the settings file that is a program runs with credentials of its own, takes its
// settings from the file, is started again when it dies, with the command in its hand, and ends with
// the bot.
func TestPluginProcess(t *testing.T) {
	streamstest.Slow(t, "restarts a plugin's process")
	t.Parallel()
	store, file := t.TempDir(), filepath.Join(t.TempDir(), "rosey.yaml")
	text := "plugins: {greeter: " + greeterProgram(t) + ", gone: {run: ./gone}, silent: {run: sleep 1000}, noisy: {run: [sh, -c, 'head -c 100000 /dev/urandom; exit 3']}"
	eaten := "" // memory is limited on Linux only
	if runtime.GOOS == "linux" {
		text += ", eater: {run: [sh, -c, 'x=x; while :; do x=$x$x; done'], memory: 100MB}"
		eaten = "when its memory was limited to 100 MB"
	}
	text += "}"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p := start(t, "run", "--local", "--store", store, "--config", file)
	p.say("alice: !greet")
	p.expect("Hi, alice!")
	p.say("!die")
	p.expect("back again")
	expect(t, []outcome{
		{[]string{"plugin", "ls"}, 0, "running, pid "},
		{[]string{"plugin", "ls"}, 0, "waiting"},
		{[]string{"plugin", "ls"}, 0, eaten},
		{[]string{"plugin", "info", "gone"}, 0, "there is no program " + filepath.Dir(file) + "/gone"},
		{[]string{"plugin", "info", "noisy"}, 0, "it ended with exit status 3"},
		{[]string{"plugin", "info", "greeter"}, 0, "last: it ended with exit status 9"},
		{[]string{"status"}, 0, "process of plugin greeter: running, pid "},
		{[]string{"doctor"}, 0, "the process of gone does not keep going"},
		{[]string{"doctor"}, 0, "the program of silent runs and has not registered"},
		{[]string{"settings", "get", "greeter", "greeting"}, 0, "Hi"},
		{[]string{"settings", "set", "greeter", "times", "9"}, 1, "times must be a whole number from 1 to 3, not 9"},
		{[]string{"settings", "set", "greeter", "tims", "2"}, 1, "did you mean times?"},
	}, "--store", store)
	creds := filepath.Join(store, "plugin-creds", "greeter.creds")
	if info, err := os.Stat(creds); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the credentials: %v, %v", info, err)
	}
	pid := 0
	for _, s := range statusOf(t, store).Processes {
		if s.Plugin == "greeter" {
			pid = s.PID
		}
	}
	p.interrupt()
	if _, err := os.Stat("/proc/" + strconv.Itoa(pid)); pid == 0 || err == nil {
		t.Errorf("process %d of the plugin still runs\n%s", pid, p.stderr.String())
	}
	if _, err := os.Stat(creds); !os.IsNotExist(err) {
		t.Errorf("the credentials are left: %v", err)
	}
}

// awaitOutput runs a command until it prints a text.
func awaitOutput(t *testing.T, want string, args ...string) {
	t.Helper()
	var last result
	err := until(soon(t), func() bool {
		last = rosey(t, "", args...)
		return strings.Contains(last.stdout, want)
	})
	if err != nil {
		t.Fatalf("%v: %q never prints %q: %+v", err, args, want, last)
	}
}

// At SIGHUP the programs of the settings file are those that it holds then, with the command and the
// settings that it holds then; a mistake changes nothing.
func TestProgramsAtHangup(t *testing.T) {
	streamstest.Slow(t, "restarts a plugin's process")
	t.Parallel()
	store, file := t.TempDir(), filepath.Join(t.TempDir(), "rosey.yaml")
	program := func(run, greeting string) string {
		return fmt.Sprintf("greeter: {run: %s, env: {ROSEY_TEST_MAIN: plugin, GORACE: atexit_sleep_ms=0}, settings: {greeting: %s}}", run, greeting)
	}
	write := func(text string) {
		t.Helper()
		err := os.WriteFile(file+".new", []byte("plugins: {trivia: false, "+text+"}\n"), 0o600)
		if err = errors.Join(err, os.Rename(file+".new", file)); err != nil {
			t.Fatal(err)
		}
	}
	write(program(fmt.Sprintf("[%q]", self(t)), "Hi"))
	p := start(t, "run", "--local", "--store", store, "--config", file)
	p.say("alice: !greet")
	p.expect("Hi, alice!")
	reload := func(text string) {
		t.Helper()
		write(text)
		if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	}
	for mistake, logged := range map[string]string{
		`greeter: {run: ""}`: "the command is empty", `greeter: {run: x, speed: 3}`: "plugins.greeter.speed: there is no such key", `help: {run: ./x}`: "a plugin that ships has this name",
	} {
		reload(mistake)
		if err := until(soon(t), func() bool { return strings.Contains(p.stderr.String(), logged) }); err != nil {
			t.Fatalf("%v: %s is not logged: %s", err, logged, p.stderr.String())
		}
	}
	reload(program(fmt.Sprintf("[sh, -c, 'exec %s']", self(t)), "Yo"))
	awaitOutput(t, "command      sh -c exec", "plugin", "info", "greeter", "--store", store)
	awaitOutput(t, "Yo\n", "settings", "get", "greeter", "greeting", "--store", store)
	p.say("alice: !greet")
	p.expect("Yo, alice!")
	reload("8ball: true")
	awaitOutput(t, `"state":"stopped"`, "plugin", "info", "greeter", "--output", "json", "--store", store)
	if strings.Contains(p.stderr.String(), "need a restart") {
		t.Errorf("a change of programs is said to need a restart: %s", p.stderr.String())
	}
	p.interrupt()
}

// A plugin that is added to the store runs from then on, in a bot that runs already, with what it was
// granted and no more, until it is removed. One of the same name is refused, or takes its place only
// where that was said and answered (S40).
func TestPluginAdd(t *testing.T) {
	streamstest.Slow(t, "starts a plugin's process")
	t.Parallel()
	store, dir := t.TempDir(), t.TempDir()
	manifest := fmt.Sprintf("name: added\nrun: %q\ncapabilities: [chat, moderation.kick]\nsettings: {greeting: Hey}\nenv: {ROSEY_TEST_MAIN: plugin, GORACE: atexit_sleep_ms=0}\n", self(t))
	if err := os.WriteFile(filepath.Join(dir, "rosey-plugin.yaml"), []byte(manifest), 0o600); err != nil {
		t.Fatal(err)
	}
	p := start(t, "run", "--local", "--store", store)
	p.say("!roll 1d6")
	p.expect("Rolled")
	expect(t, []outcome{
		{[]string{"plugin", "add", dir + "/gone"}, 2, "there is no folder or file"},
		{[]string{"plugin", "add", t.TempDir(), "--name", "x"}, 2, "give --run"},
		{[]string{"plugin", "add", dir, "--name", "trivia"}, 2, "a plugin that ships is called trivia"},
		{[]string{"plugin", "add", dir, "--grant", "fly"}, 2, "is not a capability"},
		{[]string{"plugin", "add", dir, "--run", "nobody-has-this"}, 2, "there is no program nobody-has-this"},
		{[]string{"plugin", "add", dir}, 1, "kick users (moderation.kick)"},
		{[]string{"plugin", "add", dir, "--grant", "chat", "--yes"}, 0, "speak in the channel (chat)"},
	}, "--store", store)
	awaitOutput(t, "greet", "plugin", "info", "added", "--store", store)
	awaitOutput(t, "Hey\n", "settings", "get", "added", "greeting", "--store", store)
	p.say("alice: !greet")
	p.expect("Hey, alice!")
	expect(t, []outcome{{[]string{"plugin", "add", dir, "--grant", "chat", "--yes"}, 0, "the bot starts it now"}}, "--store", store) // files that are newer
	awaitOutput(t, "1 restart(s)", "plugin", "info", "added", "--store", store)
	expect(t, []outcome{
		{[]string{"plugin", "add", "/bin/true", "--name", "added"}, 1, "It takes the place of the plugin added, with its records, events and settings, that runs as: " + self(t)},
		{[]string{"plugin", "info", "added"}, 0, "granted      chat"},
		{[]string{"plugin", "rm", "added"}, 0, "added is forgotten"},
		{[]string{"plugin", "info", "added"}, 1, `there is no plugin "added"`},
	}, "--store", store)
	p.interrupt()
}
