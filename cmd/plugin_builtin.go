package cmd

import (
	"reflect"
	"runtime"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/urfave/cli/v2"

	"github.com/rosey-bot/rosey/plugins"
)

// shippedPackages begin the packages of plugins that ship with Rosey.
const shippedPackages = "github.com/rosey-bot/rosey/"

// builtIn is a plugin that the program was built with.
type builtIn struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Package string `json:"package"` // in which its first handler is
}

func builtIns(list []plugins.Plugin) (all []builtIn) {
	for _, p := range list {
		all = append(all, builtIn{p.Name, p.Version, packageOf(p)})
	}
	return all
}

func listBuiltIn(c *cli.Context) error {
	return printList(c, builtIns(pluginsOf(c.App)), table.Row{"plugin", "version", "package"}, func(b builtIn) table.Row {
		return table.Row{b.Name, b.Version, b.Package}
	})
}

// packageOf returns the import path of the package with a plugin's first handler, or with its settings.
func packageOf(p plugins.Plugin) string {
	var handler any
	switch {
	case len(p.Commands) > 0:
		handler = p.Commands[0].Handle
	case len(p.Events) > 0:
		handler = p.Events[0].Handle
	case len(p.Requests) > 0:
		handler = p.Requests[0].Handle
	case p.Settings != nil:
		return reflect.TypeOf(p.Settings).PkgPath()
	default:
		return ""
	}
	name := runtime.FuncForPC(reflect.ValueOf(handler).Pointer()).Name()
	slash := strings.LastIndex(name, "/") + 1
	last, _, _ := strings.Cut(name[slash:], ".")
	return name[:slash] + last
}
