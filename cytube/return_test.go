package cytube_test

import (
	"testing"
	"time"

	"github.com/rosey-bot/rosey/cytube"
	"github.com/rosey-bot/rosey/cytube/cytubetest"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// A connection that breaks again and again, but works in between, does not keep
// the bot away longer each time: what scrolls out of the chat buffer is lost.
func TestComesBackSoonEachTime(t *testing.T) {
	streamstest.Slow(t, "reconnects many times")
	t.Parallel()
	w := newWorld(t, func(_ *cytubetest.Config, b *cytube.Config) { b.RetryMax = time.Hour })
	w.join()
	for range 15 { // doubling from 5 ms that would be minutes
		for up := time.Now(); time.Since(up) < 20*time.Millisecond; {
			w.echo(w.chat("I am here"), 1)
		}
		w.ok(w.site.Drop(lounge, "Rosey"))
		w.connection(event.StateUp)
	}
}
