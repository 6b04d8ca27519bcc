package cmd

import (
	"fmt"
	"strconv"

	"github.com/urfave/cli/v2"

	"github.com/rosey-bot/rosey/event"
)

func onUser(subject string) func(*cli.Context, []string) ([]request, error) {
	return one(subject, func(user string) any { return event.SendModeration{User: user} })
}

var moderationAbilities = []ability{
	{
		name: "kick", usage: "kick a user", args: "USER", least: 1, most: 1,
		examples: "   rosey channel kick bob --reason 'no spoilers'", request: onUser(event.SubjectSendKick),
	},
	{
		name: "ban", usage: "ban a user", args: "USER", least: 1, most: 1,
		flags: []cli.Flag{
			yesFlag(),
			&cli.BoolFlag{Name: "address", Usage: "also every address that the user was seen from, of others too"},
			&cli.StringFlag{Name: "range", Usage: "also the network of each address: `WIDTH` range, or a wider one: wrange"},
		},
		examples: "   rosey channel ban bob --reason spam --yes\n   rosey channel ban bob --address --range wrange --yes",
		request: func(c *cli.Context, args []string) ([]request, error) {
			if c.Bool("address") || c.String("range") != "" {
				return []request{{subject: event.SubjectSendBanAddress, payload: event.SendBanAddress{User: args[0], Range: c.String("range")},
					warning: args[0] + " and whoever shares an address will be banned from %s"}}, nil
			}
			return []request{{subject: event.SubjectSendBan, payload: event.SendModeration{User: args[0]}, warning: args[0] + " will be banned from %s"}}, nil
		},
	},
	{
		name: "unban", usage: "lift all bans of a user", args: "USER", least: 1, most: 1,
		examples: "   rosey channel unban bob", request: onUser(event.SubjectSendUnban),
	},
	{
		name: "mute", usage: "mute a user", args: "USER", least: 1, most: 1,
		flags:    []cli.Flag{&cli.BoolFlag{Name: "shadow", Usage: "in secret: the user goes on to see the own lines"}},
		examples: "   rosey channel mute bob\n   rosey channel mute bob --shadow",
		request: func(c *cli.Context, args []string) ([]request, error) {
			if c.Bool("shadow") {
				return onUser(event.SubjectSendShadowMute)(c, args)
			}
			return onUser(event.SubjectSendMute)(c, args)
		},
	},
	{
		name: "unmute", usage: "lift the mute of a user", args: "USER", least: 1, most: 1,
		examples: "   rosey channel unmute bob", request: onUser(event.SubjectSendUnmute),
	},
	{
		name: "rank", usage: "give a user a rank in the channel", args: "USER RANK", least: 2, most: 2,
		examples: "   rosey channel rank bob 2",
		request: func(_ *cli.Context, args []string) ([]request, error) {
			rank, err := strconv.ParseFloat(args[1], 64)
			if err != nil {
				return nil, fmt.Errorf("%q is no rank: 1 is a user, 2 a moderator, 3 an admin, 4 an owner", args[1])
			}
			return []request{{subject: event.SubjectSendRank, payload: event.SendRank{User: args[0], Rank: rank}}}, nil
		},
	},
	{
		name: "clear-chat", usage: "clear the chat of everybody", flags: []cli.Flag{yesFlag()},
		examples: "   rosey channel clear-chat --yes",
		request: func(*cli.Context, []string) ([]request, error) {
			return []request{{subject: event.SubjectSendClear, payload: event.SendBare{}, warning: "the chat will be gone from every screen in %s"}}, nil
		},
	},
	{
		name: "afk", usage: "mark the bot as away, or as back", args: "on|off", least: 1, most: 1,
		examples: "   rosey channel afk on",
		request: func(_ *cli.Context, args []string) ([]request, error) {
			on, err := onOff(args[0])
			return []request{{subject: event.SubjectSendAFK, payload: event.SendAFK{AFK: on}}}, err
		},
	},
}
