package cmd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/urfave/cli/v2"

	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins/host"
	"github.com/rosey-bot/rosey/streams/access"
)

func credsCommand() *cli.Command {
	return &cli.Command{
		Name:      "creds",
		Usage:     "give a plugin credentials of its own, with which it can do its work and nothing else",
		ArgsUsage: "NAME",
		Description: `Writes a NATS credentials file for a plugin that runs as its own process, in any
language. Credentials that the plugin had before are no longer accepted. All of
this takes effect at once, also while the bot runs.

   rosey plugin creds trivia                          writes trivia.creds
   rosey plugin run trivia --creds trivia.creds
   rosey plugin creds trivia --revoke
   rosey plugin creds trivia --output permissions     for the configuration of an external server`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "file", Usage: "write the credentials to `FILE` (default: NAME.creds)"},
			&cli.BoolFlag{Name: "revoke", Usage: "accept the plugin's credentials no longer, and end its connections"},
			formatFlag("creds, or permissions: print what the plugin may do, as a nats-server's configuration", "creds", "permissions"),
			&cli.StringFlag{Name: "account", Value: "ROSEY", Usage: "with --output permissions: the bot's own account is `NAME`"},
		},
		Action: ofOne("plugin", func(c *cli.Context) error {
			name := c.Args().First()
			if !event.ValidName(name) {
				return usagef("%q is not a plugin's name: it is 1 to %d of A-Z a-z 0-9 _ -", name, event.MaxNameLength)
			}
			if c.String("output") == "permissions" {
				return printPermissions(c, name)
			}
			return reading(func(ctx context.Context, c *cli.Context, cmd command) error {
				switch {
				case cmd.settings.External():
					return usagef("an external NATS server has its own users: rosey plugin creds %s --output permissions prints what to add to its configuration", name)
				case c.Bool("revoke"):
					return revokeCreds(ctx, c, cmd, name)
				}
				return issueCreds(ctx, c, cmd, name)
			})(c)
		}),
	}
}

// printPermissions prints what a plugin may do for the configuration of an external server: by what
// was granted to it, where the server can be asked.
func printPermissions(c *cli.Context, name string) error {
	may := event.BaseCapabilities()
	known := reading(func(ctx context.Context, _ *cli.Context, cmd command) error {
		kv, err := cmd.JS.KeyValue(ctx, router.Bucket)
		if err == nil {
			may, err = router.Capabilities(ctx, kv, name)
		}
		return err
	})
	if err := known(c); err != nil {
		fmt.Fprintf(c.App.ErrWriter, "rosey: what was granted to %s is not known, so these are the usual permissions: %v\n", name, err)
	}
	fmt.Fprint(c.App.Writer, access.PluginPermissions(name, may).Config(c.String("account")))
	return nil
}

func issueCreds(ctx context.Context, c *cli.Context, cmd command, name string) error {
	if _, err := router.OpenBucket(ctx, cmd.JS, cmd.settings.Replicas); err != nil {
		return err
	}
	path := c.String("file")
	if path == "" {
		path = name + ".creds"
	}
	if err := ours(path); err != nil {
		return err
	}
	if err := access.WriteCredentials(ctx, cmd.JS, cmd.settings.Store, name, path); err != nil {
		return err
	}
	ended, err := announce(cmd)
	if err != nil {
		return err
	}
	fmt.Fprintf(c.App.Writer, "wrote %s, with which %s can publish its own events, speak, ask the database and other plugins, and nothing else", path, name)
	if ended > 0 {
		fmt.Fprintf(c.App.Writer, "; ended %d connection(s) with its old credentials", ended)
	}
	fmt.Fprintln(c.App.Writer)
	registered, err := host.Registered(ctx, cmd.JS, name)
	if err == nil && !registered {
		fmt.Fprintf(c.App.ErrWriter, "rosey: no plugin %s is registered yet, which it is once it runs; if the name is a mistake, "+
			"rosey plugin creds %s --revoke and rosey plugin rm %s undo this\n", name, name, name)
	}
	return err
}

func revokeCreds(ctx context.Context, c *cli.Context, cmd command, name string) error {
	found, err := access.RevokeCredentials(cmd.settings.Store, name)
	if err != nil {
		return err
	}
	if !found {
		return fmt.Errorf("%s has no credentials", name)
	}
	ended, err := announce(cmd)
	if err != nil {
		return err
	}
	fmt.Fprintf(c.App.Writer, "the credentials of %s are revoked; ended %d connection(s)\n", name, ended)
	registered, err := host.Registered(ctx, cmd.JS, name)
	if err != nil || registered {
		return err
	}
	durables, err := host.Consumers(ctx, cmd.JS, name)
	if len(durables) > 0 {
		fmt.Fprintf(c.App.ErrWriter, "rosey: commands for %s still wait for it in the stream: rosey plugin rm %s forgets them\n", name, name)
	}
	return err
}

// announce tells the bot of changed credentials, if one runs.
func announce(cmd command) (ended int, err error) {
	if !cmd.Running {
		return 0, nil
	}
	return access.AnnounceCredentials(cmd.Conn)
}

// ours returns an error where a file exists that holds no credentials.
func ours(path string) error {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && bytes.HasPrefix(b, []byte("-----BEGIN NATS USER JWT-----")) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("write credentials: %w", err)
	}
	return fmt.Errorf("%s exists and holds no credentials: choose another file with --file", path)
}
