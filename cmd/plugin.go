package cmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/urfave/cli/v2"

	"github.com/rosey-bot/rosey/bot"
	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/internal/timeparse"
	"github.com/rosey-bot/rosey/plugins/host"
)

func pluginCommand() *cli.Command {
	return &cli.Command{
		Name:  "plugin",
		Usage: "list, run, pause and make plugins",
		Description: `   rosey plugin ls
   rosey plugin pause trivia && rosey plugin resume trivia

A plugin as its own process, beside a bot in another terminal:

   rosey run --plugins none
   rosey plugin run trivia`,
		Subcommands: []*cli.Command{
			{Name: "ls", Usage: "registered plugins: whether they run, how far behind they are, their commands",
				Description: `   rosey plugin ls
   rosey plugin ls --built-in`,
				Flags: []cli.Flag{outputFlag(), &cli.BoolFlag{Name: "built-in", Usage: "those that this program was built with, whether a bot runs or not"}},
				Action: func(c *cli.Context) error {
					if c.Bool("built-in") {
						return listBuiltIn(c)
					}
					return reading(listPlugins)(c)
				}},
			{Name: "info", Usage: "what a plugin is, what it reads and has, and what it may", ArgsUsage: "NAME",
				Description: `   rosey plugin info trivia`,
				Flags:       []cli.Flag{outputFlag()}, Action: ofOne("plugin", reading(pluginInfo))},
			{Name: "run", Usage: "run a shipped plugin in this process, for a bot that runs elsewhere", ArgsUsage: "NAME",
				Description: `Several processes of one plugin share its work; nothing is done twice.

   rosey plugin run trivia
   rosey plugin run trivia --creds trivia.creds      see rosey plugin creds

Where a bot started this process, NATS_URL, NATS_CREDS and ROSEY_PLUGIN say where the bot is
and what the plugin is called there, and NAME may be left out.`,
				Flags:  []cli.Flag{&cli.StringFlag{Name: "metrics", Usage: "serve /metrics, /healthz and /readyz at `ADDR`, such as 127.0.0.1:9465"}},
				Action: runPlugin},
			{Name: "restart", Usage: "start every process of a plugin over", ArgsUsage: "NAME", Description: `   rosey plugin restart trivia`, Action: ofOne("plugin", running(onPlugin(restartPlugin)))},
			{Name: "pause", Usage: "leave a plugin's commands in the stream until it is resumed", ArgsUsage: "NAME",
				Description: `   rosey plugin pause trivia
   rosey plugin pause trivia --for 30m`,
				Flags: []cli.Flag{&cli.StringFlag{Name: "for", Usage: "resume by itself after a `TIME` or at one, such as 30m, 1d12h or fri 20:00", Action: checkFor}}, Action: ofOne("plugin", reading(onPlugin(pausePlugin)))},
			{Name: "resume", Usage: "handle pending events; commands past their max_age are recorded as expired", ArgsUsage: "NAME", Description: `   rosey plugin resume trivia`, Action: ofOne("plugin", reading(onPlugin(resumePlugin)))},
			{Name: "prefer", Usage: "give a command that several plugins registered to one of them", ArgsUsage: "NAME COMMAND",
				Description: `A command belongs to the plugin that registered it first. Another one that registers it waits, with a warning in the log.

   rosey plugin prefer my-dice roll`,
				Flags:  []cli.Flag{&cli.StringFlag{Name: "prefix", Usage: "what commands start with (default: !)", EnvVars: []string{envName("prefix")}}},
				Action: reading(preferPlugin)},
			addPluginCommand(),
			grantPluginCommand(),
			revokePluginCommand(),
			removePluginCommand(),
			credsCommand(),
			newPluginCommand(),
			devPluginCommand(),
			verifyPluginCommand(),
			shadowPluginCommand(),
		},
	}
}

func listPlugins(ctx context.Context, c *cli.Context, cmd command) error {
	list, err := pluginStatuses(ctx, cmd)
	if err != nil {
		return err
	}
	if len(list) == 0 && !wantJSON(c) {
		fmt.Fprintln(c.App.Writer, "no plugin is registered yet: start the bot with rosey run, or a plugin with rosey plugin run NAME")
		return nil
	}
	headers := table.Row{"plugin", "version", "state", "processes", "behind", "unacknowledged", "rank", "commands"}
	return printList(c, list, headers, func(p host.Status) table.Row {
		return table.Row{p.Name, p.Version, stateOf(p), p.Processes, p.Lag, p.Unacked, p.MinRank, cmp.Or(p.Problem, commandsOf(p))}
	})
}

