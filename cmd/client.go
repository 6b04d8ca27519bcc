package cmd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"github.com/rosey-bot/rosey/internal/client"
	"github.com/rosey-bot/rosey/internal/settings"
	"github.com/rosey-bot/rosey/streams/snapshot"
	"github.com/rosey-bot/rosey/telemetry"
)

// command is what every command that reads or changes the streams begins with.
type command struct {
	*client.Client
	settings settings.Settings
	log      *slog.Logger
}

// clientAction is an action that uses the streams.
type clientAction func(ctx context.Context, c *cli.Context, cmd command) error

// reading makes an action that can do with the store of a stopped bot.
func reading(do clientAction) cli.ActionFunc { return withClient(client.Open, do) }

// running makes an action that needs a server that runs.
func running(do clientAction) cli.ActionFunc { return withClient(client.Connect, do) }

// opener opens a client for the command of a name.
type opener func(ctx context.Context, s settings.Settings, name string, log *slog.Logger) (*client.Client, error)

func withClient(open opener, do clientAction) cli.ActionFunc {
	return withSettings(func(ctx context.Context, c *cli.Context, s settings.Settings, log *slog.Logger) (err error) {
		var cl *client.Client
		switch isBackup := !s.External() && snapshot.Is(s.Store); {
		case isBackup && slices.Contains(backupReaders, strings.TrimPrefix(c.Command.HelpName, c.App.Name+" ")):
			cl, err = openBackup(ctx, c, s, log)
		case !s.External():
			err = client.CheckStore(s.Store)
		}
		if cl == nil && err == nil {
			cl, err = open(ctx, s, c.Command.HelpName, log)
		}
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, cl.Close()) }()
		return do(ctx, c, command{Client: cl, settings: s, log: log})
	})
}

// backupReaders are the commands that read a backup like a store.
var backupReaders = []string{
	"replay", "trace", "audit", "channel show", "channel diff", "channel log", "status", "db ls", "db get", "db query", "db history", "db export", "dead ls", "dead show", "plugin ls",
	"settings ls", "settings get", "settings history",
}

// openBackup opens a backup in place of a store, and prints that it does.
func openBackup(ctx context.Context, c *cli.Context, s settings.Settings, log *slog.Logger) (*client.Client, error) {
	show, done := copyProgress(c.App.ErrWriter, "opened")
	cl, m, err := client.OpenBackup(ctx, s.Store, c.Command.HelpName, log, show)
	done()
	if err == nil {
		fmt.Fprintf(c.App.ErrWriter, "rosey: reading the backup %s, made %s\n", s.Store, m.Began.Local().Format(time.DateTime))
	}
	return cl, err
}

// withSettings makes an action of one that needs only the settings, and a context that
// a signal ends.
func withSettings(do func(ctx context.Context, c *cli.Context, s settings.Settings, log *slog.Logger) error) cli.ActionFunc {
	return func(c *cli.Context) (err error) {
		s, err := loadSettings(c)
		if err != nil {
			return err
		}
		log, err := newLogger(c, s, "warn")
		if err != nil {
			return err
		}
		ctx, stop := interruptible(c.Context, c.App.ErrWriter)
		defer stop()
		defer suppressCanceled(ctx, &err, errInterrupted)
		return do(ctx, c, s, log)
	}
}

// newLogger returns the logger that the settings ask for, or one of the given level
// where they name none.
func newLogger(c *cli.Context, s settings.Settings, level string) (*slog.Logger, error) {
	if s.LogLevel != "" {
		level = s.LogLevel
	}
	log, err := telemetry.NewLogger(c.App.ErrWriter, level, s.LogFormat)
	if err != nil {
		return nil, &usageError{err}
	}
	return log, nil
}

// isTerminal reports whether v, a reader or writer, is a terminal.
func isTerminal(v any) bool {
	f, ok := v.(interface{ Fd() uintptr })
	return ok && term.IsTerminal(int(f.Fd()))
}
