package cmd

import (
	"fmt"
	"io"
	"strings"
	"unicode"

	"github.com/urfave/cli/v2"

	"github.com/rosey-bot/rosey/console"
)

func consoleCommand() *cli.Command {
	return &cli.Command{
		Name:  "console",
		Usage: "settings of the browser console, which rosey run --console serves",
		Subcommands: []*cli.Command{{
			Name:  "hash",
			Usage: "make an argon2id hash of the password on stdin, to be kept in a password file or a file of users",
			Description: `   rosey console hash > console.hash
   ROSEY_CONSOLE_PASSWORD="$(cat console.hash)" rosey run --console 0.0.0.0:8484 --channel mychannel
   rosey console hash --user alice >> console.users
   rosey console hash --user bob --viewer >> console.users`,
			Flags: []cli.Flag{
				&cli.StringFlag{Name: "user", Usage: "print a line for the file of users (console_access: users_file) with the user `NAME`"},
				&cli.BoolFlag{Name: "viewer", Usage: "with --user: one who sees everything but private messages, and changes nothing"},
			},
			Action: hashPassword,
		}},
	}
}

func hashPassword(c *cli.Context) error {
	if name := c.String("user"); strings.HasPrefix(name, "#") || strings.ContainsFunc(name, unicode.IsSpace) || name == "" && c.Bool("viewer") {
		return usagef("--user is a name without spaces, and --viewer goes with it")
	}
	if isTerminal(c.App.Reader) {
		fmt.Fprintln(c.App.ErrWriter, "Type the password and Ctrl-D; it is shown as you type.")
	}
	text, err := io.ReadAll(io.LimitReader(c.App.Reader, 4096))
	if err != nil {
		return fmt.Errorf("read the password: %w", err)
	}
	password := strings.TrimRight(string(text), "\r\n")
	if password == "" {
		return usagef("give the password on stdin: rosey console hash < FILE")
	}
	line := console.HashPassword(password)
	if name := c.String("user"); name != "" {
		role := console.Operator
		if c.Bool("viewer") {
			role = console.Viewer
		}
		line = fmt.Sprintf("%s %s %s", name, role, line)
	}
	fmt.Fprintln(c.App.Writer, line)
	return nil
}
