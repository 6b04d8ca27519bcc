// Package help is the plugin help: !help lists the commands of all plugins.
package help

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/suggest"
	"github.com/rosey-bot/rosey/plugins"
)

// New returns the plugin.
func New() plugins.Plugin {
	return plugins.Plugin{
		Name:         "help",
		Version:      "1.0.0",
		Description:  "Lists the commands of all plugins",
		Concurrent:   true, // it only reads registrations
		Capabilities: []string{event.CapabilityChat, event.CapabilityPM},
		Commands: []plugins.Command{{
			Name:        "help",
			Aliases:     []string{"commands"},
			Usage:       "[COMMAND]",
			Description: "lists the commands that you may use, or shows how to use one",
			Handle:      help,
		}},
	}
}

func help(c *plugins.Context) ([]event.Envelope, error) {
	registered, err := c.Streams().Registrations(c)
	if err != nil {
		return nil, err
	}
	entries := fold(registered, c.Prefix())
	if len(c.Command.Args) == 0 {
		return c.Say("%s", overview(entries, c.Command.Rank, c.Prefix())), nil
	}
	wanted := strings.TrimPrefix(plugins.Fold(c.Command.Args[0]), plugins.Fold(c.Prefix()))
	for _, e := range entries {
		if e.answersTo(wanted) {
			return c.Say("%s", e.detail(c.Prefix())), nil
		}
	}
	for _, r := range registered {
		if strings.EqualFold(r.Name, wanted) {
			return c.Say("%s", about(r, entries, c.Command.Rank, c.Prefix())), nil
		}
	}
	hint := cmp.Or(suggest.DidYouMean(wanted, c.Prefix()+"help ", names(entries, c.Command.Rank)), fmt.Sprintf(" say %shelp for a list", c.Prefix()))
	return nil, event.Errorf(event.InvalidInput, "there is no command %s:%s", plugins.Shorten(wanted, 30), hint)
}

// names returns the commands, with their aliases, that a user of this rank may use.
func names(entries []*entry, rank int) (all []string) {
	for _, e := range entries {
		if e.rank <= rank {
			all = append(append(all, e.name), e.aliases...)
		}
	}
	return all
}

// entry is a command with its aliases.
type entry struct {
	name    string
	aliases []string
	rank    int
	usage   string
	about   string
	plugin  router.Registration
}

// fold returns an entry for each command and its aliases, in the order of names. A
// command of two plugins belongs to the first by name, as in the router.
func fold(registered []router.Registration, prefix string) []*entry {
	var entries []*entry
	taken := map[string]bool{}
	for _, r := range registered {
		byName := map[string]*entry{}
		for _, command := range r.Commands {
			name := strings.ToLower(strings.TrimPrefix(command.Name, prefix))
			if taken[name] {
				continue
			}
			taken[name] = true
			of := strings.ToLower(strings.TrimPrefix(command.AliasOf, prefix))
			if e := byName[of]; of != "" && e != nil {
				e.aliases = append(e.aliases, name)
				continue
			}
			e := &entry{name: name, rank: r.Rank(command), usage: command.Usage, about: command.Description, plugin: r}
			if e.usage == "" {
				e.usage = name
			}
			if e.about == "" {
				e.about = r.Description
			}
			byName[name] = e
			entries = append(entries, e)
		}
	}
	slices.SortFunc(entries, func(a, b *entry) int { return strings.Compare(a.name, b.name) })
	return entries
}

func (e *entry) answersTo(name string) bool {
	return slices.ContainsFunc(append([]string{e.name}, e.aliases...), func(own string) bool { return plugins.Fold(own) == name })
}

func (e *entry) detail(prefix string) string {
	s := "📚 " + prefix + strings.TrimPrefix(e.usage, prefix)
	if e.about != "" {
		s += " — " + e.about
	}
	var notes []string
	if len(e.aliases) > 0 {
		notes = append(notes, "also "+prefix+strings.Join(e.aliases, ", "+prefix))
	}
	if e.rank > 0 {
		notes = append(notes, "for "+who(e.rank))
	}
	notes = append(notes, strings.TrimSpace(e.plugin.Name+" "+e.plugin.Version))
	return s + " (" + strings.Join(notes, "; ") + ")"
}

// overview lists the commands that a user of this rank may use, by the rank they need.
func overview(entries []*entry, rank int, prefix string) string {
	groups := map[int][]string{}
	for _, e := range entries {
		if e.rank <= rank {
			groups[max(e.rank, 0)] = append(groups[max(e.rank, 0)], prefix+e.name)
		}
	}
	var parts []string
	for _, need := range slices.Sorted(maps.Keys(groups)) {
		names := strings.Join(groups[need], ", ")
		if need > 0 {
			names = who(need) + ": " + names
		}
		parts = append(parts, names)
	}
	return "📚 " + strings.Join(parts, "; ") + " — " + prefix + "help COMMAND tells more"
}

// about describes a plugin and its commands.
func about(r router.Registration, entries []*entry, rank int, prefix string) string {
	var names []string
	for _, e := range entries {
		if e.plugin.Name == r.Name && e.rank <= rank {
			names = append(names, prefix+e.name)
		}
	}
	s := "📚 " + strings.TrimSpace(r.Name+" "+r.Version)
	if r.Description != "" {
		s += " — " + r.Description
	}
	if len(names) > 0 {
		s += ": " + strings.Join(names, ", ")
	}
	return s
}

// who returns the name of a rank (contract: cytube.chat).
func who(rank int) string {
	switch rank {
	case 1:
		return "registered users"
	case 2:
		return "moderators"
	case 3:
		return "admins"
	}
	return fmt.Sprintf("rank %d and up", rank)
}
