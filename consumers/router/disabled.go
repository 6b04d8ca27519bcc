package router

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/rosey-bot/rosey/consumers/pluginsettings"
)

// Disabled is a plugin, or one of its commands, that the settings switch off.
type Disabled struct {
	Plugin  string `json:"plugin"`
	Command string `json:"command,omitempty"` // "" is all
	Channel string `json:"channel,omitempty"` // "" is all
	By      string `json:"by"`                // who changed the plugin's settings there last
}

// DisabledBy returns what the settings switch off, in the order of plugins.
func DisabledBy(revisions []pluginsettings.Revision) (all []Disabled) {
	for _, r := range revisions {
		for _, key := range slices.Sorted(maps.Keys(r.Values)) {
			command, isCommand := strings.CutSuffix(key, "."+keyEnabled)
			if !isCommand && key != keyEnabled || string(r.Values[key]) != "false" {
				continue
			}
			if !isCommand {
				command = ""
			}
			all = append(all, Disabled{Plugin: r.Plugin, Command: command, Channel: r.Channel, By: r.By})
		}
	}
	slices.SortStableFunc(all, func(a, b Disabled) int { return strings.Compare(a.Plugin, b.Plugin) })
	return all
}

// String returns a line about it.
func (d Disabled) String() string {
	what := d.Plugin
	if d.Command != "" {
		what = d.Command + " of " + d.Plugin
	}
	where := "all channels"
	if d.Channel != "" {
		where = "channel " + d.Channel
	}
	return what + " in " + where + " (by " + cmp.Or(d.By, "somebody") + ")"
}
