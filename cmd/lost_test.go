package cmd

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/rosey-bot/rosey/streams/streamstest"
)

// A bot whose credentials the server no longer accepts says so and fails, so that
// whatever started it takes note.
func TestBotLosesItsCredentials(t *testing.T) {
	t.Parallel()
	options := func(users ...string) *server.Options {
		o := &server.Options{JetStream: true}
		for _, u := range users {
			o.Users = append(o.Users, &server.User{Username: u, Password: "secret"})
		}
		return o
	}
	o := options("bot", "other")
	o.StoreDir = t.TempDir()
	s := streamstest.Standalone(t, o)
	u, err := url.Parse(s.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword("bot", "secret")
	p := start(t, "run", "--local", "--nats", u.String(), "--plugins", "help", "--log-level", "error")
	p.say("hi")
	p.expect("^operator: hi")
	s.Shutdown()
	s.WaitForShutdown()
	revoked := options("other")
	revoked.StoreDir, revoked.Port = o.StoreDir, o.Port
	streamstest.Standalone(t, revoked)
	ended := make(chan struct{})
	go func() { defer close(ended); _ = p.wait() }()
	select {
	case <-ended:
	case <-time.After(testPatience):
		t.Fatalf("the bot runs on\n%s", p.stderr.String())
	}
	if code := p.cmd.ProcessState.ExitCode(); code != exitFailed || !strings.Contains(p.stderr.String(), "were the credentials revoked") {
		t.Errorf("exit code %d\n%s", code, p.stderr.String())
	}
}
