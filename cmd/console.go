package cmd

import (
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/rosey-bot/rosey/console"
)

func consoleCommand() *cli.Command {
	return &cli.Command{
		Name:  "console",
		Usage: "settings of the browser console, which rosey run --console serves",
		Subcommands: []*cli.Command{{
			Name:  "hash",
			Usage: "make an argon2id hash of the password on stdin, to be kept in a password file",
			Description: `   rosey console hash > console.hash
   ROSEY_CONSOLE_PASSWORD="$(cat console.hash)" rosey run --console 0.0.0.0:8484 --channel mychannel`,
			Action: hashPassword,
		}},
	}
}

func hashPassword(c *cli.Context) error {
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
	fmt.Fprintln(c.App.Writer, console.HashPassword(password))
	return nil
}
