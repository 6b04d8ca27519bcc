package main

import "github.com/urfave/cli/v2"

func newPluginCommand() *cli.Command {
	return &cli.Command{Name: "new", Usage: "write a working plugin with a passing test", ArgsUsage: "NAME"}
}
