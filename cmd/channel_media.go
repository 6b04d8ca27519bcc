package cmd

import (
	"fmt"
	"strconv"

	"github.com/urfave/cli/v2"

	"github.com/rosey-bot/rosey/event"
)

func positionFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "next", Usage: "to be played next, not at the end"},
		&cli.BoolFlag{Name: "temp", Usage: "it leaves the playlist when it was played"},
	}
}

func position(c *cli.Context) string {
	if c.Bool("next") {
		return event.PositionNext
	}
	return event.PositionEnd
}

var mediaAbilities = []ability{
	{
		name: "queue", usage: "put media on the playlist", args: "URL…", least: 1, most: -1, flags: positionFlags(),
		examples: "   rosey channel queue https://youtu.be/dQw4w9WgXcQ\n   rosey channel queue --next --temp https://vimeo.com/76979871 --for alice",
		request: func(c *cli.Context, args []string) (list []request, err error) {
			for _, url := range args {
				list = append(list, request{subject: event.SubjectSendMediaQueue, payload: event.SendMediaQueue{URL: url, Position: position(c), Temp: c.Bool("temp")}, about: url})
			}
			return list, nil
		},
	},
	{
		name: "delete", usage: "take items off the playlist", args: "UID…", least: 1, most: -1,
		examples: "   rosey channel delete 42 --reason 'off topic'", request: item(event.SubjectSendMediaDelete),
	},
	{
		name: "jump", usage: "play an item of the playlist now", args: "UID", least: 1, most: 1,
		examples: "   rosey channel jump 42", request: item(event.SubjectSendMediaJump),
	},
	{
		name: "skip", usage: "play the next item", examples: "   rosey channel skip --for alice", request: bare(event.SubjectSendMediaSkip),
	},
	{
		name: "move", usage: "move an item after another", args: "UID UID|first|last", least: 2, most: 2,
		examples: "   rosey channel move 42 17\n   rosey channel move 42 first",
		request: func(_ *cli.Context, args []string) ([]request, error) {
			uid, err := uidOf(args[0])
			if err != nil {
				return nil, err
			}
			return []request{{subject: event.SubjectSendMediaMove, payload: event.SendMediaMove{UID: uid, After: event.ID(args[1])}}}, nil
		},
	},
	{
		name: "temp", usage: "let an item leave the playlist when it was played, or stay", args: "UID on|off", least: 2, most: 2,
		examples: "   rosey channel temp 42 off",
		request: func(_ *cli.Context, args []string) ([]request, error) {
			uid, err := uidOf(args[0])
			if err != nil {
				return nil, err
			}
			on, err := onOff(args[1])
			return []request{{subject: event.SubjectSendMediaTemp, payload: event.SendMediaTemp{UID: uid, Temp: on}}}, err
		},
	},
	{name: "shuffle", usage: "shuffle the playlist", examples: "   rosey channel shuffle", request: bare(event.SubjectSendMediaShuffle)},
	{
		name: "clear", usage: "take everything off the playlist", flags: []cli.Flag{yesFlag()},
		examples: "   rosey channel clear --yes",
		request: func(*cli.Context, []string) ([]request, error) {
			return []request{{subject: event.SubjectSendMediaClear, payload: event.SendBare{}, warning: "the whole playlist of %s will be gone"}}, nil
		},
	},
	{
		name: "lock", usage: "let only moderators change the playlist", examples: "   rosey channel lock",
		request: func(*cli.Context, []string) ([]request, error) {
			return []request{{subject: event.SubjectSendMediaLock, payload: event.SendMediaLock{Locked: true}}}, nil
		},
	},
	{
		name: "unlock", usage: "let everybody change the playlist", examples: "   rosey channel unlock",
		request: func(*cli.Context, []string) ([]request, error) {
			return []request{{subject: event.SubjectSendMediaLock, payload: event.SendMediaLock{}}}, nil
		},
	},
	{
		name: "leader", usage: "let a user set everybody's position, or the server", args: "[USER]", most: 1,
		examples: "   rosey channel leader alice\n   rosey channel leader",
		request: func(c *cli.Context, _ []string) ([]request, error) {
			return []request{{subject: event.SubjectSendMediaLeader, payload: event.SendMediaLeader{User: c.Args().First()}}}, nil
		},
	},
	{name: "vote", usage: "vote to skip what plays", examples: "   rosey channel vote", request: bare(event.SubjectSendMediaVote)},
	{
		name: "save", usage: "save the playlist in the bot's account", args: "NAME", least: 1, most: 1,
		examples: "   rosey channel save friday",
		request:  one(event.SubjectSendMediaSaveList, func(name string) any { return event.SendList{Name: name} }),
	},
	{
		name: "load", usage: "put a saved playlist on the playlist", args: "NAME", least: 1, most: 1, flags: positionFlags(),
		examples: "   rosey channel load friday --temp",
		request: func(c *cli.Context, args []string) ([]request, error) {
			return []request{{subject: event.SubjectSendMediaQueueList, payload: event.SendQueueList{Name: args[0], Position: position(c), Temp: c.Bool("temp")}}}, nil
		},
	},
	{
		name: "unsave", usage: "delete a saved playlist", args: "NAME", least: 1, most: 1,
		examples: "   rosey channel unsave friday",
		request:  one(event.SubjectSendMediaDeleteList, func(name string) any { return event.SendList{Name: name} }),
	},
}

// pollAbilities are the commands below rosey channel poll.
var pollAbilities = []ability{
	{
		name: "open", usage: "open a poll", args: "TITLE OPTION…", least: 2, most: -1,
		flags: []cli.Flag{
			&cli.BoolFlag{Name: "hidden", Usage: "show the counts when it is closed"},
			&cli.DurationFlag{Name: "close-after", Usage: "close it after a `TIME`, such as 10m"},
			&cli.BoolFlag{Name: "retain-votes", Usage: "keep the votes of those who leave"},
		},
		examples: "   rosey channel poll open 'What next?' Alien Solaris --close-after 10m",
		request: func(c *cli.Context, args []string) ([]request, error) {
			return []request{{subject: event.SubjectSendPollOpen, payload: event.SendPollOpen{
				Title: args[0], Options: args[1:], Hidden: c.Bool("hidden"), Timeout: int(c.Duration("close-after").Seconds()), RetainVotes: c.Bool("retain-votes"),
			}}}, nil
		},
	},
	{name: "close", usage: "close the poll", examples: "   rosey channel poll close", request: bare(event.SubjectSendPollClose)},
	{
		name: "vote", usage: "vote in the poll, for an option counted from 1", args: "NUMBER", least: 1, most: 1,
		examples: "   rosey channel poll vote 2",
		request: func(_ *cli.Context, args []string) ([]request, error) {
			n, err := strconv.Atoi(args[0])
			if err != nil || n < 1 {
				return nil, fmt.Errorf("%q is no option: they count from 1", args[0])
			}
			return []request{{subject: event.SubjectSendPollVote, payload: event.SendPollVote{Option: n - 1}}}, nil
		},
	},
}

func onOff(text string) (bool, error) {
	switch text {
	case "on", "true", "yes":
		return true, nil
	case "off", "false", "no":
		return false, nil
	}
	return false, fmt.Errorf("%q is neither on nor off", text)
}
