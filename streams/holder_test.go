package streams_test

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/rosey-bot/rosey/streams"
)

// told is a log that is told of one thing.
type told chan struct{}

func (t told) Write(b []byte) (int, error) {
	if strings.Contains(string(b), "waiting until the store is free") {
		close(t)
	}
	return len(b), nil
}

// A bot waits for who only looks at its store, and not for another bot.
func TestStoreInUse(t *testing.T) {
	t.Parallel()
	store, patience := t.TempDir(), time.Minute
	first, err := streams.StartServer(streams.ServerConfig{Store: store, Holder: "rosey status"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := streams.StartServer(streams.ServerConfig{Store: store, Holder: "rosey replay"}); !errors.Is(err, streams.ErrStoreInUse) {
		t.Errorf("without patience: %v", err)
	}
	waits := make(told)
	go func() {
		<-waits
		if err := first.Stop(); err != nil {
			t.Error(err)
		}
	}()
	bot := streams.ServerConfig{Store: store, Holder: "rosey run", Patience: patience, Logger: slog.New(slog.NewTextHandler(waits, nil))}
	second, err := streams.StartServer(bot)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := streams.StartServer(bot); !errors.Is(err, streams.ErrStoreInUse) || !strings.Contains(err.Error(), "rosey run (pid ") {
		t.Errorf("beside another bot: %v", err)
	}
	if err := second.Stop(); err != nil {
		t.Error(err)
	}
}
