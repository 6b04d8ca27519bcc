// Package commands is the plugin commands: what a channel has its bot say in its own words, as
// commands, announcements, replies to keywords, and welcomes.
package commands

import (
	"strings"
	"time"

	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
)

// Name is the plugin's name.
const Name = "commands"

// The collections.
const (
	collection    = "custom_commands"
	announcements = "announcements"
	replies       = "replies"
	visitors      = "visitors"
	welcomes      = "welcomes"
)

const kindChanged = "changed"

// maxOld is how old a line or a join is at most for the plugin to speak about it.
const maxOld = time.Minute

// Settings are the plugin's settings.
type Settings struct {
	Announcements bool          `json:"announcements" default:"on" jsonschema:"whether announcements are made"`
	Replies       bool          `json:"replies" default:"on" jsonschema:"whether keywords are replied to"`
	ReplyCooldown time.Duration `json:"reply_cooldown" default:"30s" min:"1s" max:"24h" jsonschema:"time between two uses of one reply"`
	Ignore        []string      `json:"ignore" default:"" jsonschema:"other bots: their lines are no talk, and are not replied to"`
	Welcome       bool          `json:"welcome" default:"off" jsonschema:"whether who comes is welcomed"`
	WelcomeAgain  time.Duration `json:"welcome_again" default:"6h" min:"1m" max:"720h" jsonschema:"time for which nobody is welcomed twice"`
	BackAfter     time.Duration `json:"back_after" default:"336h" min:"1h" max:"8760h" jsonschema:"time after which who returns is welcomed back"`
	First         plugins.Text  `json:"first" default:"Welcome, {{.user}}! Say {{.prefix}}help to see what I can do." uses:"user,rank:int,channel,prefix" jsonschema:"said to who is here for the first time ever"`
	Back          plugins.Text  `json:"back" default:"Welcome back, {{.user}}! You were away for {{duration .away}}." uses:"user,rank:int,channel,prefix,away:duration" jsonschema:"said to who returns after back_after"`
	Arrival       plugins.Text  `json:"arrival" default:"" uses:"user,rank:int,channel,prefix,away:duration" jsonschema:"said to everybody else who comes, such as {{if ge .rank 2}}Make way for {{.user}}{{end}}"`

	Texts
}

// changed is the payload of plugin.commands.event.changed.
type changed struct {
	Action  string `json:"action"`
	What    string `json:"what"`
	Name    string `json:"name"`
	By      string `json:"by" mark:"person"`
	Text    string `json:"text" mark:"text"`
	Channel string `json:"channel"`
}

// New returns the plugin.
func New() plugins.Plugin {
	const moderators = 2
	return plugins.Plugin{
		Name: Name, Version: "1.0.0",
		Description:  "Has the bot say what a channel wants said: commands, announcements, replies, welcomes",
		Capabilities: []string{"chat", "pm", "read:public", "request:channel", "storage"},
		Collections: map[string]any{
			collection: Command{}, announcements: Announcements{}, replies: Replies{}, visitors: Visitor{}, welcomes: welcomed{},
		},
		Emits:    map[string]any{kindChanged: changed{}},
		Settings: Settings{},
		Custom:   say,
		Commands: []plugins.Command{{
			Name: "cmd", Aliases: []string{"command"}, MinRank: moderators, Handle: subcommand(commandVerbs(), commandUsage, commandWords),
			Usage:       "add rules Be kind, {{.user}}!",
			Description: "commands of this channel: add, edit, alias, rank, cooldown, count, show, list, rm, undo",
		}, {
			Name: "announce", MinRank: moderators, Handle: subcommand(announceVerbs(), announceUsage, announceWords),
			Usage:       "add rules 30m Please read the rules",
			Description: "announcements that repeat: add, on, off, group, show, list, rm, undo",
		}, {
			Name: "reply", MinRank: moderators, Handle: subcommand(replyVerbs(), replyUsage, replyWords),
			Usage:       `add discord "discord|dis cord" We are at …`,
			Description: "replies to keywords: add, show, list, rm, undo",
		}},
		Events: []plugins.Subscription{
			{Subject: event.SubjectChat, Handle: hear, MaxAge: maxOld},
			{Subject: event.SubjectUserJoin, Handle: join, MaxAge: maxOld, FromFirst: true},
			{Subject: event.SubjectUserLeave, Handle: leave, MaxAge: maxOld, FromFirst: true},
			{Subject: event.SubjectState, Handle: present, MaxAge: maxOld, FromFirst: true},
			{Subject: event.SubjectConnection, Handle: connected, MaxAge: maxOld, FromFirst: true},
		},
		Start: register,
	}
}

// subcommand returns the handler of a command whose first word says what to do.
func subcommand(verbs map[string]plugins.Handler, example, words string) plugins.Handler {
	return func(c *plugins.Context) ([]event.Envelope, error) {
		verb := "list"
		if len(c.Command.Args) > 0 {
			verb = plugins.Fold(c.Command.Args[0])
		}
		handle, ok := verbs[verb]
		if !ok {
			return nil, c.Refuse(event.InvalidInput, texts(c).TextVerbs, plugins.Values{"prefix": c.Prefix(), "example": example, "verbs": words})
		}
		return handle(c)
	}
}

// needs returns an error unless so many arguments were typed.
func needs(c *plugins.Context, n int, example string) error {
	if len(c.Command.Args) < n {
		return c.Refuse(event.InvalidInput, texts(c).TextUsage, plugins.Values{"prefix": c.Prefix(), "example": example})
	}
	return nil
}

// recordID is the ID of what a channel has under a name.
func recordID(channel, name string) event.ID {
	return event.ID(strings.ToLower(channel) + "/" + plugins.Fold(name))
}

// typedName returns the name in an argument, as it is stored: without prefix, in lower case.
func typedName(c *plugins.Context, arg string) (string, error) {
	name := strings.TrimPrefix(plugins.Fold(arg), plugins.Fold(c.Prefix()))
	if !router.IsName(name) {
		return "", c.Refuse(event.InvalidInput, texts(c).TextBadName, plugins.Values{"name": plugins.Shorten(name, 40)})
	}
	return name, nil
}

// tail returns what was typed after the command's first n arguments, which may be quoted.
func tail(c *plugins.Context, n int) string {
	want := c.Command.Args[min(n, len(c.Command.Args)):]
	for skip := n; ; skip++ {
		rest := c.Text(skip)
		if _, args, _ := router.ParseCommand("!x "+rest, "!"); len(args) <= len(want) || rest == "" {
			return rest
		}
	}
}
