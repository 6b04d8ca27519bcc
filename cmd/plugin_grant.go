package cmd

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins/host"
)

// capabilitiesHelp says what can be granted.
const capabilitiesHelp = `
A plugin with credentials of its own (rosey plugin creds) may use its own collections and
read its own commands and the public events that its registration declares. A capability
lets it do more:

   storage:quotes         read and write another plugin's collection quotes
   storage:quotes:read    only read it
   read:cytube.pm         read events that are private, or not in its registration`

func grantPluginCommand() *cli.Command {
	return &cli.Command{
		Name: "grant", Usage: "let a plugin with credentials of its own do more", ArgsUsage: "NAME CAPABILITY…",
		Description: `   rosey plugin grant stats storage:quotes:read
   rosey plugin grant mailbox read:cytube.pm
` + capabilitiesHelp,
		Action: reading(grantPlugin),
	}
}

func revokePluginCommand() *cli.Command {
	return &cli.Command{
		Name: "revoke", Usage: "take back what was granted", ArgsUsage: "NAME CAPABILITY…",
		Description: `   rosey plugin revoke stats storage:quotes:read

The database asks at each request. What a plugin reads already, it reads until it starts
again: see rosey plugin restart, and rosey plugin creds NAME --revoke, which ends its
connections.`,
		Action: reading(revokePlugin),
	}
}

func grantPlugin(ctx context.Context, c *cli.Context, cmd command) error {
	if c.Args().Len() < 2 {
		return usagef("give a plugin and a capability, such as storage:quotes: %s %s", c.Command.HelpName, c.Command.ArgsUsage)
	}
	name, capabilities := c.Args().First(), c.Args().Tail()
	if !event.ValidName(name) {
		return usagef("%q is not a plugin's name: it is 1 to %d of A-Z a-z 0-9 _ -", name, event.MaxNameLength)
	}
	for _, capability := range capabilities {
		if err := router.CheckCapability(capability); err != nil {
			return &usageError{err}
		}
	}
	kv, err := router.OpenBucket(ctx, cmd.JS, 1)
	if err != nil {
		return err
	}
	if err := router.GrantCapabilities(ctx, kv, name, capabilities...); err != nil {
		return err
	}
	fmt.Fprintf(c.App.Writer, "%s may %s now\n", name, strings.Join(capabilities, ", "))
	registered, err := host.Registered(ctx, cmd.JS, name)
	if err == nil && !registered {
		fmt.Fprintf(c.App.ErrWriter, "rosey: no plugin %s is registered yet; if the name is a mistake, rosey plugin revoke undoes this\n", name)
	}
	return err
}

func revokePlugin(ctx context.Context, c *cli.Context, cmd command) error {
	if c.Args().Len() < 2 {
		return usagef("give a plugin and a capability, as rosey plugin info prints it: %s %s", c.Command.HelpName, c.Command.ArgsUsage)
	}
	kv, err := router.OpenBucket(ctx, cmd.JS, 1)
	if err != nil {
		return err
	}
	name := c.Args().First()
	had, err := router.RevokeCapabilities(ctx, kv, name, c.Args().Tail()...)
	if err != nil {
		return err
	}
	for _, capability := range c.Args().Tail() {
		if !slices.Contains(had, capability) {
			return fmt.Errorf("%s was not granted to %s: see rosey plugin info %s", capability, name, name)
		}
	}
	fmt.Fprintf(c.App.Writer, "%s may no longer %s\n", name, strings.Join(had, ", "))
	return nil
}

func pluginInfo(ctx context.Context, c *cli.Context, cmd command) error {
	list, err := pluginStatuses(ctx, cmd)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(list, func(s host.Status) bool { return s.Name == c.Args().First() })
	if i < 0 {
		return fmt.Errorf("there is no plugin %q: see rosey plugin ls", c.Args().First())
	}
	s := list[i]
	if wantJSON(c) {
		return encode(c, s)
	}
	reads := "all events but private ones, as its registration does not say which"
	if s.Events != nil {
		reads = listed(s.Events)
	}
	for _, line := range [][2]string{
		{"plugin", strings.TrimSpace(s.Name + " " + s.Version)}, {"description", cmp.Or(s.Description, "-")}, {"state", stateOf(s)}, {"problem", s.Problem},
		{"commands", listed(s.Commands)}, {"waits for", strings.Join(s.Waiting, " ")}, {"reads", reads},
		{"collections", listed(s.Collections)}, {"granted", listed(s.Grants)},
	} {
		if line[1] != "" {
			fmt.Fprintf(c.App.Writer, "%-12s %s\n", line[0], line[1])
		}
	}
	if s.Process != nil {
		fmt.Fprintf(c.App.Writer, "%-12s %s\n", "command", s.Process.Command)
		if len(s.Process.Output) > 0 {
			fmt.Fprintf(c.App.Writer, "\nThe last lines of its stderr:\n  %s\n", strings.Join(s.Process.Output, "\n  "))
		}
	}
	if len(s.Waiting) > 0 {
		fmt.Fprintf(c.App.Writer, "\nThe commands that it waits for belong to other plugins: rosey plugin prefer %s %s\n", s.Name, s.Waiting[0])
	}
	return nil
}

func listed(all []string) string { return cmp.Or(strings.Join(all, " "), "-") }
