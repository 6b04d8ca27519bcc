package cmd

import (
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/rosey-bot/rosey/plugins"
)

// catalog lists the plugins that the program was built with.
type catalog []plugins.Plugin

// catalogKey is where the application keeps its catalog.
const catalogKey = "plugins"

// catalogOf returns the catalog of the program that runs.
func catalogOf(app *cli.App) catalog {
	list, _ := app.Metadata[catalogKey].(catalog)
	return list
}

// find returns the plugin of a name, or a usage error that lists the names there are.
func (list catalog) find(name string) (plugins.Plugin, error) {
	i := slices.IndexFunc(list, func(p plugins.Plugin) bool { return p.Name == name })
	if i < 0 {
		return plugins.Plugin{}, usagef("there is no shipped plugin %q: there are %s", name, list.names())
	}
	return list[i], nil
}

// names returns the plugins' names, separated by commas.
func (list catalog) names() string {
	names := make([]string, 0, len(list))
	for _, p := range list {
		names = append(names, p.Name)
	}
	return strings.Join(names, ", ")
}
