package cytube_test

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rosey-bot/rosey/cytube"
	"github.com/rosey-bot/rosey/cytube/cytubetest"
	"github.com/rosey-bot/rosey/event"
)

// A channel's filter may change what is said, and the server's own commands are
// not the bot's to give.
func TestKnowsItsEchoes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *cytubetest.Config, _ *cytube.Config) { s.Channels[0].Ranks["rosey"] = 3 })
	w.join()
	alice := w.user("alice")
	for _, test := range []struct{ text, echo string }{
		{"plain", "plain"},
		{"*bold* `mono` ~~no~~", "*bold* `mono` ~~no~~"},
		{"[SP]hidden[/SP]", "[sp]hidden[/sp]"},
		{"<b> & \"q\" 's' (p)", "<b> & \"q\" 's' (p)"},
		{"see https://x.example/a_b_c?d=e&f.", "see https://x.example/a_b_c?d=e&f."},
		{"/kick alice", " /kick alice"},
		{"/me too", " /me too"},
		{">quote", ">quote"},
		{"a\nb", "a b"},
		{"日本 😀", "日本 😀"},
	} {
		ack := w.chat(test.text)
		s := w.echo(ack, 1)
		if got := field[string](s, "message"); got != test.echo || field[bool](s, "action") {
			t.Errorf("%q echoes as %q", test.text, got)
		}
	}
	w.ok(alice.Say(w.ctx, "still here"))
}

// Echoes that come late belong to what was said, not to what is being said.
func TestLateEchoes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(_ *cytubetest.Config, b *cytube.Config) { b.EchoTimeout = time.Second })
	b := w.join()
	again := w.logged("echo timeout, resending")
	w.ok(w.site.Stall(lounge, "Rosey"))
	first := w.chat("[SP]first[/SP]")
	again()
	w.counted(b, func(s cytube.Stats) bool { return s.Resent >= 1 })
	w.ok(w.site.Resume(lounge, "Rosey"))
	second := w.chat("[SP]second[/SP]")
	w.echo(second, 1)
	w.echo(w.chat("third"), 1)
	causes := map[string]int{}
	for _, s := range w.stored(event.SubjectChat) {
		causes[field[string](s, "message")+" "+s.Meta(event.MetaCausation)]++
	}
	for said := range causes {
		if said != "[sp]first[/sp] "+first.Ref.String() && said != "[sp]second[/sp] "+second.Ref.String() && !strings.HasPrefix(said, "third ") {
			t.Errorf("a line and its cause: %s", said)
		}
	}
	if causes["[sp]first[/sp] "+first.Ref.String()] < 2 {
		t.Errorf("got %v", causes)
	}
}

// An echo that comes when the bot is about to say the line again keeps it from
// doing so.
func TestEchoRightBeforeSayingAgain(t *testing.T) {
	t.Parallel()
	again, heard := make(chan struct{}), make(chan struct{})
	var asked atomic.Int32
	w := newWorld(t, func(_ *cytubetest.Config, b *cytube.Config) {
		b.EchoTimeout = 100 * time.Millisecond
		b.MaySpeak = func() bool { // asked right before a line is written
			if asked.Add(1) == 2 {
				close(again)
				<-heard
			}
			return true
		}
	})
	goOn := sync.OnceFunc(func() { close(heard) })
	defer goOn()
	w.join()
	w.ok(w.site.Stall(lounge, "Rosey"))
	late := w.chat("late")
	select {
	case <-again:
	case <-w.ctx.Done():
		t.Fatal("it is not about to say the line again")
	}
	w.ok(w.site.Resume(lounge, "Rosey"))
	w.echo(late, 1)
	goOn()
	w.echo(w.chat("next"), 1)
	said := slices.DeleteFunc(w.spoken(), func(text string) bool { return text == "next" }) // which may be late too, and said again
	if diff := cmp.Diff([]string{"late"}, said); diff != "" {
		t.Error(diff)
	}
}

// counted waits until the bot's counters are as wanted; they change without an
// event.
func (w *world) counted(b *bot, want func(cytube.Stats) bool) {
	w.t.Helper()
	for ticker := time.NewTicker(time.Millisecond); !want(b.Stats()); {
		select {
		case <-ticker.C:
		case <-w.ctx.Done():
			w.t.Fatalf("counters stay at %+v", b.Stats())
		}
	}
}
