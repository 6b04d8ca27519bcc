package commands

import (
	"strconv"
	"strings"

	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
)

// maxCommands is how many commands a channel may have.
const maxCommands = 200

// Command is a command of a channel: it says a text, or runs another.
type Command struct {
	Name    string `json:"name"`
	Channel string `json:"channel"`
	Version
	Count   int      `json:"count"`             // uses, where the text tells of them
	Before  *Version `json:"before,omitempty"`  // the last change
	Changed int64    `json:"changed,omitempty"` // ms
}

// Version is what a command is between two changes.
type Version struct {
	Text     string  `json:"text" mark:"text"`
	Runs     string  `json:"runs" mark:"text"`
	By       string  `json:"by" mark:"person"`
	MinRank  int     `json:"min_rank"`
	Cooldown float64 `json:"cooldown"` // seconds
	Removed  bool    `json:"removed,omitempty"`
}

// exists is the filter of the commands of a channel that are not removed.
func exists(channel string) map[string]any {
	return map[string]any{"channel": strings.ToLower(channel), "removed": map[string]any{"$ne": true}}
}

// say handles a custom command.
func say(c *plugins.Context) ([]event.Envelope, error) {
	var r Command
	id := recordID(c.Channel(), c.Command.Command)
	if err := c.DB(collection).Get(id, &r); err != nil {
		return nil, err
	}
	if r.Removed { // a moment ago
		return nil, noCommand(c, r.Name)
	}
	if r.Text == "" {
		return nil, refuse(c, event.RecordNotFound, texts(c).TextErased, r.Name, nil)
	}
	t, err := parse(c, r.Text, ofCommand)
	if err != nil {
		return nil, err
	}
	said := func() ([]event.Envelope, error) {
		values := plugins.Values{"user": c.Command.User, "rank": c.Command.Rank, "args": c.Text(0), "count": r.Count, "target": c.Command.User}
		for i := range maxArguments {
			value := ""
			if i < len(c.Command.Args) {
				value = c.Command.Args[i]
			}
			values["arg"+strconv.Itoa(i+1)] = value
		}
		if len(c.Command.Args) > 0 {
			values["target"] = plugins.UserName(c.Command.Args[0])
		}
		text, err := render(c, t, values)
		if err != nil || text == "" {
			return nil, err
		}
		return c.Say("%s", text), nil
	}
	if !t.Uses("count") {
		return said()
	}
	return c.DB(collection).Change(id, &r, func() ([]event.Envelope, error) {
		r.Count++
		return said()
	})
}

// register has the router know the commands of all channels.
func register(c *plugins.Context) error {
	var all []router.Command
	for {
		const page = 1000
		var records []Command
		filter := map[string]any{"removed": map[string]any{"$ne": true}}
		total, err := c.DB(collection).Find(plugins.Query{Filter: filter, OrderBy: "channel, name", Limit: page, Offset: len(all)}, &records)
		if err != nil {
			return err
		}
		for _, r := range records {
			all = append(all, r.registration())
		}
		if len(all) >= total || len(records) == 0 {
			return c.SetCommands(all)
		}
	}
}

// registration returns what the router and !help know of the command.
func (r Command) registration() router.Command {
	out := router.Command{
		Name: r.Name, Usage: r.Name, Channels: []string{r.Channel}, Description: "a command of this channel", Cooldown: r.Cooldown, Runs: r.Runs,
	}
	if r.MinRank != 0 {
		out.MinRank = &r.MinRank
	}
	if r.Runs != "" {
		out.Description = "stands for " + r.Runs
	}
	if strings.Contains(r.Text, ".arg") || strings.Contains(r.Text, ".target") || r.Runs != "" {
		out.Usage += " …"
	}
	return out
}
