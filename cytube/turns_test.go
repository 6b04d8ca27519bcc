package cytube_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rosey-bot/rosey/cytube"
	"github.com/rosey-bot/rosey/cytube/cytubetest"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

// answer stores a user's command and the send that answers it.
func (w *world) answer(user, text string) streams.Ack {
	w.t.Helper()
	command := w.send(event.CommandSubject("dice"), event.Command{Command: "roll", User: user, Channel: lounge})
	e, err := event.New(event.SubjectSendChat, event.SendChat{Message: text, Channel: lounge})
	w.ok(err)
	e.CorrelationID = event.NewCorrelationID()
	ack, err := w.bus.Publish(w.ctx, e.WithMeta(event.MetaCausation, command.Ref.String()))
	w.ok(err)
	return ack
}

// The answer to one user does not wait behind all those to another.
func TestUsersTakeTurns(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.site.Refuse("Rate limit exceeded") // until all are stored
	w.start()
	for i := range 8 {
		w.answer("alice", fmt.Sprint("alice ", i))
	}
	bob := w.answer("Bob", "bob 0")
	w.answer("bob", "bob 1")
	w.settlesAt(bob)
	w.site.Refuse("")
	w.ok(until(w.ctx, func() bool { return len(w.spoken()) == 10 }))
	want := []string{"alice 0", "alice 1", "bob 0", "alice 2", "bob 1", "alice 3", "alice 4", "alice 5", "alice 6", "alice 7"}
	if diff := cmp.Diff(want, w.spoken()); diff != "" {
		t.Error(diff)
	}
}

// settlesAt waits until the sender has taken a send from its consumer.
func (w *world) settlesAt(send streams.Ack) {
	w.t.Helper()
	w.ok(until(w.ctx, func() bool {
		c, err := w.bus.JetStream().Consumer(w.ctx, streams.Cytube, "cytube-sender")
		return err == nil && c.CachedInfo().Delivered.Stream > send.Ref.Seq
	}))
}

// More answers than can be said in good time are refused, which the user hears once.
func TestBacklogOfOneUser(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *cytubetest.Config, _ *cytube.Config) {
		s.Channels[0].Flood = cytubetest.Flood{Burst: 1, Sustained: 0.01, Cooldown: 1000}
	})
	w.join(func(c *cytube.Config) { c.Burst, c.PerSecond = 1, 0.01 })
	w.echo(w.chat("first"), 1) // and then nothing for long
	for i := range 14 {
		w.answer("alice", fmt.Sprint("alice ", i))
	}
	notice := w.await("a notice", func(s streams.Stored) bool {
		return s.Subject == event.SubjectSendChat && strings.HasPrefix(field[string](s, "message"), "alice: too many")
	})
	w.ok(until(w.ctx, func() bool { return len(w.stored(event.SubjectDelivery)) == 3 }))
	notices := 0
	for _, s := range w.stored(event.SubjectSendChat) {
		if field[string](s, "message") == field[string](notice, "message") {
			notices++
		}
	}
	if notices != 1 {
		t.Errorf("%d notices", notices)
	}
}
