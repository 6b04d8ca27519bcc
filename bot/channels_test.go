package bot

import (
	"log/slog"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/streams/streamstest"
)

// The lines of another bot on the same server are a bot's, also to the router of this one:
// two bots that answer each other would never end.
func TestKnowsOtherBots(t *testing.T) {
	t.Parallel()
	ctx := streamstest.Context(t)
	js := streamstest.Bus(t, streamstest.Server(t)).JetStream()
	isBot := channels{}.isAnyBot(js, slog.New(slog.DiscardHandler))
	if isBot("lounge", "Other") {
		t.Error("somebody is a bot in a channel that no bot was in")
	}
	kv, err := js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: "channels"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kv.Put(ctx, "lounge", []byte(`{"seq":1,"line":0,"time":0,"n":0,"bot":"Other"}`)); err != nil {
		t.Fatal(err)
	}
	if !isBot("Lounge", "OTHER") || isBot("lounge", "alice") {
		t.Error("the other bot is not told from its users")
	}
}
