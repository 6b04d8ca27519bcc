package moderation

import (
	"testing"

	"github.com/rosey-bot/rosey/bot/bottest"
	"github.com/rosey-bot/rosey/event"
)

// S18: a strike hits who said the phrase and is below, says who, and is taken back as one, also
// after a restart.
func TestS18(t *testing.T) {
	t.Parallel()
	w := bottest.Start(t)
	mod := w.Join("mod")
	for name, line := range map[string]string{"admin": "do not BUY my stuff", "alice": "what?", "dora": "buy my STUFF now", "eve": "buy my stuff"} {
		w.Join(name).Says(line)
	}
	asks(t, mod, "!strike sell my stuff", "^❌ nobody said that within 1m")
	asks(t, mod, "!strike mute 0s buy my stuff", "^❌ a mute that ends by itself lasts")
	asks(t, mod, "!strike mute 10m Buy my stuff", "^⚔️ #1: asking to mute 10m (dora and eve|eve and dora); !unstrike 1 takes it back$")
	for _, name := range []string{"dora", "eve"} {
		w.Await(event.ModerationSubject(event.ActionMute), about(name))
	}
	w.Stop()
	w.Restart()
	asks(t, mod, "!unstrike", "^⚔️ taking back #1: (dora and eve|eve and dora)$")
	for _, name := range []string{"dora", "eve"} {
		w.Await(event.ModerationSubject(event.ActionUnmute), about(name))
	}
	if n := len(w.Stored(event.ModerationSubject(event.ActionMute))); n != 2 {
		t.Errorf("%d users were muted", n)
	}
	asks(t, mod, "!unstrike 1", "^❌ there is no such strike")
}
