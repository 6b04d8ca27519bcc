package cmd

import (
	"testing"

	"github.com/rosey-bot/rosey/event"
)

// With several channels only a send's own channel handles it, and the traces that are
// rebuilt from the streams know whose work the echo was.
func TestTracesOfSeveralChannels(t *testing.T) {
	t.Parallel()
	r := openChannels(t, "one", "two")
	w := newTraced(t)
	config := settingsFileWith(t, "site: %s\nuser: rosey\nchannels:\n  - channel: one\n  - channel: two\n", r.site.URL())
	w.bot = startWith(t, append(w.collector.Environ("http/protobuf"), "ROSEY_PASSWORD=secret"),
		"run", "--config", config, "--store", w.store, "--plugins", "dice-roller")
	for channel := range r.users {
		if err := r.site.WaitUser(r.ctx, channel, "rosey"); err != nil {
			t.Fatalf("%v\n%s", err, w.bot.stderr.String())
		}
	}
	w.connect()
	for channel, line := range map[string]string{"one": "!roll d6+1", "two": "!roll d6+2"} {
		r.say(channel, line)
		w.tree(w.stored(event.SubjectChat, line).CorrelationID, `
			send cytube.chat [producer rosey]
				process cytube.chat [consumer rosey]
					send plugin.{name}.command [producer rosey]
						process plugin.{name}.command [consumer rosey]
							send cytube.send.chat [producer rosey]
								process cytube.send.chat [consumer rosey]
									send cytube.chat [producer rosey]
										process cytube.chat [consumer rosey]
		`)
	}
	w.wellFormed()
	w.rebuilt()
}
