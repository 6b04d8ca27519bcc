package router

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/rosey-bot/rosey/consumers/pluginsettings"
)

// WithAliases returns registrations with the further names that the settings give their
// commands in a channel.
func WithAliases(all []Registration, revisions []pluginsettings.Revision, channel string) []Registration {
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
	command, ok := strings.CutSuffix(key, "."+KeyAliases)
	var names []string
	if !ok || json.Unmarshal(value, &names) != nil {
		return nil
	}
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
