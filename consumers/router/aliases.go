package router

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/consumers/pluginsettings"
	"github.com/rosey-bot/rosey/internal/fold"
)

// aliases returns the command of a setting and what that calls it, nothing for other settings.
func aliases(key string, value json.RawMessage) (command string, names []string) {
	command, ok := strings.CutSuffix(key, "."+keyAliases)
	if !ok || json.Unmarshal(value, &names) != nil {
		return "", nil
	}
	return command, names
}

// aliasIndex is what the settings call commands: by channel, "" being all, and folded
// name, the plugin and the command with a space between them.
type aliasIndex map[string]map[string]string

func newAliasIndex(revisions []pluginsettings.Revision) aliasIndex {
	by := aliasIndex{}
	for _, r := range revisions {
		for key, value := range r.Values {
			command, names := aliases(key, value)
			if len(names) > 0 && by[r.Channel] == nil {
				by[r.Channel] = map[string]string{}
			}
			for _, name := range names {
				by[r.Channel][fold.Key(name)] = r.Plugin + " " + command
			}
		}
	}
	return by
}

// Known returns the valid registrations in the order of their names, with the commands as they
// are in a channel, "" being any: with the aliases of the settings, and without those that
// another plugin has there.
func Known(ctx context.Context, js jetstream.JetStream, store *pluginsettings.Store, channel string) ([]Registration, error) {
	entries, have, err := list(ctx, js)
	if err != nil {
		return nil, err
	}
	plugins := map[string]Registration{}
	var all []Registration
	for _, e := range entries {
		if e.Err == nil {
			plugins[e.Name] = e.Registration
			all = append(all, e.Registration)
		}
	}
	revisions, err := store.List(ctx)
	if err != nil {
		return nil, err
	}
	for i, r := range all {
		all[i].Commands = slices.DeleteFunc(slices.Clone(r.Commands), func(c Command) bool {
			key := fold.Key(c.key(""))
			owner, ok := plugins[have[key]]
			return !c.in(channel) || ok && owner.Name != r.Name && owner.hasIn(key, "", channel)
		})
	}
	return withRanks(withAliases(all, revisions, channel), revisions, channel), nil
}

// withRanks returns registrations whose commands have the ranks that the settings say for a channel.
func withRanks(all []Registration, revisions []pluginsettings.Revision, channel string) []Registration {
	for _, r := range all {
		set := pluginsettings.Set{Plugin: r.Name}
		for _, of := range revisions {
			switch {
			case of.Plugin != r.Name:
			case of.Channel == "":
				set.All = of
			case strings.EqualFold(of.Channel, channel):
				set.Channel = of
			}
		}
		for i, c := range r.Commands {
			rank := r.RankIn(set, c)
			r.Commands[i].MinRank = &rank
		}
	}
	return all
}

// withAliases returns registrations with the further names that the settings give their
// commands in a channel.
func withAliases(all []Registration, revisions []pluginsettings.Revision, channel string) []Registration {
	all = slices.Clone(all)
	for i, r := range all {
		var added []Command
		for _, of := range revisions {
			if of.Plugin != r.Name || of.Channel != "" && !strings.EqualFold(of.Channel, channel) {
				continue
			}
			for _, key := range slices.Sorted(maps.Keys(of.Values)) {
				added = append(added, r.aliasesBy(key, of.Values[key])...)
			}
		}
		all[i].Commands = append(slices.Clone(r.Commands), added...)
	}
	return all
}

// aliasesBy returns what a setting calls a command of the registration.
func (r Registration) aliasesBy(key string, value json.RawMessage) (added []Command) {
	command, names := aliases(key, value)
	i := slices.IndexFunc(r.Commands, func(c Command) bool { return strings.EqualFold(c.Name, command) && c.AliasOf == "" })
	if i < 0 {
		return nil
	}
	for _, name := range names {
		c := r.Commands[i]
		c.Name, c.AliasOf = name, r.Commands[i].Name
		added = append(added, c)
	}
	return added
}
