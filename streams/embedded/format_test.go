package embedded_test

import (
	"strings"
	"testing"

	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/embedded"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// S40: A store of a newer format is refused in plain words, by who opens it and by who opens
// its streams on an external server.
func TestNewerStore(t *testing.T) {
	t.Parallel()
	store := t.TempDir()
	s := startStore(t, store, nil)
	bus := streamstest.Bus(t, s)
	stream, err := bus.JetStream().Stream(t.Context(), streams.Platform)
	if err != nil {
		t.Fatal(err)
	}
	config := stream.CachedInfo().Config
	if config.Metadata["rosey-format"] != "1" {
		t.Errorf("metadata %v", config.Metadata)
	}
	config.Metadata["rosey-format"] = "2"
	if _, err := bus.JetStream().UpdateStream(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	err = streams.Open(t.Context(), bus.JetStream(), streams.Options{})
	stop(t, bus, s)
	_, again := embedded.Start(embedded.Config{Store: store})
	for name, err := range map[string]error{"Open": err, "Start": again} {
		if err == nil || !strings.Contains(err.Error(), "newer version") || !strings.Contains(err.Error(), streams.Platform) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
