// Package admin is the plugin admin: admins of a channel change settings and grants there by
// typing. It runs in the bot's process alone, as it may change what every plugin does.
package admin

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/dustin/go-humanize/english"

	"github.com/rosey-bot/rosey/consumers/pluginsettings"
	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/timeparse"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/streams"
)

// Name is the plugin's name.
const Name = "admin"

// minRank is the rank of admins. The setting min_rank of each command changes it.
const minRank = 3

// maxText is how much of a text is shown among other settings.
const maxText = 60

// reason is why something was changed, in the history.
const reason = "typed in the channel"

// New returns the plugin as it is listed. The bot runs one that is bound to what it changes,
// see Admin; elsewhere its commands are refused.
func New() plugins.Plugin { return (&Admin{}).Plugin() }

// Admin is what the plugin changes.
type Admin struct {
	Bus      *streams.Bus
	Settings *pluginsettings.Store
	Grants   *router.Grants
	Channels []string // that the bot is in
}

// Plugin returns the plugin.
func (a *Admin) Plugin() plugins.Plugin {
	return plugins.Plugin{
		Name: Name, Version: "1.0.0", Description: "Settings and grants for the channel's admins", MinRank: minRank,
		Capabilities: []string{event.CapabilityChat, event.CapabilityPM},
		Commands: []plugins.Command{
			{Name: "set", Usage: "PLUGIN.SETTING VALUE|default [for CHANNEL|all]", Description: "changes a setting in this channel", Handle: a.bound(a.set)},
			{Name: "settings", Usage: "PLUGIN", Description: "shows what a plugin's settings are in this channel", Handle: a.bound(a.show)},
			{Name: "grant", Usage: "USER PLUGIN|PLUGIN.COMMAND|ROLE [for 2h]", Description: "lets a user use commands whatever the rank, in this channel", Handle: a.bound(a.grant)},
			{Name: "revoke", Usage: "USER PLUGIN|PLUGIN.COMMAND|ROLE", Description: "takes a grant back", Handle: a.bound(a.revoke)},
		},
	}
}

// bound refuses commands of a plugin that is bound to nothing.
func (a *Admin) bound(handle plugins.Handler) plugins.Handler {
	return func(c *plugins.Context) ([]event.Envelope, error) {
		if a.Bus == nil {
			return nil, event.Errorf(event.PluginError, "%s works in the bot's own process alone", Name)
		}
		return handle(c)
	}
}

// usage returns the error of a command that is typed in another way.
func usage(c *plugins.Context, example string) error {
	return event.Errorf(event.InvalidInput, "say for example %s%s", c.Prefix(), example)
}

// cutFor cuts off "for" and what follows it at the end.
func cutFor(args []string) (rest []string, what string) {
	if n := len(args); n > 2 && strings.EqualFold(args[n-2], "for") {
		return args[:n-2], args[n-1]
	}
	return args, ""
}

// typed returns a value with its quotes and spaces, which a text needs, without what cutFor cut off.
func typed(c *plugins.Context, cut bool) string {
	text := c.Text(1)
	for range 2 {
		if i := strings.LastIndexFunc(text, unicode.IsSpace); cut && i >= 0 {
			text = strings.TrimRightFunc(text[:i], unicode.IsSpace)
		}
	}
	return text
}

// place returns the channel whose settings change, "" for all. The rank of who types is that
// of one channel, and says nothing of another.
func (a *Admin) place(c *plugins.Context, what string) (string, error) {
	here := c.Channel()
	all := strings.EqualFold(what, "all")
	switch {
	case what == "" || strings.EqualFold(what, here):
		return here, nil
	case all && len(a.Channels) == 1:
		return "", nil
	case all:
		return "", event.Errorf(event.PermissionDenied, "you are an admin of %s alone: for all channels there are rosey settings and the console", here)
	case !event.ValidName(what):
		return "", event.Errorf(event.InvalidInput, "%.40q is no channel", what)
	}
	return "", event.Errorf(event.PermissionDenied, "you are an admin here: say it in %s", what)
}

// property returns the plugin and the setting that somebody names as PLUGIN.SETTING.
func property(c *plugins.Context, registered []router.Entry, name string) (plugin string, p pluginsettings.Property, err error) {
	plugin, key, ok := strings.Cut(name, ".")
	if !ok {
		return plugin, p, event.Errorf(event.InvalidInput, "write a setting as PLUGIN.SETTING, such as trivia.questions, not %.60s", name)
	}
	all, err := properties(registered, plugin)
	if err == nil {
		p, err = find(c, all, plugin, key)
	}
	return plugin, p, err
}

// find returns a setting, or an error that says in chat how to see those that there are.
func find(c *plugins.Context, all pluginsettings.Properties, plugin, key string) (pluginsettings.Property, error) {
	p, err := all.Find(plugin, key)
	if err != nil && !strings.Contains(err.Error(), "did you mean") {
		err = event.Errorf(event.InvalidInput, "%s has no setting %.60s: %ssettings %s shows some", plugin, key, c.Prefix(), plugin)
	}
	return p, err
}

func properties(registered []router.Entry, plugin string) (pluginsettings.Properties, error) {
	i := slices.IndexFunc(registered, func(e router.Entry) bool { return e.Name == plugin })
	if i < 0 {
		return nil, router.UnknownPlugin(registered, plugin)
	}
	return registered[i].Properties()
}

