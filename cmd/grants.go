package cmd

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/urfave/cli/v2"

	"github.com/rosey-bot/rosey/consumers/router"
)

func grantFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "channel", Usage: "in the channel `NAME` alone; in all channels when left out"},
		&cli.StringFlag{Name: "reason", Usage: "why, as a `TEXT` for the history"},
	}
}

func grantCommand() *cli.Command {
	return &cli.Command{
		Name: "grant", Usage: "let a user use commands whatever the user's rank", ArgsUsage: "USER RIGHT",
		Description: `A right is a plugin, for all its commands, one of them as PLUGIN.COMMAND, or a role (see
rosey grants role). It holds for users who are logged in, at once, and is stored as an event,
platform.grant.

   rosey grant alice inspector
   rosey grant alice inspector.inspect --channel movies --for 2h`,
		Flags:  append(grantFlags(), &cli.StringFlag{Name: "for", Usage: "for a `TIME` or until one, such as 2h, 7d or fri 20:00; for ever when left out", Action: checkFor}),
		Action: withArguments(2, reading(onGrants(grantRight))),
	}
}

func revokeCommand() *cli.Command {
	return &cli.Command{
		Name: "revoke", Usage: "take back what rosey grant gave", ArgsUsage: "USER RIGHT",
		Description: `   rosey revoke alice inspector
   rosey revoke alice inspector.inspect --channel movies`,
		Flags: grantFlags(), Action: withArguments(2, reading(onGrants(revokeRight))),
	}
}

func grantsCommand() *cli.Command {
	return &cli.Command{
		Name: "grants", Usage: "show what users were granted, and make roles",
		Description: `   rosey grants ls
   rosey grants role dj inspector trivia.trivia && rosey grant alice dj`,
		Subcommands: []*cli.Command{
			{Name: "ls", Usage: "what users were granted and has not ended", Description: `   rosey grants ls`,
				Flags: []cli.Flag{outputFlag()}, Action: reading(onGrants(listGrants))},
			{Name: "roles", Usage: "the roles and their rights", Description: `   rosey grants roles`,
				Flags: []cli.Flag{outputFlag()}, Action: reading(onGrants(listRoles))},
			{Name: "role", Usage: "make a role of rights, or remove it when none are given", ArgsUsage: "NAME [RIGHT…]",
				Description: `   rosey grants role dj inspector trivia.trivia`, Action: reading(onGrants(setRole))},
		},
	}
}

// onGrants makes an action of one on the bucket of grants.
func onGrants(do func(ctx context.Context, c *cli.Context, cmd command, g *router.Grants, registered []router.Entry) error) clientAction {
	return func(ctx context.Context, c *cli.Context, cmd command) error {
		registered, err := router.List(ctx, cmd.JS)
		if err != nil {
			return err
		}
		g, err := router.OpenGrants(ctx, cmd.JS, cmd.settings.Replicas)
		if err != nil {
			return err
		}
		return do(ctx, c, cmd, g, registered)
	}
}

// grantOf returns the user and the grant of a command line.
func grantOf(ctx context.Context, c *cli.Context, cmd command) (string, router.Grant, error) {
	g := router.Grant{Right: c.Args().Get(1), Channel: c.String("channel"), By: operator(), Reason: c.String("reason")}
	var err error
	if g.Channel != "" {
		g.Channel, err = channelFor(ctx, cmd, g.Channel)
	}
	user := strings.TrimPrefix(c.Args().Get(0), "@")
	if user == "" || strings.ContainsFunc(user, unicode.IsSpace) {
		return "", g, usagef("%q is not a user's name: %s %s", c.Args().Get(0), c.Command.HelpName, c.Command.ArgsUsage)
	}
	if g.Right == "" {
		return "", g, usagef("name a plugin, a command as plugin.command, or a role: %s %s", c.Command.HelpName, c.Command.ArgsUsage)
	}
	return user, g, err
}

func grantRight(ctx context.Context, c *cli.Context, cmd command, g *router.Grants, registered []router.Entry) error {
	user, grant, err := grantOf(ctx, c, cmd)
	if err == nil {
		err = g.CheckRight(ctx, registered, grant.Right)
	}
	if err != nil {
		return err
	}
	until := "for ever"
	if text := c.String("for"); text != "" {
		end, err := forTime(text)
		if err != nil {
			return err
		}
		grant.Until, until = end.UnixMilli(), "until "+end.Format(time.DateTime)
	}
	if err := g.Grant(ctx, cmd.Bus, user, grant); err != nil {
		return err
	}
	fmt.Fprintf(c.App.Writer, "%s may use %s in %s %s\n", user, grant.Right, cmp.Or(grant.Channel, "all channels"), until)
	return nil
}

func revokeRight(ctx context.Context, c *cli.Context, cmd command, g *router.Grants, _ []router.Entry) error {
	user, grant, err := grantOf(ctx, c, cmd)
	if err != nil {
		return err
	}
	if err := g.Revoke(ctx, cmd.Bus, user, grant); err != nil {
		return err
	}
	fmt.Fprintf(c.App.Writer, "%s no longer has the grant of %s in %s\n", user, grant.Right, cmp.Or(grant.Channel, "all channels"))
	return nil
}

func listGrants(ctx context.Context, c *cli.Context, _ command, g *router.Grants, _ []router.Entry) error {
	type row struct {
		User string `json:"user"`
		router.Grant
	}
	all, err := g.List(ctx)
	if err != nil {
		return err
	}
	rows := []row{}
	for _, of := range all {
		for _, grant := range of.Grants {
			rows = append(rows, row{of.User, grant})
		}
	}
	return printList(c, rows, table.Row{"user", "right", "in", "until", "by", "why"}, func(r row) table.Row {
		until := "ever"
		if r.Until > 0 {
			until = time.UnixMilli(r.Until).Format(time.DateTime)
		}
		return table.Row{r.User, r.Right, cmp.Or(r.Channel, "all channels"), until, r.By, r.Reason}
	})
}

func listRoles(ctx context.Context, c *cli.Context, _ command, g *router.Grants, _ []router.Entry) error {
	type row struct {
		Role   string   `json:"role"`
		Rights []string `json:"rights"`
	}
	roles, err := g.Roles(ctx)
	if err != nil {
		return err
	}
	rows := []row{}
	for _, name := range slices.Sorted(maps.Keys(roles)) {
		rows = append(rows, row{name, roles[name]})
	}
	return printList(c, rows, table.Row{"role", "rights"}, func(r row) table.Row { return table.Row{r.Role, strings.Join(r.Rights, " ")} })
}

func setRole(ctx context.Context, c *cli.Context, cmd command, g *router.Grants, registered []router.Entry) error {
	name, rights := c.Args().First(), c.Args().Tail()
	if name == "" || strings.Contains(name, ".") || slices.ContainsFunc(registered, func(e router.Entry) bool { return e.Name == name }) {
		return usagef("give a role a name that no plugin has, and without a dot: %s %s", c.Command.HelpName, c.Command.ArgsUsage)
	}
	for _, right := range rights {
		if err := g.CheckRight(ctx, registered, right); err != nil {
			return err
		}
	}
	if err := g.SetRole(ctx, cmd.Bus, name, rights, operator()); err != nil {
		return err
	}
	if len(rights) == 0 {
		fmt.Fprintf(c.App.Writer, "the role %s is no more\n", name)
		return nil
	}
	fmt.Fprintf(c.App.Writer, "the role %s may use %s\n", name, strings.Join(rights, ", "))
	return nil
}
