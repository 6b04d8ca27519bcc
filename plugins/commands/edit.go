package commands

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/timeparse"
	"github.com/rosey-bot/rosey/plugins"
)

const commandUsage = `write !cmd add rules Be kind, or edit, alias, rank, cooldown, count, show, list, rm`

func commandVerbs() map[string]plugins.Handler {
	return map[string]plugins.Handler{
		"add": addCommand, "edit": editCommand, "set": editCommand, "alias": addAlias,
		"rm": removeCommand, "remove": removeCommand, "delete": removeCommand, "del": removeCommand,
		"show": showCommand, "list": listCommands, "ls": listCommands,
		"rank": setRank, "cooldown": setCooldown, "count": setCount,
	}
}

// change changes a command of the channel and has the router know it.
func change(c *plugins.Context, name, action string, do func(r *Command) (string, error)) ([]event.Envelope, error) {
	var r Command
	out, err := c.DB(collection).Change(recordID(c.Channel(), name), &r, func() ([]event.Envelope, error) {
		answer, err := do(&r)
		if err != nil {
			return nil, err
		}
		return did(c, changed{Action: action, What: "command", Name: r.Name, Text: cmp.Or(r.Text, r.Runs)}, "%s", answer), nil
	})
	if err != nil {
		return nil, err
	}
	return out, register(c)
}

// existing is change of a command that is there.
func existing(c *plugins.Context, action, example string, arguments int, do func(r *Command) (string, error)) ([]event.Envelope, error) {
	if err := needs(c, arguments, example); err != nil {
		return nil, err
	}
	name, err := typedName(c, c.Command.Args[1])
	if err != nil {
		return nil, err
	}
	return change(c, name, action, func(r *Command) (string, error) {
		if r.Name == "" {
			return "", noCommand(c, name)
		}
		return do(r)
	})
}

func noCommand(c *plugins.Context, name string) error {
	return missing("there is no command %s%s of this channel: see %scmd list", c.Prefix(), name, c.Prefix())
}

func addCommand(c *plugins.Context) ([]event.Envelope, error) {
	if err := needs(c, 3, "cmd add rules Be kind"); err != nil {
		return nil, err
	}
	text, err := checkText(c.Text(2), ofCommand)
	if err != nil {
		return nil, err
	}
	return add(c, func(r *Command) { r.Text = text })
}

func addAlias(c *plugins.Context) ([]event.Envelope, error) {
	if err := needs(c, 3, "cmd alias attack roll 1d20+5"); err != nil {
		return nil, err
	}
	runs := strings.TrimPrefix(c.Text(2), c.Prefix())
	if err := checkRuns(c, c.Command.Args[1], runs); err != nil {
		return nil, err
	}
	return add(c, func(r *Command) { r.Runs = runs })
}

// add adds a command of a name that is free.
func add(c *plugins.Context, fill func(r *Command)) ([]event.Envelope, error) {
	name, err := typedName(c, c.Command.Args[1])
	if err != nil {
		return nil, err
	}
	if err := checkFree(c, name); err != nil {
		return nil, err
	}
	n, err := c.DB(collection).Count(map[string]any{"channel": strings.ToLower(c.Channel())})
	if err != nil {
		return nil, err
	}
	return change(c, name, "add", func(r *Command) (string, error) {
		switch {
		case r.Name != "":
			return "", bad("there is a command %s%s already: %scmd edit %s TEXT changes it", c.Prefix(), r.Name, c.Prefix(), r.Name)
		case n >= maxCommands:
			return "", bad("a channel has at most %d commands: remove one first", maxCommands)
		}
		*r = Command{Name: name, Channel: strings.ToLower(c.Channel()), By: c.Command.User}
		fill(r)
		return fmt.Sprintf("✅ added %s%s", c.Prefix(), name), nil
	})
}

// checkFree returns an error if another plugin, or this one itself, has a command.
func checkFree(c *plugins.Context, name string) error {
	known, err := c.Streams().Registrations(c)
	if err != nil {
		return err
	}
	for _, r := range known {
		for _, of := range r.Commands {
			if (!of.Custom || of.AliasOf != "") && plugins.Fold(of.Name) == plugins.Fold(name) {
				return bad("%s%s is a command of the plugin %s: choose another name", c.Prefix(), name, r.Name)
			}
		}
	}
	return nil
}

// checkRuns returns an error unless what an alias runs is a command, and not the alias itself.
func checkRuns(c *plugins.Context, alias, runs string) error {
	known, err := c.Streams().Registrations(c)
	if err != nil {
		return err
	}
	by := map[string]router.Command{}
	for _, r := range known {
		for _, of := range r.Commands {
			by[plugins.Fold(of.Name)] = of
		}
	}
	for range 3 {
		word, _, _ := strings.Cut(runs, " ")
		if plugins.Fold(word) == plugins.Fold(strings.TrimPrefix(alias, c.Prefix())) {
			return bad("%s would stand for itself: choose another name", plugins.Shorten(alias, 40))
		}
		of, ok := by[plugins.Fold(word)]
		if !ok {
			return bad("%s%s is no command: %shelp lists those that there are", c.Prefix(), plugins.Shorten(word, 40), c.Prefix())
		}
		if of.Runs == "" {
			return nil
		}
		runs = of.Runs
	}
	return bad("%s would stand for too many commands in turn", plugins.Shorten(alias, 40))
}

