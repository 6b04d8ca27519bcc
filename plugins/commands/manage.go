package commands

import (
	"slices"
	"strings"
	"time"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
)

func removeCommand(c *plugins.Context) ([]event.Envelope, error) {
	return existing(c, "rm", "cmd rm rules", 2, func(r *Command) (string, error) {
		r.Removed = true
		return about(c, texts(c).TextRemoved, r.Name, nil), nil
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
			return nil, unchanged(c, ofCommands, "")
		}
		name = last[0].Name
	}
	if err := checkFree(c, name); err != nil { // to another plugin since
		return nil, err
	}
	return change(c, name, "undo", func(r *Command) (string, error) {
		if r.Before == nil {
			return "", unchanged(c, ofCommands, name)
		}
		was := Command{Name: r.Name, Channel: r.Channel, Version: *r.Before}
		if err := permitted(c, was); err != nil {
			return "", err
		}
		r.Version = was.Version
		is := ""
		if !r.Removed {
			is = r.describe(c)
		}
		return about(c, texts(c).TextUndone, r.Name, plugins.Values{"command": is}), nil
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
	return c.Tell(plugins.Recipient{}, about(c, texts(c).TextShown, r.Name, plugins.Values{"command": r.describe(c)})), nil
}

// describe returns what a command says, and what else there is to know of it.
func (r Command) describe(c *plugins.Context) string {
	return about(c, texts(c).TextCommand, r.Name, plugins.Values{
		"text": r.Text, "runs": r.Runs, "by": r.By, "rank": r.MinRank, "cooldown": time.Duration(r.Cooldown * float64(time.Second)), "count": r.Count,
	})
}

func listCommands(c *plugins.Context) ([]event.Envelope, error) {
	var all []Command
	if _, err := c.DB(collection).Find(plugins.Query{Filter: exists(c.Channel()), OrderBy: "name", Limit: maxCommands}, &all); err != nil {
		return nil, err
	}
	var names []string
	for _, r := range all {
		names = append(names, c.Prefix()+r.Name)
	}
	slices.Sort(names)
	return c.SayText(texts(c).TextCommands, plugins.Values{"commands": names, "prefix": c.Prefix()}), nil
}
