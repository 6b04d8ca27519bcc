package bot_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"github.com/rosey-bot/rosey/bot"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
)

// A program embeds a bot with a plugin of its own. Without a channel in the settings the
// bot opens one in the process, for which the program's input and output are the terminal.
func ExampleBot_Run() {
	store, err := os.MkdirTemp("", "rosey-example-")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(store)
	greeter := plugins.Plugin{
		Name: "greeter", Version: "1.0.0", Description: "Says hello",
		Commands: []plugins.Command{{Name: "hello", Description: "greets you", Handle: func(c *plugins.Context) ([]event.Envelope, error) {
			return c.Say("Hello, %s!", c.Command.User), nil
		}}},
	}
	settings := bot.DefaultSettings()
	settings.Store = store
	b := bot.New(settings, greeter)
	b.Logger = slog.New(slog.DiscardHandler)
	b.Terminal = bot.Terminal{In: strings.NewReader("!hello\n"), Out: os.Stdout}
	if err := b.Run(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// operator: !hello
	// rosey: Hello, operator!
}
