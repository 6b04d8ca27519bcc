package commands

import (
	"cmp"
	"strconv"
	"strings"

	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/timeparse"
	"github.com/rosey-bot/rosey/plugins"
)

const (
	commandUsage = "cmd add rules Be kind"
	commandWords = "edit, alias, rank, cooldown, count, show, list, rm, undo"
)

func commandVerbs() map[string]plugins.Handler {
	return map[string]plugins.Handler{
		"add": addCommand, "edit": editCommand, "set": editCommand, "alias": addAlias,
		"rm": removeCommand, "remove": removeCommand, "delete": removeCommand, "del": removeCommand,
		"show": showCommand, "list": listCommands, "ls": listCommands,
		"undo": undoCommand, "rank": setRank, "cooldown": setCooldown, "count": setCount,
	}
}

// change changes a command of the channel, which keeps what it was before, and has the router know it.
func change(c *plugins.Context, name, action string, do func(r *Command) (string, error)) ([]event.Envelope, error) {
	var r Command
	out, err := c.DB(collection).Change(recordID(c.Channel(), name), &r, func() ([]event.Envelope, error) {
		before := r.Version
		before.Removed = before.Removed || r.Name == ""
		if !before.Removed {
			if err := permitted(c, r); err != nil {
				return nil, err
			}
		}
		answer, err := do(&r)
		if err != nil {
			return nil, err
		}
		r.Before, r.Changed = &before, c.Now().UnixMilli()
		told := changed{Action: action, What: "command", Name: r.Name, Text: cmp.Or(r.Text, r.Runs)}
		if r.Removed {
			told.Text = ""
		}
		return did(c, told, answer), nil
	})
	if err != nil {
		return nil, err
	}
	return out, register(c)
}

// permitted returns an error if a command needs a higher rank than that of who wants to change it.
func permitted(c *plugins.Context, r Command) error {
	if need := c.RankFor(r.registration()); need > c.Command.Rank {
		return refuse(c, event.PermissionDenied, texts(c).TextNotYours, r.Name, plugins.Values{"need": need, "rank": c.Command.Rank})
	}
	return nil
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
		if r.Name == "" || r.Removed {
			return "", noCommand(c, name)
		}
		return do(r)
	})
}

// ofItsOwn is existing of what an alias has of the command that it stands for.
func ofItsOwn(c *plugins.Context, what, example string, do func(r *Command) (string, error)) ([]event.Envelope, error) {
	return existing(c, what, example, 3, func(r *Command) (string, error) {
		if r.Runs != "" {
			return "", refuse(c, event.InvalidInput, texts(c).TextOfAlias, r.Name, plugins.Values{"runs": r.Runs, "what": what})
		}
		return do(r)
	})
}

func noCommand(c *plugins.Context, name string) error {
	return missing(c, ofCommands, name)
}

func addCommand(c *plugins.Context) ([]event.Envelope, error) {
	if err := needs(c, 3, commandUsage); err != nil {
		return nil, err
	}
	text, err := checkText(c, c.Text(2), ofCommand)
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
	n, err := c.DB(collection).Count(exists(c.Channel()))
	if err != nil {
		return nil, err
	}
	return change(c, name, "add", func(r *Command) (string, error) {
		switch {
		case r.Name != "" && !r.Removed:
			return "", taken(c, ofCommands, r.Name)
		case n >= maxCommands:
			return "", full(c, "commands", maxCommands)
		}
		*r = Command{Name: name, Channel: strings.ToLower(c.Channel()), Version: Version{By: c.Command.User}}
		fill(r)
		return about(c, texts(c).TextAdded, name, nil), nil
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
				return refuse(c, event.InvalidInput, texts(c).TextOthers, name, plugins.Values{"plugin": r.Name})
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
			return badAlias(c, "itself", alias)
		}
		of, ok := by[plugins.Fold(word)]
		if !ok {
			return badAlias(c, "none", word)
		}
		if of.Runs == "" {
			return nil
		}
		runs = of.Runs
	}
	return badAlias(c, "deep", alias)
}

func badAlias(c *plugins.Context, why, name string) error {
	return refuse(c, event.InvalidInput, texts(c).TextBadAlias, plugins.Shorten(name, 40), plugins.Values{"why": why})
}

func editCommand(c *plugins.Context) ([]event.Envelope, error) {
	return existing(c, "edit", "cmd edit rules Be kind", 3, func(r *Command) (answer string, err error) {
		r.Text, err = checkText(c, c.Text(2), ofCommand)
		r.Runs = ""
		return about(c, texts(c).TextEdited, r.Name, nil), err
	})
}

func setRank(c *plugins.Context) ([]event.Envelope, error) {
	return ofItsOwn(c, "rank", "cmd rank rules 2", func(r *Command) (string, error) {
		rank, err := strconv.Atoi(c.Command.Args[2])
		if err != nil || rank < 0 || rank > c.Command.Rank {
			return "", c.Refuse(event.InvalidInput, texts(c).TextBadRank, plugins.Values{"rank": c.Command.Rank})
		}
		r.MinRank = rank
		return about(c, texts(c).TextRank, r.Name, plugins.Values{"rank": rank}), nil
	})
}

func setCooldown(c *plugins.Context) ([]event.Envelope, error) {
	return ofItsOwn(c, "cooldown", "cmd cooldown rules 30s", func(r *Command) (string, error) {
		d, err := timeparse.Duration(tail(c, 2))
		if c.Command.Args[2] == "0" || c.Command.Args[2] == "off" {
			d, err = 0, nil
		}
		if err != nil || d < 0 || d > router.MaxCooldown {
			return "", c.Refuse(event.InvalidInput, texts(c).TextBadCooldown, plugins.Values{"most": router.MaxCooldown})
		}
		r.Cooldown = d.Seconds()
		return about(c, texts(c).TextCooldown, r.Name, plugins.Values{"cooldown": d}), nil
	})
}

const maxCount = 1_000_000_000

func setCount(c *plugins.Context) ([]event.Envelope, error) {
	return ofItsOwn(c, "count", "cmd count deaths 5", func(r *Command) (string, error) {
		n, err := strconv.Atoi(c.Command.Args[2])
		if err != nil || n < 0 || n > maxCount {
			return "", c.Refuse(event.InvalidInput, texts(c).TextBadCount, plugins.Values{"most": maxCount})
		}
		r.Count = n
		return about(c, texts(c).TextCount, r.Name, plugins.Values{"count": n}), nil
	})
}
