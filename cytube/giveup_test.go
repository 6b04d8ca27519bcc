package cytube

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/rosey-bot/rosey/cytube/socketio"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

// onMissed does something each time when an echo is found to be missing.
type onMissed struct {
	nobody
	do func()
}

func (m onMissed) EchoMissed(context.Context, string) { m.do() }

// An echo that comes in the very instant in which the sender stops waiting for it
// is the message's echo all the same.
func TestEchoAtTheLastInstant(t *testing.T) {
	t.Parallel()
	for _, writes := range []int{1, maxWrites, maxWrites + 1} {
		v := newVoice(flood{})
		v.open(new(socketio.Conn)) // which takes no frame
		u := &utterance{part: 1, parts: 1, text: "a", echo: "a", notices: make(chan struct{}, 1)}
		missed := 0
		s := &sender{
			cfg:   Config{EchoTimeout: time.Millisecond, MaxAge: time.Hour, MaySpeak: func() bool { return true }},
			voice: v, log: slog.New(slog.DiscardHandler), stats: new(counters), behind: func() bool { return false },
			observe: onMissed{do: func() {
				if missed++; missed != writes {
					return
				}
				l := &line{user: "bot", text: "a"}
				if v.claim(l, false) != u {
					t.Error("the echo is not the message's")
				}
				time.AfterFunc(10*time.Millisecond, func() { v.recorded(u, l) }) // while the sender waits for that
			}},
		}
		want := ""
		if writes > maxWrites {
			want = event.DeliveryUnconfirmed
		}
		status, reason, err := s.speak(t.Context(), streams.Stored{}, u, time.Now().Add(s.cfg.MaxAge))
		if status != want || err != nil {
			t.Errorf("with the echo after %d writings: %q, %s, %v; want %q", writes, status, reason, err, want)
		}
	}
}
