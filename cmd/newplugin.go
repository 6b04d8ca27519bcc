package cmd

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"github.com/rosey-bot/rosey/plugins/scaffold"
)

func newPluginCommand() *cli.Command {
	return &cli.Command{
		Name:      "new",
		Usage:     "write a working plugin with a passing test",
		ArgsUsage: "NAME",
		Description: `Run it in a checkout of Rosey.

   rosey plugin new greeter && go test ./plugins/greeter`,
		Flags: []cli.Flag{&cli.StringFlag{Name: "dir", Usage: "write it below `DIR` (default: the checkout's plugins folder)"}},
		Action: ofOne("name", func(c *cli.Context) error {
			name := c.Args().First()
			if _, err := scaffold.New(name); err != nil {
				return &usageError{err}
			}
			dir := c.String("dir")
			if dir == "" {
				here, err := os.Getwd()
				if err != nil {
					return fmt.Errorf("find the current folder: %w", err)
				}
				root, err := scaffold.Root(here)
				if err != nil {
					return err
				}
				dir = filepath.Join(root, "plugins")
			}
			next, err := scaffold.Write(dir, name)
			if err != nil {
				return err
			}
			fmt.Fprint(c.App.Writer, next)
			return nil
		}),
	}
}
