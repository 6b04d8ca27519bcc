package seen

import (
	"testing"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins/plugintest"
	"github.com/rosey-bot/rosey/streams"
)

// A store whose past an earlier release has read, which did not count what was watched, counts it
// from the first event, and keeps messages and names.
func TestStoreOfAnEarlierRelease(t *testing.T) {
	t.Parallel()
	channel := plugintest.Run(t, New())
	join(channel, "carol")
	channel.Publish(event.SubjectMediaChange, event.MediaChange{ // whose middle is a moment later
		Title: "Nosferatu", URL: "https://youtu.be/y", Type: "yt", Duration: 100, Channel: plugintest.ChannelName, Extra: event.Extra{"position": []byte("49.999")},
	})
	types(channel, [2]string{"carol", "what a film"})
	leave(channel, "carol")
	channel.Settle(Name)
	answers(t, channel, "bob", 1, "!tell carol it was good", "✉️ I will tell carol")
	earlier, err := event.Encode(Person{Channel: plugintest.ChannelName, User: "carol", First: 1, Lines: 1})
	if err == nil {
		_, err = channel.Request(event.SubjectSet, event.Set{Collection: People, ID: key(plugintest.ChannelName, "carol"), Data: earlier})
	}
	if err != nil {
		t.Fatal(err)
	}
	answers(t, channel, "bob", 1, "!top watched", "❌ there is nobody to rank by watched yet")
	kv, err := channel.Bus.JetStream().KeyValue(t.Context(), streams.Checkpoints)
	if err == nil {
		err = kv.Delete(t.Context(), "projection."+Name)
	}
	if err != nil {
		t.Fatal(err)
	}
	channel.Restart(Name)
	channel.Settle(Name)
	answers(t, channel, "bob", 1, "!top watched", "🏅 watched: 1. carol 1")
	answers(t, channel, "bob", 1, "!tells", "✉️ #1 @carol: it was good")
}
