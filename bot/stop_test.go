package bot_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/rosey-bot/rosey/bot"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
)

// A bot that stops lets the commands that it handles finish with the database, which
// ends after the plugins.
func TestStopWaitsForCommandsAtTheDatabase(t *testing.T) {
	t.Parallel()
	const writes = 20 // what the slowest machine does before the bot gives up waiting
	began, handled := make(chan struct{}), make(chan error, 10)
	counter := plugins.Plugin{
		Name: "counter", Version: "1.0.0", Description: "Counts",
		Commands: []plugins.Command{{Name: "count", Description: "counts", Handle: func(c *plugins.Context) (out []event.Envelope, err error) {
			for n := 0; n < writes && err == nil; n++ {
				if _, err = c.DB("counts").Set("last", map[string]int{"n": n}); n == 0 {
					close(began)
				}
			}
			handled <- err
			return c.Say("Counted to %d", writes), err
		}}},
	}
	settings := bot.DefaultSettings()
	settings.Store = t.TempDir()
	in, typed := io.Pipe()
	defer typed.Close()
	b := bot.New(settings, counter)
	b.Logger = slog.New(slog.DiscardHandler)
	b.Terminal = bot.Terminal{In: in}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx) }()
	if _, err := fmt.Fprintln(typed, "!count"); err != nil {
		t.Fatal(err)
	}
	<-began
	stop()
	for _, step := range []struct {
		what string
		done <-chan error
	}{{"the command", handled}, {"the bot", ended}} {
		select {
		case err := <-step.done:
			if err != nil {
				t.Errorf("%s: %v", step.what, err)
			}
		case <-time.After(time.Minute):
			t.Fatalf("%s did not end", step.what)
		}
	}
}
