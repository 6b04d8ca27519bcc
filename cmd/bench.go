package cmd

import "github.com/urfave/cli/v2"

// benchCommand names the program that replaced it, for this release.
func benchCommand() *cli.Command {
	return &cli.Command{
		Name:            "bench",
		Usage:           "moved to rosey-bench: make bench",
		ArgsUsage:       "[ARGUMENT...]",
		Hidden:          true,
		SkipFlagParsing: true,
		Action:          func(*cli.Context) error { return usagef("rosey bench moved to rosey-bench: make bench") },
	}
}
