package cytube

import (
	"context"
	"time"

	"github.com/rosey-bot/rosey/cytube/channel"
	"github.com/rosey-bot/rosey/cytube/sender"
)

// afkDelay is how long the bot is silent before it goes AFK: each line of the bot ends its
// AFK, and the command for it counts as a line in the channel's flood limit.
const afkDelay = 3 * time.Second

// afk makes the bot go AFK some time after it has joined or spoken.
type afk struct{ timer *time.Timer }

// newAFK returns the afk of a session, which stop ends.
func newAFK(ctx context.Context, w sender.Writer) *afk {
	return &afk{time.AfterFunc(afkDelay, func() {
		_ = w.Emit(ctx, "chatMsg", map[string]any{"msg": "/afk", "meta": map[string]any{}}) // or the session ends
	})}
}

// take notes what a frame says of the bot's AFK. The command changes it to and fro, so
// that it is given only while the bot is not AFK.
func (a *afk) take(frame channel.Frame, self string) {
	switch user, isAFK, ok := channel.ReadAFK(frame); {
	case a == nil || !ok || !channel.SameName(user, self):
	case isAFK:
		a.timer.Stop()
	default:
		a.timer.Reset(afkDelay)
	}
}

func (a *afk) stop() {
	if a != nil {
		a.timer.Stop()
	}
}
