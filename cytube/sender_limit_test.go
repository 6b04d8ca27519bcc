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
	"github.com/rosey-bot/rosey/streams/streamstest"
)

func TestSplitsLongMessages(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *cytubetest.Config, _ *cytube.Config) { s.NoPages = true })
	w.join()
	words := strings.Repeat("word ", 119) + "end"
	for _, test := range []struct {
		subject string
		payload any
		mark    string
	}{
		{event.SubjectSendChat, event.SendChat{Message: words}, ""},
		{event.SubjectSendEmote, event.SendEmote{Emote: words, Channel: lounge}, "* "},
	} {
		before := len(w.spoken())
		ack := w.send(test.subject, test.payload)
		for part := 1; part <= 3; part++ {
			s := w.echo(ack, part)
			if n := len(field[string](s, "message")) + 2*len(test.mark); n > 240 || s.CorrelationID != w.correlation(ack) {
				t.Errorf("part %d is %d long, correlation %s", part, n, s.CorrelationID)
			}
		}
		var said []string
		for _, l := range w.spoken()[before:] {
			mark := test.mark + fmt.Sprintf("(%d/3) ", len(said)+1)
			text, ok := strings.CutPrefix(l, mark)
			if !ok {
				t.Errorf("%q lacks %q", l, mark)
			}
			said = append(said, text)
		}
		if strings.Join(said, " ") != words || len(said) != 3 {
			t.Errorf("said %q", said)
		}
	}
}

// A plugin that says a megabyte is refused, and keeps nobody else from speaking.
func TestSaysNoMegabyte(t *testing.T) {
	t.Parallel()
	streamstest.Slow(t, "says a megabyte")
	w := newWorld(t)
	b := w.join()
	text := strings.Repeat("word ", 200_000)
	sends := []streams.Ack{
		w.chat(text), w.send(event.SubjectSendEmote, event.SendEmote{Emote: text, Channel: lounge}),
		w.send(event.SubjectSendPM, event.SendPM{To: "alice", Message: text}),
	}
	next := w.chat("next")
	for _, ack := range sends {
		if d := w.delivery(ack); d.Status != event.DeliveryRefused || !strings.Contains(d.Reason, "a send may take 100") {
			t.Errorf("got %+v", d)
		}
	}
	w.echo(next, 1)
	if diff := cmp.Diff([]string{"next"}, w.spoken()); diff != "" {
		t.Error(diff)
	}
	w.counted(b, func(s cytube.Stats) bool { return s.Sent == 1 && s.Refused == int64(len(sends)) })
	t.Logf("%d sends of %d bytes each: refused, and what came next was said", len(sends), len(text))
}

// A part that was heard is not said again because a later one was not.
func TestResumesASplitMessage(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(_ *cytubetest.Config, b *cytube.Config) { b.MessageLimit = 10 })
	w.join()
	w.echo(w.chat("ahead"), 1)
	w.site.Fail(lounge, "rosey", 1, cytubetest.FaultDrop)
	ack := w.chat("aaaaaaaaa bbbbbbbbb ccccccccc")
	w.echo(ack, 3)
	if diff := cmp.Diff([]string{"ahead", "aaaaaaaaa", "bbbbbbbbb", "ccccccccc"}, w.spoken()); diff != "" {
		t.Error(diff)
	}
}

// A server that cuts lines shorter than the bot thought is heard to do so: the bot says
// what was cut off, and no longer lines after that.
func TestLearnsTheServersLimitFromACutLine(t *testing.T) {
	t.Parallel()
	words, letters := strings.Repeat("word ", 10), strings.Repeat("a", 49)
	for _, test := range []struct{ name, long, cut, rest string }{
		{"at a word", words + "word end", words, "word end"},
		{"inside of an emoji", letters + "😀 and more", letters, "😀 and more"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, func(s *cytubetest.Config, _ *cytube.Config) { s.MaxMessage, s.NoPages = 50, true })
			w.join()
			w.echo(w.chat(test.long), 1)
			w.echo(w.chat("after"), 1)
			w.echo(w.chat(test.long), 2)
			want := []string{test.cut, test.rest, "after", strings.TrimSpace(test.cut), test.rest}
			if diff := cmp.Diff(want, w.spoken()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A server tells on the channel's page how long a line may be: the bot splits there, or
// where its own limit is less.
func TestSplitsAtTheServersLimit(t *testing.T) {
	t.Parallel()
	text := strings.TrimSpace(strings.Repeat("word ", 140)) // 699
	for _, test := range []struct {
		name        string
		server, own int
		lines       int
	}{
		{"above 240", 1000, 0, 1}, {"CyTube's default", 320, 0, 3}, {"below 240", 120, 0, 7}, {"its own is less", 1000, 240, 3}, {"its own is more", 320, 900, 3},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, func(s *cytubetest.Config, b *cytube.Config) { s.MaxMessage, b.MessageLimit = test.server, test.own })
			w.join()
			w.echo(w.chat(text), test.lines)
			for _, line := range w.spoken() {
				if len(line) > test.server || test.own > 0 && len(line) > test.own {
					t.Errorf("%d characters: %q", len(line), line)
				}
			}
			if n := len(w.spoken()); n != test.lines {
				t.Errorf("%d lines, want %d", n, test.lines)
			}
		})
	}
}

// So it does with what it is to say before it has joined for the first time.
func TestSplitsAtTheServersLimitBeforeTheFirstSession(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *cytubetest.Config, _ *cytube.Config) { s.MaxMessage = 320 })
	w.site.Refuse("Rate limit exceeded")
	w.start()
	text := strings.TrimSpace(strings.Repeat("word ", 60)) // 299
	ack := w.chat(text)
	w.ok(until(w.ctx, func() bool {
		c, err := w.bus.JetStream().Consumer(w.ctx, streams.Cytube, "cytube-sender")
		return err == nil && c.CachedInfo().NumAckPending == 1
	}))
	w.site.Refuse("")
	w.echo(ack, 1)
	if diff := cmp.Diff([]string{text}, w.spoken()); diff != "" {
		t.Error(diff)
	}
}
