package cmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins/host"
)

const capabilitiesHelp = `
   chat, pm               speak in the channel; send private messages
   playlist.add           add to the playlist; playlist.* changes it in any way
   moderation.kick        kick users; moderation.* bans, mutes and more, too
   poll.open, channel.motd, …    what the contract lists as cytube.send.AREA.ABILITY
   read:chat              read the chat; read:cytube.user.join and other subjects likewise
   read:pm                read private messages, which nothing else lets it
   read:public            read all that is not private and that its registration names
   storage                keep records in collections of its own
   storage:quotes         read and write the collection quotes, whoever has it
   storage:quotes:read    only read it
   request:trivia         make requests to another plugin; request:* to all

A plugin of which nobody has said what it may do has chat, pm, read:public, request:* and storage.`

func grantPluginCommand() *cli.Command {
	return &cli.Command{
		Name: "grant", Usage: "let a plugin with credentials of its own do more", ArgsUsage: "NAME CAPABILITY…",
		Description: `   rosey plugin grant greeter playlist.add
   rosey plugin grant stats storage:quotes:read
   rosey plugin grant mailbox read:pm

It takes effect at once; the plugin connects or starts again for it.
` + capabilitiesHelp,
		Action: reading(grantPlugin),
	}
}

func revokePluginCommand() *cli.Command {
	return &cli.Command{
		Name: "revoke", Usage: "take back what was granted", ArgsUsage: "NAME CAPABILITY…",
		Description: `   rosey plugin revoke greeter playlist.add
   rosey plugin revoke stats storage:quotes:read

It takes effect at once: the server refuses what the plugin then sends, and the database
and the plugin's consumers give it no more.`,
		Action: reading(revokePlugin),
	}
}

// namedCapabilities returns the plugin and the capabilities that the arguments name.
func namedCapabilities(c *cli.Context) (name string, list []string, err error) {
	if c.Args().Len() < 2 {
		return "", nil, usagef("give a plugin and a capability, such as playlist.add or storage:quotes; rosey plugin info NAME lists those that it has: %s %s",
			c.Command.HelpName, c.Command.ArgsUsage)
	}
	if name = c.Args().First(); !event.ValidName(name) {
		return "", nil, usagef("%q is not a plugin's name: it is 1 to %d of A-Z a-z 0-9 _ -", name, event.MaxNameLength)
	}
	list, err = checkCapabilities(c.Args().Tail())
	return name, list, err
}

// checkCapabilities returns capabilities in their usual form, and a usage error for what is none.
func checkCapabilities(texts []string) (list []string, err error) {
	for _, text := range texts {
		for one := range strings.SplitSeq(text, ",") {
			capability, err := router.CheckCapability(one)
			if err != nil {
				return nil, &usageError{err}
			}
			list = append(list, capability)
		}
	}
	return list, nil
}

func grantPlugin(ctx context.Context, c *cli.Context, cmd command) error {
	name, list, err := namedCapabilities(c)
	if err != nil {
		return err
	}
	kv, err := router.OpenBucket(ctx, cmd.JS, 1)
	if err != nil {
		return err
	}
	if err := router.GrantCapabilities(ctx, kv, name, list...); err != nil {
		return err
	}
	for _, capability := range list {
		fmt.Fprintf(c.App.Writer, "%s may %s now (%s)\n", name, event.Describe(capability), capability)
	}
	registered, err := host.Registered(ctx, cmd.JS, name)
	if err == nil && !registered {
		fmt.Fprintf(c.App.ErrWriter, "rosey: no plugin %s is registered yet; if the name is a mistake, rosey plugin revoke undoes this\n", name)
	}
	return errors.Join(err, startOver(ctx, cmd, name))
}

func revokePlugin(ctx context.Context, c *cli.Context, cmd command) error {
	name, list, err := namedCapabilities(c)
	if err != nil {
		return err
	}
	kv, err := router.OpenBucket(ctx, cmd.JS, 1)
	if err != nil {
		return err
	}
	had, err := router.RevokeCapabilities(ctx, kv, name, list...)
	if err != nil {
		return err
	}
	for _, capability := range list {
		if !slices.Contains(had, capability) {
			return fmt.Errorf("%s was not granted to %s: see rosey plugin info %s", capability, name, name)
		}
		fmt.Fprintf(c.App.Writer, "%s may no longer %s (%s)\n", name, event.Describe(capability), capability)
	}
	return startOver(ctx, cmd, name)
}

// startOver starts the processes of a plugin over, which read then what they may do, and waits until
// those before have ended.
func startOver(ctx context.Context, cmd command, name string) error {
	if !cmd.Running {
		return nil
	}
	before, err := host.Instances(ctx, cmd.Conn)
	if err != nil || len(before[name]) == 0 {
		return err
	}
	if _, err := host.Restart(ctx, cmd.Conn, name); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, startOverTimeout)
	defer cancel()
	return host.AwaitEnd(ctx, cmd.Conn, name, before[name])
}

// startOverTimeout limits how long a command waits until a plugin has started over.
const startOverTimeout = time.Minute

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
	lines := [][2]string{{"plugin", strings.TrimSpace(s.Name + " " + s.Version)}, {"state", stateOf(s)}, {"problem", s.Problem}}
	if s.Problem == "" { // what a valid registration says
		reads := "all events but private ones, as its registration does not say which"
		if s.Events != nil {
			reads = listed(s.Events)
		}
		lines = slices.Insert(lines, 1, [2]string{"description", cmp.Or(s.Description, "-")})
		lines = append(lines, [][2]string{
			{"contract", contractOf(s)}, {"commands", listed(s.Commands)}, {"waits for", strings.Join(s.Waiting, " ")}, {"reads", reads},
			{"collections", listed(s.Collections)}, {"granted", listed(s.Grants)}, {"asks for", strings.Join(s.Capabilities, " ")},
		}...)
	}
	for _, line := range lines {
		if line[1] != "" {
			fmt.Fprintf(c.App.Writer, "%-12s %s\n", line[0], line[1])
		}
	}
	if len(s.Lacks) > 0 {
		fmt.Fprintf(c.App.Writer, "\nIt asks for more than it has: rosey plugin grant %s %s\n", s.Name, strings.Join(s.Lacks, " "))
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

// contractOf says which version of the event contract a plugin was written for.
func contractOf(s host.Status) string {
	if newer, err := event.CheckContract(s.Contract); err == nil && newer {
		return s.Contract + ", newer than the bot's " + event.ContractVersion + ": what it adds does nothing here"
	}
	return s.Contract
}

func listed(all []string) string { return cmp.Or(strings.Join(all, " "), "-") }
