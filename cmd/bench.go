package cmd

import "github.com/urfave/cli/v2"

// benchCommand says where the benchmarks went, for this release.
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
