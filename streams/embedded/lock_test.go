package embedded_test

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/rosey-bot/rosey/streams/embedded"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// told is a log that is told of one thing.
type told chan struct{}

func (t told) Write(b []byte) (int, error) {
	if strings.Contains(string(b), "store locked, waiting") {
		close(t)
	}
	return len(b), nil
}

// A bot waits for who only looks at its store, and not for another bot.
func TestStoreInUse(t *testing.T) {
	streamstest.Slow(t, "waits for a lock")
	t.Parallel()
	store, patience := t.TempDir(), time.Minute
	first, err := embedded.Start(embedded.Config{Store: store, Holder: "rosey status"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := embedded.Start(embedded.Config{Store: store, Holder: "rosey replay"}); !errors.Is(err, embedded.ErrStoreInUse) {
		t.Errorf("without patience: %v", err)
	}
	waits := make(told)
	go func() {
		<-waits
		if err := first.Stop(); err != nil {
			t.Error(err)
		}
	}()
	bot := embedded.Config{Store: store, Holder: "rosey run", LockTimeout: patience, Logger: slog.New(slog.NewTextHandler(waits, nil))}
	second, err := embedded.Start(bot)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := embedded.Start(bot); !errors.Is(err, embedded.ErrStoreInUse) || !strings.Contains(err.Error(), "rosey run (pid ") {
		t.Errorf("beside another bot: %v", err)
	}
	if err := second.Stop(); err != nil {
		t.Error(err)
	}
}
