package bot_test

import (
	"context"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rosey-bot/rosey/bot"
	"github.com/rosey-bot/rosey/plugins/shipped"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// warnings is a log handler that keeps what needs an operator's attention.
type warnings struct {
	mu   sync.Mutex
	list []string
}

func (w *warnings) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelWarn }
func (w *warnings) WithAttrs([]slog.Attr) slog.Handler           { return w }
func (w *warnings) WithGroup(string) slog.Handler                { return w }

func (w *warnings) Handle(_ context.Context, r slog.Record) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	line := r.Message
	r.Attrs(func(a slog.Attr) bool { line += " " + a.String(); return true })
	w.list = append(w.list, line)
	return nil
}

// heard passes on what is said in the bot's own channel.
type heard chan string

func (h heard) Write(p []byte) (int, error) {
	h <- string(p)
	return len(p), nil
}

// A bot that starts on a new store, answers a command and stops has nothing to complain
// about.
func TestFirstStartLogsNoWarning(t *testing.T) {
	t.Parallel()
	streamstest.Slow(t, "runs all plugins")
	settings := bot.DefaultSettings()
	settings.Store = t.TempDir()
	in, typed := io.Pipe()
	out, log := make(heard, 100), &warnings{}
	b := bot.New(settings, shipped.All()...)
	b.Logger = slog.New(log)
	b.Terminal = bot.Terminal{In: in, Out: out}
	ended := make(chan error, 1)
	go func() { ended <- b.Run(t.Context()) }()
	if _, err := io.WriteString(typed, "!roll 2d6\n"); err != nil {
		t.Fatal(err)
	}
	for timeout := time.After(time.Minute); ; {
		select {
		case line := <-out:
			if !strings.Contains(line, "2d6") || strings.Contains(line, "!roll") {
				continue
			}
		case <-timeout:
			t.Fatal("no answer")
		}
		break
	}
	if err := typed.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if len(log.list) > 0 {
		t.Errorf("it warned of\n%s", strings.Join(log.list, "\n"))
	}
}
