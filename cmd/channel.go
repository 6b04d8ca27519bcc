package cmd

import (
	"slices"

	"github.com/urfave/cli/v2"
)

// channelCommand has a command for each thing that is asked of a channel, each from the
// file of its name.
func channelCommand() *cli.Command {
	group := func(name, usage string, abilities []ability) *cli.Command {
		return &cli.Command{Name: name, Usage: usage, Subcommands: convert(abilities, ability.command)}
	}
	return &cli.Command{
		Name:  "channel",
		Usage: "a channel as it is and was, and what the bot can do there",
		Description: `   rosey channel show --at 'yesterday 20:00'          as it was then
   rosey channel diff 'yesterday 20:00'               what is different now
   rosey channel log playlist --since 1d              who queued, moved and deleted what
   rosey channel restore playlist --at 2h             as it was then, again
   rosey channel queue https://youtu.be/dQw4w9WgXcQ   what the bot's rank allows, and what came of it
   rosey channel kick bob --reason spam`,
		Subcommands: slices.Concat(
			[]*cli.Command{channelShowCommand(), channelDiffCommand(), channelLogCommand(), channelRestoreCommand()},
			convert(mediaAbilities, ability.command), convert(moderationAbilities, ability.command), convert(settingsAbilities, ability.command),
			[]*cli.Command{
				group("poll", "polls", pollAbilities),
				group("emote", "the channel's emotes", emoteAbilities),
				group("filter", "the channel's chat filters", filterAbilities),
			},
		),
	}
}

func convert[A, B any](list []A, fn func(A) B) (out []B) {
	for _, v := range list {
		out = append(out, fn(v))
	}
	return out
}

// inChannelFlag is --channel for commands that are about one channel.
func inChannelFlag() cli.Flag {
	return &cli.StringFlag{Name: "channel", Usage: "the channel `NAME`; not needed where the bot is in one only"}
}