func (a *Admin) set(c *plugins.Context) ([]event.Envelope, error) {
	args, where := cutFor(c.Command.Args)
	if len(args) < 2 {
		return nil, usage(c, "set trivia.questions 5")
	}
	channel, err := a.place(c, where)
	if err != nil {
		return nil, err
	}
	registered, err := router.List(c, a.Bus.JetStream())
	if err != nil {
		return nil, err
	}
	plugin, p, err := property(c, registered, args[0])
	if err != nil {
		return nil, err
	}
	s := router.Setting{Plugin: plugin, Channel: channel, Key: p.Key, Text: strings.Join(args[1:], " "), By: c.Command.User, Reason: reason}
	if p.Template != nil {
		s.Text = typed(c, where != "")
	}
	s.Unset = strings.EqualFold(s.Text, "default")
	if _, err := router.Configure(c, a.Bus, a.Settings, registered, s); err != nil {
		return nil, err
	}
	set, err := a.Settings.Load(c, plugin, channel)
	if err != nil {
		return nil, err
	}
	return c.Say("✅ %s.%s is %s", plugin, p.Key, told(p, set)), nil
}

// told says what a setting is, and where that comes from.
func told(p pluginsettings.Property, set pluginsettings.Set) string {
	value, from, ok := set.Value(p.Key)
	if !ok {
		return cmp.Or(strings.Replace(p.Text(p.Default), "null", "", 1), "not set") + " (default)"
	}
	where := "in all channels"
	if from.Channel != "" {
		where = "in " + from.Channel
	}
	return p.Text(value) + " (" + where + ", by " + cmp.Or(from.By, "somebody") + ")"
}

func (a *Admin) show(c *plugins.Context) ([]event.Envelope, error) {
	registered, err := router.List(c, a.Bus.JetStream())
	if err != nil {
		return nil, err
	}
	if len(c.Command.Args) != 1 {
		return nil, usage(c, "settings trivia")
	}
	plugin, key, one := strings.Cut(c.Command.Args[0], ".")
	all, err := properties(registered, plugin)
	if err != nil {
		return nil, err
	}
	set, err := a.Settings.Load(c, plugin, c.Channel())
	if err != nil {
		return nil, err
	}
	if one {
		p, err := find(c, all, plugin, key)
		if err != nil {
			return nil, err
		}
		return c.Say("%s.%s is %s: %s", plugin, key, told(p, set), p.Description), nil
	}
	var parts, texts []string
	for _, key := range slices.Sorted(maps.Keys(all)) {
		_, _, isSet := set.Value(key)
		switch command := key[strings.LastIndexByte(key, '.')+1:]; {
		case isSet && all[key].Template != nil:
			parts = append(parts, key+" "+plugins.Shorten(told(all[key], set), maxText))
		case all[key].Template != nil:
			texts = append(texts, key)
		case isSet || !router.IsPolicy(command):
			parts = append(parts, key+" "+told(all[key], set))
		}
	}
	if len(texts) > 0 { // which fill a screen
		parts = append(parts, fmt.Sprintf("%s with their defaults, which %ssettings %s.%s and so on shows", english.Plural(len(texts), "text", ""), c.Prefix(), plugin, texts[0]))
	}
	if len(parts) == 0 {
		return c.Say("%s: everything has its default; %sset %s.enabled off, for example, switches it off here", plugin, c.Prefix(), plugin), nil
	}
	return c.Say("%s: %s", plugin, strings.Join(parts, "; ")), nil
}

func (a *Admin) grant(c *plugins.Context) ([]event.Envelope, error) {
	args, length := cutFor(c.Command.Args)
	if len(args) != 2 {
		return nil, usage(c, "grant alice quote-db.quote for 2h")
	}
	user, g := strings.TrimPrefix(args[0], "@"), router.Grant{Right: args[1], Channel: c.Channel(), By: c.Command.User, Reason: reason}
	until := "for ever"
	if length != "" {
		d, err := timeparse.Duration(length)
		if err != nil || d <= 0 {
			return nil, event.Errorf(event.InvalidInput, "%.40q is no time such as 2h, 30m or 3d", length)
		}
		end := c.Now().Add(d)
		g.Until, until = end.UnixMilli(), "until "+end.UTC().Format(time.DateTime)+" UTC"
	}
	registered, err := router.List(c, a.Bus.JetStream())
	if err == nil {
		err = checkUser(user)
	}
	if err == nil {
		err = a.Grants.CheckRight(c, registered, g.Right)
	}
	if err == nil {
		err = a.Grants.Grant(c, a.Bus, user, g)
	}
	if err != nil {
		return nil, err
	}
	return c.Say("✅ %s may use %s in %s %s", user, g.Right, g.Channel, until), nil
}

func (a *Admin) revoke(c *plugins.Context) ([]event.Envelope, error) {
	if len(c.Command.Args) != 2 {
		return nil, usage(c, "revoke alice quote-db.quote")
	}
	user, g := strings.TrimPrefix(c.Command.Args[0], "@"), router.Grant{Right: c.Command.Args[1], Channel: c.Channel(), By: c.Command.User, Reason: reason}
	err := a.Grants.Revoke(c, a.Bus, user, g)
	if event.CodeOf(err) == event.RecordNotFound {
		return nil, event.Errorf(event.RecordNotFound, "%s was not granted %s in %s", user, g.Right, g.Channel)
	}
	if err != nil {
		return nil, err
	}
	return c.Say("✅ %s no longer has the grant of %s in %s", user, g.Right, g.Channel), nil
}

// checkUser refuses what is no user's name.
func checkUser(name string) error {
	if event.ValidName(name) && len(name) <= 20 {
		return nil
	}
	return event.Errorf(event.InvalidInput, "%s cannot be a user's name", fmt.Sprintf("%.40q", name))
}
