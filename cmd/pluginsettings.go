package cmd

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os/user"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/urfave/cli/v2"

	"github.com/rosey-bot/rosey/consumers/pluginsettings"
	"github.com/rosey-bot/rosey/consumers/router"
)

func settingsCommand() *cli.Command {
	channel := func() cli.Flag {
		return &cli.StringFlag{Name: "channel", Usage: "in the channel `NAME` alone; in all channels when left out"}
	}
	reason := func() cli.Flag {
		return &cli.StringFlag{Name: "reason", Usage: "why, as a `TEXT` for the history"}
	}
	return &cli.Command{
		Name:  "settings",
		Usage: "show and change the settings of plugins and of their commands",
		Description: `A change holds at once, in every process, without a restart, and is stored as an event,
platform.settings. A channel's value wins over that of all channels, and that over the default.

   rosey settings ls trivia
   rosey settings set trivia questions 5 --channel movies
   rosey settings set dice-roller roll.cooldown_user 30s

Every command has these, as COMMAND.KEY, or as KEY for all commands of the plugin: enabled,
min_rank, cooldown_user, cooldown_channel, cooldown_exempt, quiet_hours, refusals, answers, timeout, and
COMMAND.aliases. Settings of the bot itself are in its file: see rosey run --help.`,
		Subcommands: []*cli.Command{
			{Name: "ls", Usage: "what is set, or all settings of a plugin", ArgsUsage: "[PLUGIN]",
				Description: `   rosey settings ls
   rosey settings ls trivia --channel movies`,
				Flags: []cli.Flag{channel(), outputFlag()}, Action: reading(listSettings)},
			{Name: "get", Usage: "print what a setting is", ArgsUsage: "PLUGIN KEY",
				Description: `   rosey settings get trivia questions`,
				Flags:       []cli.Flag{channel(), outputFlag()}, Action: withArguments(2, reading(getSetting))},
			{Name: "set", Usage: "change a setting", ArgsUsage: "PLUGIN KEY VALUE",
				Description: `   rosey settings set trivia answer_time 20s
   rosey settings set trivia enabled off --channel movies --reason "film night"
   rosey settings set quote-db quote.quiet_hours "22:00-07:00 Europe/Berlin"
   rosey settings set dice-roller roll.aliases r,throw`,
				Flags: []cli.Flag{channel(), reason(), outputFlag()}, Action: withArguments(3, reading(setSetting))},
			{Name: "unset", Usage: "let the value of all channels, or the default, hold again", ArgsUsage: "PLUGIN KEY",
				Description: `   rosey settings unset trivia enabled --channel movies`,
				Flags:       []cli.Flag{channel(), reason(), outputFlag()}, Action: withArguments(2, reading(unsetSetting))},
			{Name: "history", Usage: "who changed what, when and why", ArgsUsage: "PLUGIN",
				Description: `   rosey settings history trivia
   rosey replay --subject platform.settings          all changes ever`,
				Flags: []cli.Flag{channel(), outputFlag()}, Action: withArguments(1, reading(settingsHistory))},
			{Name: "undo", Usage: "take back the last change", ArgsUsage: "PLUGIN",
				Description: `   rosey settings undo trivia --channel movies`,
				Flags:       []cli.Flag{channel(), outputFlag()}, Action: withArguments(1, reading(undoSetting))},
		},
	}
}

// withArguments makes an action check the number of its arguments before anything else.
func withArguments(n int, action cli.ActionFunc) cli.ActionFunc {
	return func(c *cli.Context) error {
		if c.Args().Len() != n {
			return usagef("give %s: %s %s", strings.ToLower(strings.Join(strings.Fields(c.Command.ArgsUsage), ", ")), c.Command.HelpName, c.Command.ArgsUsage)
		}
		return action(c)
	}
}

// operator returns who runs the command, for the history.
func operator() string {
	if u, err := user.Current(); err == nil {
		return cmp.Or(u.Username, "operator")
	}
	return "operator"
}

type settingRow struct {
	Plugin      string          `json:"plugin"`
	Channel     string          `json:"channel,omitempty"` // where it is set; "" is all channels
	Key         string          `json:"key"`
	Value       json.RawMessage `json:"value"`
	Default     bool            `json:"default"` // nobody set it
	By          string          `json:"by,omitempty"`
	Description string          `json:"description"`

	text string
}

func listSettings(ctx context.Context, c *cli.Context, cmd command) error {
	if c.Args().Len() > 1 {
		return usagef("give one plugin or none: %s %s", c.Command.HelpName, c.Command.ArgsUsage)
	}
	registered, err := router.List(ctx, cmd.JS)
	if err != nil {
		return err
	}
	store, err := pluginsettings.Find(ctx, cmd.JS)
	if err != nil {
		return err
	}
	var rows []settingRow
	if name := c.Args().First(); name != "" {
		rows, err = settingsOf(ctx, store, registered, name, c.String("channel"))
	} else {
		rows, err = changedSettings(ctx, store, registered, c.String("channel"))
	}
	if err != nil {
		return err
	}
	if len(rows) == 0 && !wantJSON(c) {
		fmt.Fprintln(c.App.Writer, "everything has its default: rosey settings ls PLUGIN shows what there is to set")
		return nil
	}
	headers := table.Row{"plugin", "setting", "value", "in", "by", "what it is"}
	return printList(c, rows, headers, func(r settingRow) table.Row {
		in := cmp.Or(r.Channel, "all channels")
		if r.Default {
			in = "default"
		}
		return table.Row{r.Plugin, r.Key, r.text, in, r.By, r.Description}
	})
}

