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

// lockLog is a log that is closed by the message that the store is locked.
type lockLog chan struct{}

func (l lockLog) Write(b []byte) (int, error) {
	if strings.Contains(string(b), "store locked, waiting") {
		close(l)
	}
	return len(b), nil
}

// A bot waits for who only looks at its store, and not for another bot.
func TestStoreInUse(t *testing.T) {
	streamstest.Slow(t, "waits for a lock")
	t.Parallel()
	store, limit := t.TempDir(), time.Minute
	first, err := embedded.Start(embedded.Config{Store: store, Holder: "rosey status"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := embedded.Start(embedded.Config{Store: store, Holder: "rosey replay"}); !errors.Is(err, embedded.ErrStoreInUse) {
		t.Errorf("without a lock timeout: %v", err)
	}
	waits := make(lockLog)
	go func() {
		<-waits
		if err := first.Stop(); err != nil {
			t.Error(err)
		}
	}()
	bot := embedded.Config{Store: store, Holder: "rosey run", LockTimeout: limit, Logger: slog.New(slog.NewTextHandler(waits, nil))}
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
