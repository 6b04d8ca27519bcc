package console

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/rosey-bot/rosey/consumers/pluginsettings"
	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/event"
)

// pluginSetting is a plugin in the list of those that have settings.
type pluginSetting struct {
	Name, Description string
	Changed           int // settings that somebody set, anywhere
}

func (c *Console) settingsList(w http.ResponseWriter, r *http.Request) error {
	registered, err := router.List(r.Context(), c.js)
	if err != nil {
		return err
	}
	revisions, err := c.Settings.List(r.Context())
	if err != nil {
		return err
	}
	list := []pluginSetting{}
	for _, e := range registered {
		p := pluginSetting{Name: e.Name, Description: e.Description}
		for _, of := range revisions {
			if of.Plugin == e.Name {
				p.Changed += len(of.Values)
			}
		}
		list = append(list, p)
	}
	return c.show(w, r, "settings", "Settings", list)
}

type settingsBody struct {
	Plugin, Description string
	In                  string // the channel; "" is all
	Where               []string
	Rows                []settingRow
	Others              []string // keys of commands that are not set
	Failed              *failedSetting
	History             []settingChange
	rights
}

// settingRow is a setting with what it is, and where that comes from.
type settingRow struct {
	Key, Description, Wanted string
	Text                     string
	From                     string // default, all channels or a channel's name
	By                       string
	Own                      bool // it is set just where the page sets
	Choices                  []string
	Failed                   *failedSetting
}

// failedSetting is a change that was not made.
type failedSetting struct{ Key, Text, Reason, Error string }

type settingChange struct {
	Key, Was, Is, By, Reason string
	At                       time.Time
}

// settingsOf reads a plugin's settings as they hold in a channel, "" for all.
func (c *Console) settingsOf(r *http.Request, plugin, in string) (*settingsBody, error) {
	ctx := r.Context()
	registered, err := router.List(ctx, c.js)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(registered, func(e router.Entry) bool { return e.Name == plugin })
	if i < 0 {
		return nil, router.UnknownPlugin(registered, plugin)
	}
	properties, err := registered[i].Properties()
	if err != nil {
		return nil, err
	}
	set, err := c.Settings.Load(ctx, plugin, in)
	if err != nil {
		return nil, err
	}
	body := &settingsBody{Plugin: plugin, Description: registered[i].Description, In: in, rights: c.auth.rights(r)}
	for _, ch := range c.Channels {
		body.Where = append(body.Where, ch.Name)
	}
	for _, key := range slices.Sorted(maps.Keys(properties)) {
		if row := newSettingRow(properties[key], set, in); row.By == "" && row.From == "default" && strings.Contains(key, ".") {
			body.Others = append(body.Others, key) // as that of all commands
		} else {
			body.Rows = append(body.Rows, row)
		}
	}
	return body, c.addHistory(ctx, body, properties)
}

func newSettingRow(p pluginsettings.Property, set pluginsettings.Set, in string) settingRow {
	row := settingRow{Key: p.Key, Description: p.Description, Wanted: p.Wanted(), From: "default", Text: p.Text(p.Default), Choices: p.Choices()}
	if value, from, ok := set.Value(p.Key); ok {
		row.Text, row.From, row.By = p.Text(value), cmp.Or(from.Channel, "all channels"), from.By
		row.Own = strings.EqualFold(from.Channel, in)
	}
	if row.Text == "null" {
		row.Text = ""
	}
	return row
}

func (c *Console) addHistory(ctx context.Context, body *settingsBody, properties pluginsettings.Properties) error {
	revisions, err := c.Settings.History(ctx, body.Plugin, body.In)
	text := func(key string, v json.RawMessage) string {
		if len(v) == 0 || string(v) == "null" {
			return "not set"
		}
		return properties[key].Text(v)
	}
	for _, of := range slices.Backward(revisions) {
		for _, ch := range of.Changes {
			body.History = append(body.History, settingChange{Key: ch.Key, Was: text(ch.Key, ch.Old), Is: text(ch.Key, ch.New), By: of.By, Reason: of.Reason, At: of.At})
		}
	}
	return err
}

func (c *Console) settings(w http.ResponseWriter, r *http.Request) error {
	body, err := c.settingsOf(r, r.PathValue("name"), r.URL.Query().Get("in"))
	if err != nil {
		return err
	}
	return c.show(w, r, "setting", "Settings of "+body.Plugin, body)
}

// changeSetting changes a setting in the operator's name. A value that cannot be is shown
// with the reason beside it.
func (c *Console) changeSetting(w http.ResponseWriter, r *http.Request) error {
	s := router.Setting{
		Plugin: r.PathValue("name"), Channel: r.PostFormValue("in"), Key: strings.TrimSpace(r.PostFormValue("key")), Text: r.PostFormValue("value"),
		By: operatorOf(r), Reason: strings.TrimSpace(r.PostFormValue("reason")),
	}
	err := c.configure(r.Context(), r.PathValue("action"), s)
	switch code := event.CodeOf(err); {
	case err == nil:
		to := "/settings/" + url.PathEscape(s.Plugin) + "?in=" + url.QueryEscape(s.Channel)
		return redirect(w, r, "", to)
	case code != event.InvalidInput && code != event.RecordNotFound || fromScript(r) || errors.Is(err, errNotFound):
		return err
	}
	body, readErr := c.settingsOf(r, s.Plugin, s.Channel)
	if readErr != nil {
		return err
	}
	body.fail(failedSetting{Key: s.Key, Text: s.Text, Reason: s.Reason, Error: err.Error()})
	if err := c.showStatus(w, r, http.StatusBadRequest, "setting", "Settings of "+s.Plugin, body); err != nil {
		return err
	}
	return errShown
}

func (c *Console) configure(ctx context.Context, action string, s router.Setting) error {
	if action == "undo" {
		revisions, err := c.Settings.History(ctx, s.Plugin, s.Channel)
		if err != nil {
			return err
		}
		update, err := pluginsettings.Undone(revisions, s.By)
		if err == nil {
			_, err = c.Settings.Apply(ctx, c.Bus, update)
		}
		return err
	}
	if action != "set" && action != "unset" {
		return errNotFound
	}
	s.Unset = action == "unset"
	registered, err := router.List(ctx, c.js)
	if err == nil {
		_, err = router.Configure(ctx, c.Bus, c.Settings, registered, s)
	}
	return err
}

// fail puts a failure beside its field, or beside the form of other keys.
func (b *settingsBody) fail(f failedSetting) {
	for i := range b.Rows {
		if b.Rows[i].Key == f.Key {
			b.Rows[i].Failed = &f
			return
		}
	}
	b.Failed = &f
}
