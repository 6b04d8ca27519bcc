package cmd

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/urfave/cli/v2"

	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins/shipped"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

var example = regexp.MustCompile(`(?m)^   (.*?\S)(?:   .*)?$`)

// examplesOf are the examples in the help of each command that has no commands
// below it, without what is said about them.
func examplesOf(commands []*cli.Command, above string) map[string][]string {
	found := map[string][]string{}
	for _, c := range commands {
		name := above + " " + c.Name
		for below, list := range examplesOf(c.Subcommands, name) {
			found[below] = list
		}
		if c.Hidden || len(c.Subcommands) > 0 {
			continue
		}
		found[name] = nil
		for _, m := range example.FindAllStringSubmatch(c.Description, -1) {
			if strings.Contains(m[1], name) {
				found[name] = append(found[name], m[1])
			}
		}
	}
	return found
}

func TestExamples(t *testing.T) {
	t.Parallel()
	for command, list := range examplesOf(newApp(shipped.All(), nil, io.Discard, io.Discard).Commands, "rosey") {
		if len(list) == 0 {
			t.Errorf("the help of %s has no example of it", command)
		}
	}
}

// The examples of these commands do, in this order, what they say, on a bot that
// has what they speak of.
func TestExamplesWork(t *testing.T) {
	t.Parallel()
	streamstest.Slow(t, "runs dozens of commands")
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("there is no bash")
	}
	r := startReader(t, bash)
	examples := examplesOf(newApp(shipped.All(), nil, io.Discard, io.Discard).Commands, "rosey")
	for _, command := range []string{
		"db set", "db get", "db query", "db update", "db batch", "db history", "db forget-history", "db check", "db export", "db import", "db delete", "db compact", "db ls",
		"audit key", "audit seal", "audit verify", "audit forget",
		"dead ls", "dead show", "dead retry", "dead drop",
		"plugin pause", "plugin resume", "plugin restart", "plugin rm", "plugin ls",
	} {
		list := examples["rosey "+command]
		if len(list) == 0 {
			t.Errorf("there is no example of %s", command)
		}
		if strings.HasPrefix(command, "dead") {
			r.letter = deadLetter(t, r.bus)
		}
		for _, line := range list {
			if strings.HasPrefix(command, "plugin") {
				r.register("greeter")
			}
			r.run(line)
		}
	}
}

// reader types the examples into a shell, beside a bot.
type reader struct {
	t             *testing.T
	bash, dir     string
	bus           *streams.Bus
	registrations jetstream.KeyValue
	letter        string // that the examples of rosey dead name
	key           string // the public one that rosey audit key printed
}

func startReader(t *testing.T, bash string) *reader {
	t.Helper()
	r := &reader{t: t, bash: bash, dir: t.TempDir()}
	store := filepath.Join(r.dir, "state", "rosey")
	bot := start(t, "run", "--local", "--store", store)
	bot.say("alice: hello")
	bot.expect("^alice: hello")
	nc := storeConn(t, store)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	r.bus = streams.NewBus(nc, js)
	if r.registrations, err = router.OpenBucket(t.Context(), js, 1); err != nil {
		t.Fatal(err)
	}
	onPath(t, r.dir)
	if err := os.WriteFile(filepath.Join(r.dir, "operations.jsonl"), []byte(`{"op":"set","data":{"text":"Hi"}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	return r
}

// register registers a plugin.
func (r *reader) register(name string) {
	r.t.Helper()
	if _, err := r.registrations.PutString(r.t.Context(), name, fmt.Sprintf(`{"name":%q,"version":"1.0.0"}`, name)); err != nil {
		r.t.Fatal(err)
	}
}

// run runs an example, which must succeed.
func (r *reader) run(line string) {
	r.t.Helper()
	cmd := exec.CommandContext(r.t.Context(), r.bash, "-c", strings.ReplaceAll(line, "PLUGIN:17", r.letter))
	cmd.Dir = r.dir
	cmd.Env = append(os.Environ(), "PATH="+r.dir+":"+os.Getenv("PATH"), "XDG_STATE_HOME="+filepath.Join(r.dir, "state"), "XDG_CONFIG_HOME="+filepath.Join(r.dir, "config"), "KEY="+r.key)
	if strings.Contains(line, "--with-data") {
		cmd.Stdin = strings.NewReader("y\n")
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		r.t.Errorf("%s: %v\n%s", line, err, out)
	}
	if m := regexp.MustCompile(`public key: (\S+)`).FindSubmatch(out); m != nil && r.key == "" {
		r.key = string(m[1])
	}
}

// onPath puts the program into a directory as rosey.
func onPath(t *testing.T, dir string) {
	t.Helper()
	wrapper := fmt.Sprintf("#!/bin/sh\nROSEY_TEST_MAIN=1 exec '%s' \"$@\"\n", program(t.Context(), t).Path)
	if err := os.WriteFile(filepath.Join(dir, "rosey"), []byte(wrapper), 0o755); err != nil {
		t.Fatal(err)
	}
}

// deadLetter stores a dead letter about a command of help, and returns where it is.
func deadLetter(t *testing.T, bus *streams.Bus) string {
	t.Helper()
	command, err := event.New(event.CommandSubject("help"), event.Command{Command: "help", Args: []string{}, User: "alice", Channel: "local", RawMessage: "!help"})
	if err != nil {
		t.Fatal(err)
	}
	about, err := bus.Publish(t.Context(), command)
	if err != nil {
		t.Fatal(err)
	}
	letter, err := event.New(event.EventSubject("help", event.TypeDeadLetter), event.DeadLetter{
		Consumer: "plugin-help", Stream: about.Ref.Stream, Seq: int64(about.Ref.Seq), Subject: command.Subject, Error: "it failed", Attempts: 5,
	})
	if err != nil {
		t.Fatal(err)
	}
	stored, err := bus.Publish(t.Context(), letter)
	if err != nil {
		t.Fatal(err)
	}
	return stored.Ref.String()
}
