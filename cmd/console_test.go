package cmd

import (
	"fmt"
	"regexp"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/rosey-bot/rosey/streams/connect"
)

// consoleURL is where a process says that its console is, without the slash.
func (p *process) consoleURL() string {
	p.t.Helper()
	url := regexp.MustCompile(`The console is at (http://127\.0\.0\.1:\d+)/`)
	if err := until(soon(p.t), func() bool { return url.MatchString(p.stderr.String()) }); err != nil {
		p.t.Fatal(err, p.stderr.String())
	}
	return url.FindStringSubmatch(p.stderr.String())[1]
}

// startConsole starts a bot with a local channel and a console.
func startConsole(t *testing.T, store string, args ...string) (p *process, url string) {
	t.Helper()
	p = start(t, append([]string{"run", "--local", "--store", store, "--console", "127.0.0.1:0"}, args...)...)
	return p, p.consoleURL()
}

// storeConn connects to the server of a running bot.
func storeConn(t *testing.T, store string) *nats.Conn {
	t.Helper()
	info, err := connect.Find(store)
	if err != nil {
		t.Fatal(err)
	}
	nc, err := nats.Connect(info.URL, nats.UserInfo(info.User, info.Password))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// spoil stores a command that no plugin can handle, which becomes a dead letter.
func spoil(t *testing.T, nc *nats.Conn, plugin string) {
	t.Helper()
	if _, err := nc.Request(fmt.Sprintf("plugin.%s.command", plugin), []byte(`{"command":"guess","user":7}`), testPatience); err != nil {
		t.Fatal(err)
	}
}
