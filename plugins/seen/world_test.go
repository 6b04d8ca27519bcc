package seen

import (
	"fmt"
	"strings"
	"testing"

	"github.com/rosey-bot/rosey/bot/bottest"
	"github.com/rosey-bot/rosey/event"
)

// S28, through the real protocol: a bot that is killed while it delivers a message delivers
// it once, whether the site took it or not, and what it has counted is counted once.
func TestKilledWhileTelling(t *testing.T) {
	t.Parallel()
	w := bottest.Start(t)
	alice, bob := w.Join("alice"), w.Join("bob")
	for n, took := range []bool{true, false} {
		alice.Says("!tell bob the film was great")
		w.Hears("I will tell bob$")
		w.KillAt("chatMsg", took, func() { bob.Says("hi") })
		w.Hears("bob: alice said .*: the film was great$")
		alice.Says("!tells")
		w.Hears("No message of yours waits$")
		w.Until("the line to count", func() bool {
			raw, err := w.Request(event.SubjectGet, event.Get{Collection: People, ID: key(bottest.Channel, "bob")})
			return err == nil && strings.Contains(string(raw), fmt.Sprintf(`"lines":%d,`, n+1))
		})
		alice.Says("!stats bob")
		w.Hears(fmt.Sprintf("bob: %d lines?, %[1]d words?, ", n+1))
		if said := strings.Count(strings.Join(w.BotLines(), "\n"), "the film was great"); said != n+1 {
			t.Errorf("delivered %d times: %q", said, w.BotLines())
		}
	}
}
