package cmd

import "github.com/urfave/cli/v2"

// channelCommand has a command for each thing that is asked of a channel, each from the
// file of its name.
func channelCommand() *cli.Command {
	return &cli.Command{
		Name:        "channel",
		Usage:       "a channel as it is and was",
		Description: `   rosey channel log playlist --since 1d     who queued, moved and deleted what`,
		Subcommands: []*cli.Command{
			channelLogCommand(),
		},
	}
}

// inChannelFlag is --channel for commands that are about one channel.
func inChannelFlag() cli.Flag {
	return &cli.StringFlag{Name: "channel", Usage: "the channel `NAME`; not needed where the bot is in one only"}
}
