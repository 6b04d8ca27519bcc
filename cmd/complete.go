package cmd

import (
	"context"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/rosey-bot/rosey/bot"
	"github.com/rosey-bot/rosey/consumers/deadletters"
	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/internal/client"
	"github.com/rosey-bot/rosey/internal/settings"
	"github.com/rosey-bot/rosey/kvstore"
	"github.com/rosey-bot/rosey/plugins/host"
)

const (
	// completeCommand, as the first word, lists what could come in place of the last one.
	completeCommand = "__complete"
	// completeFlag, as the last word, is how scripts of earlier releases ask for that. They
	// leave the last word out unless it begins a flag.
	completeFlag = "--generate-bash-completion"
	// completeTimeout limits how long a running bot is asked.
	completeTimeout = time.Second
)

// completionWords returns the words of a request for completions, of which the last is
// to be completed. No such request reaches a command.
func completionWords(args []string) (words []string, ok bool) {
	switch last := len(args) - 1; {
	case last > 0 && args[last] == completeFlag:
		words = args[1:last]
		if len(words) == 0 || !strings.HasPrefix(words[len(words)-1], "-") {
			words = append(slices.Clone(words), "")
		}
		return words, true
	case last > 0 && args[1] == completeCommand:
		if words = args[2:]; len(words) == 0 {
			words = []string{""}
		}
		return words, true
	}
	return nil, false
}

// completion is a command line that ends before the word to be completed.
type completion struct {
	app      *cli.App
	path     []string // the command's names
	flags    []cli.Flag
	commands []*cli.Command // below the command
	usage    string         // of the command's arguments
	args     []string
	global   []string // the global flags that are given, with their values
	pending  cli.Flag // whose value comes next
	literal  bool     // -- was given
}

// complete returns what could come in place of the last word.
func complete(ctx context.Context, app *cli.App, words []string) []string {
	last := len(words) - 1
	l := completion{app: app, flags: app.Flags, commands: app.Commands}
	// A shell may take what stands around = for words.
	l.read(slices.DeleteFunc(slices.Clone(words[:last]), func(w string) bool { return w == "=" }))
	current := strings.TrimPrefix(words[last], "=")
	var found []string
	switch name, value, hasValue := strings.Cut(current, "="); {
	case l.pending != nil:
		found = l.values(ctx, l.pending)
	case l.literal || !strings.HasPrefix(current, "-"):
		found = l.arguments(ctx)
	case hasValue && flagOf(l.flags, name) != nil:
		for _, v := range l.values(ctx, flagOf(l.flags, name)) {
			if strings.HasPrefix(v, value) {
				found = append(found, name+"="+v)
			}
		}
	default:
		found = []string{"--help"}
		for _, f := range l.flags {
			found = append(found, "--"+f.Names()[0])
		}
	}
	found = slices.DeleteFunc(found, func(s string) bool { return !strings.HasPrefix(s, current) || strings.ContainsAny(s, " \t\n") })
	slices.Sort(found)
	return slices.Compact(found)
}

// read finds the command of the words, and what is given to it.
func (l *completion) read(words []string) {
	global := globalFlags()
	for i := 0; i < len(words); i++ {
		switch next := find(l.commands, words[i]); {
		case words[i] == "--":
			l.literal, l.args = true, append(l.args, words[i+1:]...)
			return
		case isFlag(words[i]):
			first := i
			if takesValue(l.flags, words[i]) {
				if i++; i == len(words) {
					l.pending = flagOf(l.flags, words[first])
					return
				}
			}
			if flagOf(global, words[first]) != nil {
				l.global = append(l.global, words[first:i+1]...)
			}
		case next != nil && next.Name == helpName:
			l.flags, l.commands, l.usage = nil, l.app.Commands, ""
		case next != nil && len(l.args) == 0:
			l.path = append(l.path, next.Name)
			l.flags, l.commands, l.usage = next.Flags, next.Subcommands, next.ArgsUsage
		default:
			l.args = append(l.args, words[i])
		}
	}
}