func editCommand(c *plugins.Context) ([]event.Envelope, error) {
	return existing(c, "edit", "cmd edit rules Be kind", 3, func(r *Command) (answer string, err error) {
		r.Text, err = checkText(c.Text(2), ofCommand)
		r.Runs = ""
		return fmt.Sprintf("✅ changed %s%s", c.Prefix(), r.Name), err
	})
}

func setRank(c *plugins.Context) ([]event.Envelope, error) {
	return existing(c, "rank", "cmd rank rules 2", 3, func(r *Command) (string, error) {
		rank, err := strconv.Atoi(c.Command.Args[2])
		if err != nil || rank < 0 || rank > c.Command.Rank {
			return "", bad("a rank is 0 (everybody) to %d, which is yours: 1 registered users, 2 moderators, 3 admins", c.Command.Rank)
		}
		r.MinRank = rank
		return fmt.Sprintf("✅ %s%s needs rank %d", c.Prefix(), r.Name, rank), nil
	})
}

func setCooldown(c *plugins.Context) ([]event.Envelope, error) {
	return existing(c, "cooldown", "cmd cooldown rules 30s", 3, func(r *Command) (string, error) {
		d, err := timeparse.Duration(tail(c, 2))
		if c.Command.Args[2] == "0" || c.Command.Args[2] == "off" {
			d, err = 0, nil
		}
		if err != nil || d < 0 || d > router.MaxCooldown {
			return "", bad("a cooldown is a time such as 30s or 5m, at most %s, or off", timeparse.Short(router.MaxCooldown))
		}
		r.Cooldown = d.Seconds()
		if d == 0 {
			return fmt.Sprintf("✅ %s%s has no cooldown", c.Prefix(), r.Name), nil
		}
		return fmt.Sprintf("✅ %s%s can be used every %s", c.Prefix(), r.Name, timeparse.Short(d)), nil
	})
}

func setCount(c *plugins.Context) ([]event.Envelope, error) {
	return existing(c, "count", "cmd count deaths 5", 3, func(r *Command) (string, error) {
		n, err := strconv.Atoi(c.Command.Args[2])
		if err != nil || n < 0 || n > 1e9 {
			return "", bad("a count is a whole number from 0 to %d", int(1e9))
		}
		r.Count = n
		return fmt.Sprintf("✅ %s%s counts from %d", c.Prefix(), r.Name, n), nil
	})
}

func removeCommand(c *plugins.Context) ([]event.Envelope, error) {
	if err := needs(c, 2, "cmd rm rules"); err != nil {
		return nil, err
	}
	name, err := typedName(c, c.Command.Args[1])
	if err != nil {
		return nil, err
	}
	err = c.DB(collection).Delete(recordID(c.Channel(), name))
	if event.CodeOf(err) == event.RecordNotFound {
		return nil, noCommand(c, name)
	}
	if err != nil {
		return nil, err
	}
	return did(c, changed{Action: "rm", What: "command", Name: name}, "🗑️ removed %s%s", c.Prefix(), name), register(c)
}

func showCommand(c *plugins.Context) ([]event.Envelope, error) {
	if err := needs(c, 2, "cmd show rules"); err != nil {
		return nil, err
	}
	name, err := typedName(c, c.Command.Args[1])
	if err != nil {
		return nil, err
	}
	var r Command
	err = c.DB(collection).Get(recordID(c.Channel(), name), &r)
	if event.CodeOf(err) == event.RecordNotFound {
		return nil, noCommand(c, name)
	}
	if err != nil {
		return nil, err
	}
	notes := []string{"by " + r.By}
	if r.MinRank > 0 {
		notes = append(notes, fmt.Sprintf("rank %d", r.MinRank))
	}
	if r.Cooldown > 0 {
		notes = append(notes, "every "+timeparse.Short(time.Duration(r.Cooldown*float64(time.Second))))
	}
	if r.Count > 0 {
		notes = append(notes, fmt.Sprintf("used %d times", r.Count))
	}
	shown := r.Text
	if r.Runs != "" {
		shown = "stands for " + c.Prefix() + r.Runs
	}
	return c.Say("📝 %s%s: %s (%s)", c.Prefix(), r.Name, shown, strings.Join(notes, ", ")), nil
}

func listCommands(c *plugins.Context) ([]event.Envelope, error) {
	var all []Command
	if _, err := c.DB(collection).Find(plugins.Query{Filter: map[string]any{"channel": strings.ToLower(c.Channel())}, OrderBy: "name", Limit: maxCommands}, &all); err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return c.Say("📝 this channel has no commands of its own: %scmd add rules Be kind", c.Prefix()), nil
	}
	var names []string
	for _, r := range all {
		names = append(names, c.Prefix()+r.Name)
	}
	slices.Sort(names)
	return c.Say("📝 %s", strings.Join(names, ", ")), nil
}
