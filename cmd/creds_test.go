package cmd

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// A plugin with credentials of its own does all it does without: it registers,
// reads and writes the database, sets timers, is paused, crashes and goes on.
func TestPluginWithCredentials(t *testing.T) {
	streamstest.Slow(t, "runs several processes")
	t.Parallel()
	dir := t.TempDir()
	store, file := filepath.Join(dir, "store"), filepath.Join(dir, "creds", "quote-db.creds")
	bot := start(t, "run", "--local", "--store", store, "--plugins", "help")
	bot.say("hi")
	bot.expect("^operator: hi")
	fine := func(says string, args ...string) {
		t.Helper()
		if r := rosey(t, "", append(args, "--store", store)...); r.code != 0 || !strings.Contains(r.stdout, says) {
			t.Fatalf("rosey %s: %+v", strings.Join(args, " "), r)
		}
	}
	fine("wrote "+file, "plugin", "creds", "quote-db", "--file", file)
	if info, err := os.Stat(file); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("the file: %v, %v", info.Mode(), err)
	}
	run := func() *process { return start(t, "plugin", "run", "quote-db", "--store", store, "--creds", file) }
	p := run()
	waitPlugin(t, store, `"name":"quote-db","version":"1.0.0","state":"running"`)
	bot.say("!quote add Hello, world!")
	bot.expect("^rosey: .*#1")
	fine("paused", "plugin", "pause", "quote-db")
	bot.say("!quote 1")
	bot.expect("^operator: !quote 1")
	fine("resumed", "plugin", "resume", "quote-db")
	bot.expect("^rosey: .*Hello, world!")
	p.kill()
	bot.say("!quote count")
	bot.expect("^operator: !quote count")
	p = run()
	bot.expect("^rosey: .*1")

	fine("~", "db", "history", "quotes", "1", "--output", "json")
	signedMessageIDs(t, store)

	countdown := filepath.Join(dir, "countdown.creds")
	fine("wrote", "plugin", "creds", "countdown", "--file", countdown)
	timer := start(t, "plugin", "run", "countdown", "--store", store, "--creds", countdown)
	waitPlugin(t, store, `"name":"countdown","version":"1.0.0","state":"running"`)
	bot.say("!countdown add tea in 3s")
	bot.expect("^rosey: .*tea")
	bot.expect("^rosey: .*tea")
	if code := timer.interrupt(); code != 0 {
		t.Errorf("Ctrl-C: exit code %d\n%s", code, timer.stderr.String())
	}

	fine("are revoked; ended 1 connection(s)", "plugin", "creds", "quote-db", "--revoke")
	_ = p.wait()
	if code := p.cmd.ProcessState.ExitCode(); code != 1 || !strings.Contains(p.stderr.String(), "were the credentials revoked") {
		t.Errorf("after it was revoked: exit code %d\n%s", code, p.stderr.String())
	}
	expect(t, []outcome{
		{[]string{"plugin", "creds", "quote-db", "--revoke"}, 1, "has no credentials"},
		{[]string{"plugin", "creds", "no.name"}, 2, "is not a plugin's name"},
		{[]string{"plugin", "creds", "quote-db", "--file", filepath.Join(store, "server.json")}, 1, "holds no credentials"},
		{[]string{"plugin", "creds", "quote-db", "--output", "json"}, 2, "permissions"},
	}, "--store", store)
	if r := rosey(t, "", "plugin", "creds", "quote-db", "--output", "permissions"); r.code != 0 || !strings.Contains(r.stdout, "PASSWORD_OF_QUOTE_DB") {
		t.Errorf("permissions: %+v", r)
	}
}

// signedMessageIDs looks at the IDs of what the bot and the plugin published: no other
// plugin can tell them.
func signedMessageIDs(t *testing.T, store string) {
	t.Helper()
	bus := busOf(t, store)
	for stream, subject := range map[string]string{streams.Plugin: event.CommandSubject("quote-db"), streams.Cytube: event.SubjectSendChat} {
		s, err := bus.JetStream().Stream(t.Context(), stream)
		if err != nil {
			t.Fatal(err)
		}
		msg, err := s.GetLastMsgForSubject(t.Context(), subject)
		if err != nil {
			t.Fatal(err)
		}
		if id := msg.Header.Get(jetstream.MsgIDHeader); !strings.Contains(id, "/1~") {
			t.Errorf("%s has the message ID %s", subject, id)
		}
	}
}

// Credentials of a plugin whose name is a mistake are said to be, and leave
// nothing that cannot be taken back.
func TestCredentialsOfNobody(t *testing.T) {
	t.Parallel()
	store := t.TempDir()
	bot := start(t, "run", "--local", "--store", store, "--plugins", "none")
	bot.say("hi")
	bot.expect("^operator: hi")
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"plugin", "creds", "nosuch", "--file", filepath.Join(t.TempDir(), "nosuch.creds")}, 0, "no plugin nosuch is registered yet"},
		{[]string{"doctor"}, 0, "start the plugin, or rosey plugin rm nosuch"},
		{[]string{"plugin", "creds", "nosuch", "--revoke"}, 0, "rosey plugin rm nosuch"},
		{[]string{"plugin", "rm", "nosuch"}, 0, "nosuch is forgotten"},
		{[]string{"plugin", "rm", "nosuch"}, 1, `there is no plugin "nosuch"`},
	} {
		if r := rosey(t, "", append(c.args, "--store", store)...); r.code != c.code || !strings.Contains(r.stdout+r.stderr, c.says) {
			t.Errorf("rosey %s: %+v; want %d and %q", strings.Join(c.args, " "), r, c.code, c.says)
		}
	}
}
