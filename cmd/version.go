package cmd

import (
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/rosey-bot/rosey/internal/version"
)

func versionCommand() *cli.Command {
	return &cli.Command{
		Name:  "version",
		Usage: "what this program was built from",
		Description: `   rosey version
   rosey version --output json`,
		Flags:  []cli.Flag{outputFlag()},
		Action: printVersion,
	}
}

func printVersion(c *cli.Context) error {
	b := version.Read()
	if wantJSON(c) {
		return encode(c, b)
	}
	fmt.Fprintf(c.App.Writer, "rosey %s for %s\n", b.Version, b.Platform)
	if b.Commit != "" {
		changed := ""
		if b.Modified {
			changed = ", with changes"
		}
		fmt.Fprintf(c.App.Writer, "commit       %s of %s%s\n", b.Commit, b.Date.Format(time.DateOnly), changed)
	}
	fmt.Fprintf(c.App.Writer, "Go           %s\nnats-server  %s\nnats.go      %s\n", b.Go, b.Server, b.Client)
	return nil
}
