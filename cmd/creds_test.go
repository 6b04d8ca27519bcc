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

// credentialed is a bot and the credentials of its plugins.
type credentialed struct {
	t          *testing.T
	dir, store string
	bot        *process
}

// issue issues credentials to a plugin.
func (c credentialed) issue(plugin string) {
	c.t.Helper()
	file := filepath.Join(c.dir, "creds", plugin+".creds")
	c.fine("wrote "+file, "plugin", "creds", plugin, "--file", file)
	if info, err := os.Stat(file); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		c.t.Errorf("the file: %v, %v", info.Mode(), err)
	}
}

// run runs a plugin with its credentials.
func (c credentialed) run(plugin string) *process {
	c.t.Helper()
	p := start(c.t, "plugin", "run", plugin, "--store", c.store, "--creds", filepath.Join(c.dir, "creds", plugin+".creds"))
	waitPlugin(c.t, c.store, `"name":"`+plugin+`","version":"1.0.0","state":"running"`)
	return p
}

// fine runs a command that succeeds and says something.
func (c credentialed) fine(says string, args ...string) {
	c.t.Helper()
	if r := rosey(c.t, "", append(args, "--store", c.store)...); r.code != 0 || !strings.Contains(r.stdout, says) {
		c.t.Fatalf("rosey %s: %+v", strings.Join(args, " "), r)
	}
}

// A plugin with credentials of its own does all it does without: it registers,
// reads and writes the database, sets timers, is paused, crashes and goes on.
func TestPluginWithCredentials(t *testing.T) {
	streamstest.Slow(t, "runs several processes")
	t.Parallel()
	dir := t.TempDir()
	c := credentialed{t, dir, filepath.Join(dir, "store"), nil}
	c.bot = start(t, "run", "--local", "--store", c.store, "--plugins", "help")
	c.bot.say("hi")
	c.bot.expect("^operator: hi")
	c.issue("quote-db")
	p := c.run("quote-db")
	c.bot.say("!quote add Hello, world!")
	c.bot.expect("^rosey: .*#1")
	c.fine("paused", "plugin", "pause", "quote-db")
	c.bot.say("!quote 1")
	c.bot.expect("^operator: !quote 1")
	c.fine("resumed", "plugin", "resume", "quote-db")
	c.bot.expect("^rosey: .*Hello, world!")
	p.kill()
	c.bot.say("!quote count")
	c.bot.expect("^operator: !quote count")
	p = c.run("quote-db")
	c.bot.expect("^rosey: .*1")
	c.fine("~", "db", "history", "quotes", "1", "--output", "json")
	signedMessageIDs(t, c.store)
	c.setsTimers()
	c.isRevoked(p)
}

// setsTimers sets a timer with a plugin's credentials, and waits until it fires.
func (c credentialed) setsTimers() {
	c.t.Helper()
	c.issue("countdown")
	timer := c.run("countdown")
	c.bot.say("!countdown add tea in 3s")
	c.bot.expect("^rosey: .*tea")
	c.bot.expect("^rosey: .*tea")
	if code := timer.interrupt(); code != 0 {
		c.t.Errorf("Ctrl-C: exit code %d\n%s", code, timer.stderr.String())
	}
}

// isRevoked revokes the credentials of quote-db, which runs as p.
func (c credentialed) isRevoked(p *process) {
	c.t.Helper()
	c.fine("are revoked; ended 1 connection(s)", "plugin", "creds", "quote-db", "--revoke")
	_ = p.wait()
	if code := p.cmd.ProcessState.ExitCode(); code != 1 || !strings.Contains(p.stderr.String(), "were the credentials revoked") {
		c.t.Errorf("after it was revoked: exit code %d\n%s", code, p.stderr.String())
	}
	expect(c.t, []outcome{
		{[]string{"plugin", "creds", "quote-db", "--revoke"}, 1, "has no credentials"},
		{[]string{"plugin", "creds", "no.name"}, 2, "is not a plugin's name"},
		{[]string{"plugin", "creds", "quote-db", "--file", filepath.Join(c.store, "server.json")}, 1, "holds no credentials"},
		{[]string{"plugin", "creds", "quote-db", "--output", "json"}, 2, "permissions"},
	}, "--store", c.store)
	if r := rosey(c.t, "", "plugin", "creds", "quote-db", "--output", "permissions"); r.code != 0 || !strings.Contains(r.stdout, "PASSWORD_OF_QUOTE_DB") {
		c.t.Errorf("permissions: %+v", r)
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
