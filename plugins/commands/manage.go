package commands

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/timeparse"
	"github.com/rosey-bot/rosey/plugins"
)

func removeCommand(c *plugins.Context) ([]event.Envelope, error) {
	return existing(c, "rm", "cmd rm rules", 2, func(r *Command) (string, error) {
		r.Removed = true
		return fmt.Sprintf("🗑️ removed %s%s; %[1]scmd undo %[2]s takes it back", c.Prefix(), r.Name), nil
	})
}

// undoCommand takes back the last change of a command, or of the one that was changed last; once
// more, it makes that change again.
func undoCommand(c *plugins.Context) ([]event.Envelope, error) {
	name := ""
	if len(c.Command.Args) > 1 {
		typed, err := typedName(c, c.Command.Args[1])
		if err != nil {
			return nil, err
		}
		name = typed
	} else {
		var last []Command
		q := plugins.Query{Filter: map[string]any{"channel": strings.ToLower(c.Channel()), "changed": map[string]any{"$gt": 0}}, OrderBy: "changed DESC", Limit: 1}
		if _, err := c.DB(collection).Find(q, &last); err != nil {
			return nil, err
		}
		if len(last) == 0 {
			return nil, missing("no command of this channel was changed")
		}
		name = last[0].Name
	}
	if err := checkFree(c, name); err != nil { // to another plugin since
		return nil, err
	}
	return change(c, name, "undo", func(r *Command) (string, error) {
		if r.Before == nil {
			return "", missing("there is no change of %s%s to take back", c.Prefix(), name)
		}
		was := Command{Name: r.Name, Channel: r.Channel, Version: *r.Before}
		if err := permitted(c, was); err != nil {
			return "", err
		}
		r.Version = was.Version
		if r.Removed {
			return fmt.Sprintf("↩️ removed %s%s again", c.Prefix(), r.Name), nil
		}
		return fmt.Sprintf("↩️ %s%s is as it was: %s", c.Prefix(), r.Name, r.describe(c)), nil
	})
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
	if event.CodeOf(err) == event.RecordNotFound || r.Removed {
		return nil, noCommand(c, name)
	}
	if err != nil {
		return nil, err
	}
	return c.Say("📝 %s%s: %s", c.Prefix(), r.Name, r.describe(c)), nil
}

// describe returns what a command says, and what else there is to know of it.
func (r Command) describe(c *plugins.Context) string {
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
	return fmt.Sprintf("%s (%s)", shown, strings.Join(notes, ", "))
}

func listCommands(c *plugins.Context) ([]event.Envelope, error) {
	var all []Command
	if _, err := c.DB(collection).Find(plugins.Query{Filter: exists(c.Channel()), OrderBy: "name", Limit: maxCommands}, &all); err != nil {
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