// pluginStatuses returns the plugins that are registered, or run by a bot as programs.
func pluginStatuses(ctx context.Context, cmd command) ([]host.Status, error) {
	list, err := host.Statuses(ctx, cmd.Conn, cmd.JS)
	if err != nil || !cmd.Running {
		return list, err
	}
	bots, err := bot.QueryStatuses(ctx, cmd.Conn)
	if errors.Is(err, bot.ErrNoAnswer) { // a server without a bot
		return list, nil
	}
	for _, b := range bots {
		list = host.WithProcesses(list, b.Processes)
	}
	return list, err
}

// stateOf returns the state of a plugin, that of its process if the bot runs one, and how
// much of the past it has read.
func stateOf(p host.Status) string {
	state := p.State
	if p.Process != nil {
		state = p.Process.Text()
		if p.State == host.StatePaused {
			state = p.State + "; " + state
		}
	}
	if len(p.Others) > 0 {
		state += "; version " + strings.Join(p.Others, ", ") + " runs, too"
	}
	if p.Past != nil {
		state += "; " + p.Past.String()
	}
	return state
}

// commandsOf lists the commands of a plugin, and those of them that belong to others.
func commandsOf(p host.Status) string {
	commands := strings.Join(p.Commands, " ")
	if len(p.Waiting) > 0 {
		commands += " (waits for " + strings.Join(p.Waiting, " ") + ")"
	}
	return commands
}

// onPlugin makes an action of one that does something to the plugin named, and prints
// what it returns.
func onPlugin(do func(ctx context.Context, c *cli.Context, cmd command, name string) (done string, err error)) clientAction {
	return func(ctx context.Context, c *cli.Context, cmd command) error {
		done, err := do(ctx, c, cmd, c.Args().First())
		if err == nil {
			fmt.Fprintln(c.App.Writer, done)
		}
		return err
	}
}

func restartPlugin(ctx context.Context, _ *cli.Context, cmd command, name string) (string, error) {
	n, err := host.Restart(ctx, cmd.Conn, name)
	return fmt.Sprintf("told %d process(es) of %s to start over", n, name), err
}

// forTime returns the end of --for: how long, or until when.
func forTime(text string) (time.Time, error) {
	now := time.Now()
	t, err := timeparse.Parse(text, now, timeparse.Future)
	if err == nil {
		err = t.Err()
	}
	if err == nil && !t.After(now) {
		err = fmt.Errorf("%s is over", t.Format(time.DateTime))
	}
	if err != nil {
		return time.Time{}, usagef("--for: %w", err)
	}
	return t.Time, nil
}

// checkFor refuses what is no time before a store is opened for it.
func checkFor(_ *cli.Context, text string) error {
	_, err := forTime(text)
	return err
}

func pausePlugin(ctx context.Context, c *cli.Context, cmd command, name string) (string, error) {
	var until time.Time
	said := "until it is resumed"
	if text := c.String("for"); text != "" {
		var err error
		if until, err = forTime(text); err != nil {
			return "", err
		}
		said = "until " + until.Format(time.DateTime)
	}
	return fmt.Sprintf("%s is paused %s; its commands wait in the stream", name, said), host.Pause(ctx, cmd.JS, name, until)
}

func resumePlugin(ctx context.Context, _ *cli.Context, cmd command, name string) (string, error) {
	waiting, err := host.Resume(ctx, cmd.JS, name)
	return fmt.Sprintf("%s is resumed, with %d event(s) waiting", name, waiting), err
}

func preferPlugin(ctx context.Context, c *cli.Context, cmd command) error {
	if c.Args().Len() != 2 {
		return usagef("give a plugin and a command: %s %s", c.Command.HelpName, c.Command.ArgsUsage)
	}
	kv, err := router.OpenBucket(ctx, cmd.JS, 1)
	if err != nil {
		return err
	}
	name, command := c.Args().Get(0), c.Args().Get(1)
	if err := router.Prefer(ctx, kv, name, command, cmd.settings.Prefix); err != nil {
		return err
	}
	fmt.Fprintf(c.App.Writer, "%s has the command %s now\n", name, command)
	return nil
}
