package cytube_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/rosey-bot/rosey/cytube"
	"github.com/rosey-bot/rosey/cytube/cytubetest"
	"github.com/rosey-bot/rosey/cytube/past"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// recorded counts what is stored of what the channel is.
func (w *world) recorded() (events, bytes int) {
	for _, subject := range []string{event.SubjectState, "cytube.media.>", "cytube.channel.>"} {
		for _, s := range w.stored(subject) {
			events, bytes = events+1, bytes+len(s.Data)
		}
	}
	return events, bytes
}

// largeChannel makes a channel with items and emotes.
func largeChannel(t testing.TB, items, emotes int) *world {
	t.Helper()
	w := newWorld(t, owned, func(site *cytubetest.Config, _ *cytube.Config) { site.Channels[0].Ranks["mod"] = 3 })
	w.films(items)
	list := []map[string]string{}
	for i := range emotes {
		list = append(list, map[string]string{"name": fmt.Sprintf(":emote%d:", i), "image": fmt.Sprintf("https://example.org/emotes/%d.png", i)})
	}
	mod := w.user("mod")
	w.ok(mod.Emit(w.ctx, "importEmotes", list))
	w.ok(mod.Say(w.ctx, "imported"))
	mod.Close()
	return w
}

// visit has a bot join and leave once it has recorded the channel, and returns how long that
// took.
func (w *world) visit() time.Duration {
	w.t.Helper()
	began := time.Now()
	b := w.join()
	w.echo(w.chat(fmt.Sprint("joined at ", began.UnixNano())), 1)
	took := time.Since(began)
	w.ok(b.stop())
	return took
}

// What a channel has is stored at the first join, and nothing of it at the next.
func TestLargeJoin(t *testing.T) {
	t.Parallel()
	streamstest.Slow(t, "records hundreds of items")
	w := largeChannel(t, 500, 200)
	w.visit()
	first, _ := w.recorded()
	w.visit()
	if again, _ := w.recorded(); first == 0 || again != first {
		t.Errorf("%d events, and %d after the second join", first, again)
	}
	if m, err := past.At(w.ctx, w.bus.JetStream(), lounge, time.Time{}); err != nil || len(m.Playlist) != 500 || len(m.Emotes) != 200 {
		t.Errorf("%d items, %d emotes: %v", len(m.Playlist), len(m.Emotes), err)
	}
}

// BenchmarkLargeJoin joins a channel of 5,000 items and 2,000 emotes, which stores nothing but
// the first time.
func BenchmarkLargeJoin(b *testing.B) {
	w := largeChannel(b, 5000, 2000)
	first := w.visit()
	events, bytes := w.recorded()
	for b.Loop() {
		w.visit()
	}
	b.ReportMetric(first.Seconds(), "s/first")
	b.ReportMetric(float64(events), "events/first")
	b.ReportMetric(float64(bytes), "B/first")
	if again, _ := w.recorded(); again != events {
		b.Errorf("%d events more", again-events)
	}
}