// settingsOf returns all settings of a plugin as they hold in a channel, "" for all.
func settingsOf(ctx context.Context, store *pluginsettings.Store, registered []router.Entry, plugin, channel string) (rows []settingRow, err error) {
	properties, err := propertiesOf(registered, plugin)
	if err != nil {
		return nil, err
	}
	set, err := store.Load(ctx, plugin, channel)
	if err != nil {
		return nil, err
	}
	for _, key := range slices.Sorted(maps.Keys(properties)) {
		_, _, isSet := set.Value(key)
		if strings.Contains(key, ".") && !isSet {
			continue // as that of all commands
		}
		rows = append(rows, rowOf(properties[key], set))
	}
	return rows, nil
}

func propertiesOf(registered []router.Entry, plugin string) (pluginsettings.Properties, error) {
	for _, e := range registered {
		if e.Name == plugin {
			return e.Properties()
		}
	}
	return nil, router.UnknownPlugin(registered, plugin)
}

func rowOf(p pluginsettings.Property, set pluginsettings.Set) settingRow {
	r := settingRow{Plugin: set.Plugin, Key: p.Key, Value: p.Default, Default: true, Description: p.Description}
	if value, from, ok := set.Value(p.Key); ok {
		r.Value, r.Default, r.Channel, r.By = value, false, from.Channel, from.By
	}
	if r.text = p.Text(r.Value); r.text == "null" {
		r.text = ""
	}
	return r
}

// changedSettings returns what is set anywhere, or in a channel.
func changedSettings(ctx context.Context, store *pluginsettings.Store, registered []router.Entry, channel string) (rows []settingRow, err error) {
	revisions, err := store.List(ctx)
	for _, r := range revisions {
		if channel != "" && !strings.EqualFold(channel, r.Channel) {
			continue
		}
		properties, _ := propertiesOf(registered, r.Plugin) // a plugin that is gone has none
		for _, key := range slices.Sorted(maps.Keys(r.Values)) {
			p := properties[key]
			p.Key = key
			rows = append(rows, settingRow{Plugin: r.Plugin, Channel: r.Channel, Key: key, Value: r.Values[key], By: r.By, Description: p.Description, text: p.Text(r.Values[key])})
		}
	}
	return rows, err
}

func getSetting(ctx context.Context, c *cli.Context, cmd command) error {
	plugin, key := c.Args().Get(0), c.Args().Get(1)
	registered, err := router.List(ctx, cmd.JS)
	if err != nil {
		return err
	}
	properties, err := propertiesOf(registered, plugin)
	if err != nil {
		return err
	}
	p, err := properties.Find(plugin, key)
	if err != nil {
		return err
	}
	store, err := pluginsettings.Find(ctx, cmd.JS)
	if err != nil {
		return err
	}
	set, err := store.Load(ctx, plugin, c.String("channel"))
	if err != nil {
		return err
	}
	if r := rowOf(p, set); wantJSON(c) {
		return encode(c, r)
	} else {
		fmt.Fprintln(c.App.Writer, r.text)
	}
	return nil
}

func setSetting(ctx context.Context, c *cli.Context, cmd command) error {
	return configure(ctx, c, cmd, router.Setting{Text: c.Args().Get(2)})
}

func unsetSetting(ctx context.Context, c *cli.Context, cmd command) error {
	return configure(ctx, c, cmd, router.Setting{Unset: true})
}

func configure(ctx context.Context, c *cli.Context, cmd command, s router.Setting) error {
	s.Plugin, s.Key, s.Channel, s.By, s.Reason = c.Args().Get(0), c.Args().Get(1), c.String("channel"), operator(), c.String("reason")
	if s.Channel != "" {
		var err error
		if s.Channel, err = channelFor(ctx, cmd, s.Channel); err != nil {
			return err
		}
	}
	registered, err := router.List(ctx, cmd.JS)
	if err != nil {
		return err
	}
	store, err := pluginsettings.Open(ctx, cmd.JS, cmd.settings.Replicas)
	if err != nil {
		return err
	}
	changes, err := router.Configure(ctx, cmd.Bus, store, registered, s)
	if err != nil {
		return err
	}
	properties, _ := propertiesOf(registered, s.Plugin) // it was found above
	return printChanges(c, properties, s.Plugin, s.Channel, changes)
}

// where says in which channel something holds; "" is all.
func where(channel string) string {
	if channel == "" {
		return "in all channels"
	}
	return "in channel " + channel
}

func printChanges(c *cli.Context, properties pluginsettings.Properties, plugin, channel string, changes []pluginsettings.Change) error {
	if len(changes) == 0 && !wantJSON(c) {
		fmt.Fprintln(c.App.Writer, "it is so already")
	}
	for _, change := range changes {
		if wantJSON(c) {
			if err := encode(c, change); err != nil {
				return err
			}
			continue
		}
		text := func(value json.RawMessage) string { return settingText(properties, change.Key, value, "not set") }
		fmt.Fprintf(c.App.Writer, "%s of %s %s: %s, it was %s\n", change.Key, plugin, where(channel), text(change.New), text(change.Old))
	}
	return nil
}