// arguments returns the commands, or what the next argument could be.
func (l *completion) arguments(ctx context.Context) (found []string) {
	if len(l.args) == 0 && len(l.commands) > 0 {
		for _, c := range l.commands {
			if !c.Hidden {
				found = append(found, c.Name)
			}
		}
		return found
	}
	names := strings.Fields(strings.NewReplacer("[", "", "]", "").Replace(l.usage))
	if len(names) == 0 || len(l.args) >= len(names) && !strings.HasSuffix(names[len(names)-1], "…") {
		return nil
	}
	name := strings.TrimSuffix(names[min(len(l.args), len(names)-1)], "…")
	switch {
	case strings.Contains(name, "|"):
		return strings.Split(name, "|")
	case name == "NAME" && l.path[0] == "plugin" && l.path[1] != "new":
		return append(l.plugins(ctx), bot.PluginNames(pluginsOf(l.app))...)
	case name == "PLUGIN":
		return append(l.plugins(ctx), bot.PluginNames(pluginsOf(l.app))...)
	case name == "KEY":
		return l.settingKeys(ctx, l.args[0])
	case name == "COLLECTION":
		return l.collections(ctx)
	case name == "STREAM:SEQ":
		return l.deadLetters(ctx)
	}
	return nil
}

// values returns what the value of a flag could be.
func (l *completion) values(ctx context.Context, f cli.Flag) []string {
	if f, ok := f.(*choiceFlag); ok {
		return f.choices
	}
	switch f.Names()[0] {
	case "channel":
		return l.channels(ctx)
	case "plugin":
		return append(l.plugins(ctx), bot.PluginNames(pluginsOf(l.app))...)
	case "into", "plugins":
		return bot.PluginNames(pluginsOf(l.app))
	case "log-level":
		return []string{"debug", "info", "warn", "error"}
	case "log-format":
		return []string{"text", "json"}
	}
	return nil
}

// settings returns the settings that the global flags choose.
func (l *completion) settings() (s settings.Settings, err error) {
	reader := &cli.App{
		Flags: globalFlags(), Metadata: l.app.Metadata, Writer: io.Discard, ErrWriter: io.Discard, HideHelp: true, HideVersion: true,
		Action: func(c *cli.Context) error { s, err = loadSettings(c); return err },
	}
	return s, reader.Run(append([]string{l.app.Name}, l.global...))
}

// ask calls do with a client of the bot that runs; without one it does nothing. It opens
// no store, which would keep others from it.
func (l *completion) ask(ctx context.Context, do func(context.Context, *client.Client)) {
	ctx, cancel := context.WithTimeout(ctx, completeTimeout)
	defer cancel()
	s, err := l.settings()
	if err != nil {
		return
	}
	cl, err := client.Connect(ctx, s, "rosey completion", slog.New(slog.DiscardHandler))
	if err != nil {
		return
	}
	defer cl.Close()
	do(ctx, cl)
}

func (l *completion) channels(ctx context.Context) (names []string) {
	if s, err := l.settings(); err == nil {
		for _, c := range s.ChannelList() {
			names = append(names, c.Name)
		}
	}
	l.ask(ctx, func(ctx context.Context, cl *client.Client) {
		if status, err := bot.QueryStatus(ctx, cl.Conn); err == nil {
			for _, c := range status.Channels {
				names = append(names, c.Channel)
			}
		}
	})
	return slices.DeleteFunc(names, func(name string) bool { return name == "" })
}

func (l *completion) plugins(ctx context.Context) (names []string) {
	l.ask(ctx, func(ctx context.Context, cl *client.Client) {
		list, _ := host.Statuses(ctx, cl.Conn, cl.JS)
		for _, p := range list {
			names = append(names, p.Name)
		}
	})
	return names
}

// settingKeys returns the settings of a plugin.
func (l *completion) settingKeys(ctx context.Context, plugin string) (keys []string) {
	l.ask(ctx, func(ctx context.Context, cl *client.Client) {
		registered, _ := router.List(ctx, cl.JS)
		properties, _ := propertiesOf(registered, plugin)
		keys = slices.Collect(maps.Keys(properties))
	})
	return keys
}

func (l *completion) collections(ctx context.Context) (names []string) {
	l.ask(ctx, func(ctx context.Context, cl *client.Client) {
		for name := range cl.JS.KeyValueStoreNames(ctx).Name() {
			if collection, ok := strings.CutPrefix(name, kvstore.BucketPrefix); ok {
				names = append(names, collection)
			}
		}
	})
	return names
}

func (l *completion) deadLetters(ctx context.Context) (refs []string) {
	l.ask(ctx, func(ctx context.Context, cl *client.Client) {
		letters, _ := deadletters.List(ctx, cl.JS)
		for _, letter := range letters {
			if letter.State == deadletters.Open {
				refs = append(refs, letter.Ref.String())
			}
		}
	})
	return refs
}
