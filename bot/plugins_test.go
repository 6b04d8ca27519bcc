package bot_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"

	"github.com/rosey-bot/rosey/bot"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// S38: Of plugins one fails at its start, one never gets ready and one answers a command late:
// the others answer, and so does the bot; what failed is named with its error.
func TestOnePluginHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(streamstest.Context(t))
	defer stop()
	says := func(name string, handle plugins.Handler) plugins.Plugin {
		return plugins.Plugin{Name: name, Version: "1.0.0", Commands: []plugins.Command{{Name: name, Description: name, Handle: handle}}}
	}
	late := make(chan struct{})
	broken, hanging := says("broken", nothing), says("hanging", nothing)
	broken.Start = func(*plugins.Context) error { return errors.New("no such file") }
	hanging.Start = func(c *plugins.Context) error { <-c.Done(); return c.Err() }
	slow := says("slow", func(c *plugins.Context) ([]event.Envelope, error) { <-late; return c.Say("at last"), nil })
	quick := says("quick", func(c *plugins.Context) ([]event.Envelope, error) { return c.Say("at once"), nil })

	settings := bot.DefaultSettings()
	settings.Store = t.TempDir()
	in, typed := io.Pipe()
	out, log := make(heard, 100), make(heard, 1000)
	b := bot.New(settings, broken, hanging, slow, quick)
	b.Logger, b.Terminal = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelWarn})), bot.Terminal{In: in, Out: out}
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx) }()
	for _, line := range []string{"!slow\n", "!quick\n"} {
		if _, err := io.WriteString(typed, line); err != nil {
			t.Fatal(err)
		}
	}
	out.await(ctx, t, "at once")
	close(late)
	out.await(ctx, t, "at last")
	if err := typed.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	log.await(ctx, t, `plugin=broken error="start: no such file"`)
}

func nothing(*plugins.Context) ([]event.Envelope, error) { return nil, nil }

// await waits until it hears a text.
func (h heard) await(ctx context.Context, t *testing.T, text string) {
	t.Helper()
	for {
		select {
		case line := <-h:
			if strings.Contains(line, text) {
				return
			}
		case <-ctx.Done():
			t.Fatalf("%q was not heard", text)
		}
	}
}
