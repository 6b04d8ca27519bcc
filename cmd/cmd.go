// Package cmd is the command line of a bot, for the program that comes with it and
// for those that people build with plugins of their own:
//
//	func main() { cmd.Main(append(shipped.All(), greeter.New())...) }
package cmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/urfave/cli/v2"

	"github.com/rosey-bot/rosey/internal/settings"
	"github.com/rosey-bot/rosey/internal/terminal"
	"github.com/rosey-bot/rosey/internal/version"
	"github.com/rosey-bot/rosey/plugins"
)

// Main runs the command line with the plugins and exits: with 0 when the command
// succeeded, 1 when it failed, 2 when it was called wrongly.
func Main(plugins ...plugins.Plugin) {
	os.Exit(execute(context.Background(), plugins, os.Args, os.Stdin, os.Stdout, os.Stderr))
}

// Exit codes of the command line.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// usageError is a mistake in how the command was called.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }

// errUnhealthy makes the command exit with 1 after it printed why.
var errUnhealthy = errors.New("unhealthy")

// execute is the whole program; it returns the exit code.
func execute(ctx context.Context, plugins []plugins.Plugin, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer onBrokenPipe()()
	out := &output{Writer: stdout, onClosed: cancel}
	app := newApp(plugins, stdin, out, stderr)
	if words, ok := completionWords(args); ok {
		for _, s := range complete(ctx, app, words) {
			fmt.Fprintln(out, s)
		}
		return exitOK
	}
	err := app.RunContext(ctx, hoist(app, args))
	if err == nil || errors.Is(err, errUnhealthy) {
		err = cmp.Or(out.failure(), err)
	}
	var usage *usageError
	var mistake *settings.Error
	switch {
	case err == nil, out.closed() && (errors.Is(err, errInterrupted) || errors.Is(err, context.Canceled)):
		return exitOK
	case errors.Is(err, errUnhealthy), errors.Is(err, errInterrupted):
		return exitFailed
	case errors.As(err, &usage), errors.As(err, &mistake):
		complain(stderr, err)
		return exitUsage
	default:
		complain(stderr, err)
		return exitFailed
	}
}

// complain prints an error, which may quote what others wrote.
func complain(w io.Writer, err error) {
	fmt.Fprintf(w, "rosey: %s\n", terminal.EscapeLines(err.Error()))
}

// pluginsKey is where the application keeps the plugins that it was built with.
const pluginsKey = "plugins"

func pluginsOf(app *cli.App) []plugins.Plugin { return app.Metadata[pluginsKey].([]plugins.Plugin) }

func newApp(plugins []plugins.Plugin, stdin io.Reader, stdout, stderr io.Writer) *cli.App {
	app := &cli.App{
		Name:            "rosey",
		Usage:           "a CyTube chat bot whose every event is remembered",
		Version:         version.String(),
		HideHelpCommand: true,
		Metadata:        map[string]any{pluginsKey: plugins},

		Reader:    stdin,
		Writer:    stdout,
		ErrWriter: stderr,
		Description: `Without a channel, "rosey run" opens a channel of its own in the terminal:

   rosey run                                   type as a user, see the bot answer
   echo '!roll 2d6+3' | rosey run --local      one command through a pipe
   rosey run --site https://cytu.be --channel mychannel --user rosey --password-file pw
   rosey replay --since 1h                     what happened in the last hour
   rosey status                                what runs, and is it well

Every setting can also stand in ROSEY_* variables or in a YAML file (--config);
a flag wins over a variable, a variable over the file.`,
		Commands: commands(),
		Action: func(c *cli.Context) error {
			if c.Args().Present() {
				return errNoCommand(c.App.Name, c.Args().First(), c.App.Commands)
			}
			return cli.ShowAppHelp(c)
		},
		ExitErrHandler: func(*cli.Context, error) {},
	}
	// The library leaves its flag out where there is a command of the name.
	app.Flags = append(globalFlags(), cli.HelpFlag)
	app.OnUsageError = func(c *cli.Context, err error, _ bool) error { return flagError(c.Command, err) }
	prepare(app.Commands, app.OnUsageError)
	return app
}

// prepare gives commands, and those below them, what all have: the global flags, checks
// of what they are called with, and errors that say what to do.
func prepare(commands []*cli.Command, onUsageError cli.OnUsageErrorFunc) {
	for _, c := range commands {
		c.HideHelpCommand, c.OnUsageError = true, onUsageError
		if c.Action != nil {
			c.Flags = append(c.Flags, globalFlags()...)
		}
		if below := c.Subcommands; len(below) > 0 {
			action := c.Action
			if action == nil {
				action = cli.ShowSubcommandHelp
			}
			c.Action = func(c *cli.Context) error {
				if c.Args().Present() {
					return errNoCommand(c.Command.HelpName, c.Args().First(), below)
				}
				return action(c)
			}
		}
		c.Action = checked(c.Action)
		prepare(c.Subcommands, onUsageError)
	}
}

// commands lists every command, each from the file of its name.
func commands() []*cli.Command {
	return []*cli.Command{
		runCommand(),
		replayCommand(),
		traceCommand(),
		auditCommand(),
		automodCommand(),
		pluginCommand(),
		settingsCommand(),
		grantCommand(),
		revokeCommand(),
		grantsCommand(),
		dbCommand(),
		deadCommand(),
		sendCommand(),
		channelCommand(),
		statusCommand(),
		consoleCommand(),
		doctorCommand(),
		backupCommand(),
		restoreCommand(),
		benchCommand(),
		versionCommand(),
		completionCommand(),
		helpCommand(),
		manCommand(),
	}
}
