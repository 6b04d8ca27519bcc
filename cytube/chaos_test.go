package cytube_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rosey-bot/rosey/cytube"
	"github.com/rosey-bot/rosey/cytube/cytubetest"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// Through broken connections, refusals and a killed process, the channel hears
// every send once and in order, and every line of the channel is recorded once: as
// long as the chat buffer reaches back, nothing is doubled.
func TestChaos(t *testing.T) {
	streamstest.Slow(t, "kills bots")
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	w := newWorld(t, func(s *cytubetest.Config, _ *cytube.Config) {
		s.Buffer = 1000
		s.Channels[0].Flood = cytubetest.Flood{Burst: 1000, Sustained: 1000}
	})
	alice := w.user("alice")
	kill := w.mortal()
	var wantSaid, wantLines []string
	for i := range 40 {
		text := fmt.Sprintf("send %d", i)
		ack := w.chat(text)
		wantSaid = append(wantSaid, text)
		if i%3 == 0 {
			text := fmt.Sprintf("line %d", i)
			w.ok(alice.Say(w.ctx, text))
			wantLines = append(wantLines, text)
		}
		w.disturb(rng)
		if i == 20 {
			kill()
			kill = w.mortal()
		} else if i%2 == 1 {
			w.echo(ack, 1) // or the faults would gather at one message
		}
	}
	last := w.chat("the end")
	wantSaid = append(wantSaid, "the end")
	w.echo(last, 1)
	if diff := cmp.Diff(wantSaid, w.spoken()); diff != "" {
		t.Errorf("the channel heard something else (-sent +heard): %s", diff)
	}
	said, lines := w.recordedLines()
	if diff := cmp.Diff(wantLines, lines); diff != "" {
		t.Errorf("other lines are recorded otherwise (-said +recorded): %s", diff)
	}
	if diff := cmp.Diff(wantSaid, said); diff != "" {
		t.Errorf("the bot's lines are recorded otherwise (-said +recorded): %s", diff)
	}
}

// disturb does the bot some harm, or none.
func (w *world) disturb(rng *rand.Rand) {
	switch rng.IntN(8) {
	case 0:
		_ = w.site.Drop(lounge, "Rosey") // may be away
	case 1:
		w.site.Fail(lounge, "Rosey", 1, cytubetest.FaultDrop)
	case 2:
		w.site.Fail(lounge, "Rosey", 1, cytubetest.FaultCooldown)
	case 3:
		_ = w.site.Kick(lounge, "Rosey", "out")
	}
}

// recordedLines gives what is recorded of the bot, each line with the send as its
// cause, and of alice.
func (w *world) recordedLines() (said, lines []string) {
	w.t.Helper()
	for _, s := range w.stored(event.SubjectChat) {
		text := field[string](s, "message")
		if field[string](s, "user") == "alice" {
			lines = append(lines, text)
			continue
		}
		said = append(said, text)
		cause, ok := s.Causation()
		if !ok || field[string](w.event(cause), "message") != text {
			w.t.Errorf("%q is caused by %s", text, cause)
		}
	}
	return said, lines
}
