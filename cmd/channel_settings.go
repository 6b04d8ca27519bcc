package cmd

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/rosey-bot/rosey/event"
)

// textOf returns the text that a command is given: its argument, or what the file of --file
// or stdin holds.
func textOf(c *cli.Context, args []string) (string, error) {
	switch file := c.String("file"); {
	case file != "" && len(args) > 0:
		return "", errors.New("give the text or --file, not both")
	case file != "":
		b, err := readFile(c, file)
		return string(b), err
	case len(args) == 0:
		return "", errors.New("give the text, or --file")
	}
	return args[0], nil
}

// readFile returns what a file holds, or stdin for -.
func readFile(c *cli.Context, file string) ([]byte, error) {
	if file == "-" {
		return io.ReadAll(c.App.Reader)
	}
	return os.ReadFile(file)
}

// text makes the command of a text of the channel.
func text(name, what, subject, example string) ability {
	return ability{
		name: name, usage: "set " + what, args: "[TEXT]", most: 1,
		flags:    []cli.Flag{&cli.StringFlag{Name: "file", Usage: "`FILE` that holds it, - for stdin"}},
		examples: example,
		request: func(c *cli.Context, args []string) ([]request, error) {
			value, err := textOf(c, args)
			return []request{{subject: subject, payload: event.SendText{Value: value}}}, err
		},
	}
}

// assignments reads NAME=VALUE. A value is JSON or else a text.
func assignments(subject string, number bool) func(*cli.Context, []string) ([]request, error) {
	return func(_ *cli.Context, args []string) ([]request, error) {
		values := map[string]json.RawMessage{}
		for _, arg := range args {
			name, value, ok := strings.Cut(arg, "=")
			if !ok || name == "" {
				return nil, fmt.Errorf("%q is not NAME=VALUE", arg)
			}
			if _, err := strconv.ParseFloat(value, 64); number && err != nil {
				return nil, fmt.Errorf("%s is a rank, which %q is not", name, value)
			}
			raw := json.RawMessage(value)
			if !json.Valid(raw) {
				raw, _ = json.Marshal(value) //nolint:errchkjson // a string
			}
			values[name] = raw
		}
		return []request{{subject: subject, payload: event.SendValues{Values: values}}}, nil
	}
}

// settingsAbilities are the commands for what the channel's owners set.
var settingsAbilities = []ability{
	text("motd", "the message of the day, which is HTML", event.SubjectSendMOTD, "   rosey channel motd 'Friday: <b>Alien</b>'"),
	text("css", "the channel's style sheet", event.SubjectSendCSS, "   rosey channel css --file channel.css"),
	text("js", "the channel's script", event.SubjectSendJS, "   rosey channel js --file channel.js"),
	{
		name: "options", usage: "set options of the channel", args: "NAME=VALUE…", least: 1, most: -1,
		examples: "   rosey channel options allow_voteskip=true voteskip_ratio=0.5", request: assignments(event.SubjectSendOptions, false),
	},
	{
		name: "permissions", usage: "set the lowest ranks that may do something", args: "NAME=RANK…", least: 1, most: -1,
		examples: "   rosey channel permissions playlistadd=1 kick=2", request: assignments(event.SubjectSendPermissions, true),
	},
}

// definition makes a request for an emote or filter.
func definition(subject, action string, fields ...string) func(*cli.Context, []string) ([]request, error) {
	return func(c *cli.Context, args []string) ([]request, error) {
		p := event.SendDefinition{Action: action, Name: args[0], Extra: event.Extra{}}
		if action == event.DefinitionRename {
			p.Was, p.Name, args = args[0], args[1], args[:1]
		}
		for i, field := range fields {
			p.Extra[field], _ = json.Marshal(args[i+1]) //nolint:errchkjson // a string
		}
		if flags := c.String("flags"); flags != "" {
			p.Extra["flags"], _ = json.Marshal(flags) //nolint:errchkjson // a string
		}
		return []request{{subject: subject, payload: p}}, nil
	}
}

var emoteAbilities = []ability{
	{
		name: "add", usage: "add an emote, or give it another image", args: "NAME URL", least: 2, most: 2,
		examples: "   rosey channel emote add :popcorn: https://example.org/popcorn.png",
		request:  definition(event.SubjectSendChannelEmote, event.DefinitionAdd, "image"),
	},
	{
		name: "rename", usage: "rename an emote", args: "NAME NEW", least: 2, most: 2,
		examples: "   rosey channel emote rename :popcorn: :corn:",
		request:  definition(event.SubjectSendChannelEmote, event.DefinitionRename),
	},
	{
		name: "remove", usage: "remove an emote", args: "NAME", least: 1, most: 1,
		examples: "   rosey channel emote remove :popcorn:",
		request:  definition(event.SubjectSendChannelEmote, event.DefinitionRemove),
	},
	whole("emotes", event.SubjectSendChannelEmotes),
}

var regexpFlags = []cli.Flag{&cli.StringFlag{Name: "flags", Usage: "`FLAGS` of the regular expression (default: g)"}}

var filterAbilities = []ability{
	{
		name: "add", usage: "add a chat filter", args: "NAME REGEXP REPLACEMENT", least: 3, most: 3, flags: regexpFlags,
		examples: "   rosey channel filter add spoiler '\\[s\\](.*?)\\[/s\\]' '<span class=\"spoiler\">\\1</span>'",
		request:  definition(event.SubjectSendFilter, event.DefinitionAdd, "source", "replace"),
	},
	{
		name: "update", usage: "change a chat filter", args: "NAME REGEXP REPLACEMENT", least: 3, most: 3, flags: regexpFlags,
		examples: "   rosey channel filter update spoiler '\\|\\|(.*?)\\|\\|' '<span class=\"spoiler\">\\1</span>'",
		request:  definition(event.SubjectSendFilter, event.DefinitionUpdate, "source", "replace"),
	},
	{
		name: "remove", usage: "remove a chat filter", args: "NAME", least: 1, most: 1,
		examples: "   rosey channel filter remove spoiler",
		request:  definition(event.SubjectSendFilter, event.DefinitionRemove),
	},
	whole("filters", event.SubjectSendFilters),
}

// whole makes the command that replaces all emotes or filters.
func whole(part, subject string) ability {
	one := strings.TrimSuffix(part, "s")
	return ability{
		name: "import", usage: "replace all " + part + " by those of a file", args: "FILE", least: 1, most: 1, flags: []cli.Flag{yesFlag()},
		examples: fmt.Sprintf(`FILE is JSON, - for stdin: what channel show prints, or what CyTube exports.

   rosey channel show %s --output json > %s.json
   rosey channel %s import %s.json --yes`, part, part, one, part),
		request: func(c *cli.Context, args []string) ([]request, error) {
			raw, err := readFile(c, args[0])
			if err != nil {
				return nil, err
			}
			values, err := listIn(raw, part)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", args[0], err)
			}
			warning := fmt.Sprintf("the %s of %%s will be replaced by %s", part, counted(len(values), one))
			return []request{{subject: subject, payload: event.SendDefinitions{Values: values}, warning: warning}}, nil
		},
	}
}

// listIn returns the elements of a JSON list, or of that which an object has by the name of
// a part.
func listIn(raw []byte, part string) (values []json.RawMessage, err error) {
	var parts map[string]json.RawMessage
	if json.Unmarshal(raw, &parts) == nil && parts[part] != nil {
		raw = parts[part]
	}
	if err := json.Unmarshal(raw, &values); err != nil || values == nil {
		return nil, fmt.Errorf("it must be a JSON list of %s, or an object that has one as %q", part, part)
	}
	return values, nil
}
