package bot

import (
	"context"
	"encoding/json"
	"maps"
	"slices"

	"github.com/rosey-bot/rosey/consumers/pluginsettings"
	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/internal/settings"
	"github.com/rosey-bot/rosey/plugins"
)

// byFile is who changed a setting to what the settings file holds.
const byFile = "settings file"

// checkFile returns a SettingsError for the first of a plugin's settings in the file that
// it does not take.
func checkFile(p plugins.Plugin, values map[string]string) error {
	if len(values) == 0 {
		return nil
	}
	return checkValues(p.Registration(), values)
}

func checkValues(r router.Registration, values map[string]string) error {
	properties, err := r.Properties()
	if err != nil {
		return err
	}
	for _, key := range slices.Sorted(maps.Keys(values)) {
		of, err := properties.Find(r.Name, key)
		if err == nil {
			_, err = of.Parse(values[key])
		}
		if err != nil {
			return settings.Errorf("plugins.%s: %w", r.Name, err)
		}
	}
	return nil
}

// applyFile sets, for all channels, what the settings file holds for plugins. What somebody
// set by hand wins, and the log says so; what the file of an earlier start set, and the
// file no longer holds, has its default again.
func (c *composition) applyFile(ctx context.Context) error {
	for _, p := range c.plugins {
		if err := c.applyFileTo(ctx, p.Registration(), c.settings.Plugins.Values[p.Name]); err != nil {
			return err
		}
	}
	return nil
}

// applyFileToEntry sets what the settings file holds for a plugin that is a program of its own,
// by what it has registered. It sets nothing if one of the settings cannot be.
func (c *composition) applyFileToEntry(ctx context.Context, name string, registered []byte, values map[string]string) error {
	r, err := router.ParseRegistration(name, registered)
	if err == nil {
		err = checkValues(r, values)
	}
	if err != nil {
		return err
	}
	return c.applyFileTo(ctx, r, values)
}

func (c *composition) applyFileTo(ctx context.Context, r router.Registration, values map[string]string) error {
	revisions, err := c.pluginSettings.History(ctx, r.Name, "")
	if err != nil {
		return err
	}
	setBy := map[string]string{}
	var now pluginsettings.Document
	for _, revision := range revisions {
		now = revision.Document
		for _, change := range revision.Changes {
			setBy[change.Key] = revision.By
		}
	}
	return c.applyFileOver(ctx, r, values, now.Values, setBy)
}

func (c *composition) applyFileOver(ctx context.Context, r router.Registration, values map[string]string, now map[string]json.RawMessage, setBy map[string]string) error {
	var properties pluginsettings.Properties
	if len(values) > 0 {
		var err error
		if properties, err = r.Properties(); err != nil {
			return err
		}
	}
	update := pluginsettings.Update{Plugin: r.Name, Values: map[string]json.RawMessage{}, By: byFile}
	for key, text := range values {
		value, err := properties[key].Parse(text) // checkFile has checked it
		if err != nil {
			return err
		}
		if have, isSet := now[key]; isSet && setBy[key] != byFile && string(have) != string(value) {
			c.log.WarnContext(ctx, "setting in the settings file not applied, as it was changed by hand", "plugin", r.Name, "key", key,
				"file", text, "holds", properties[key].Text(have), "by", setBy[key], "remedy", "rosey settings unset "+r.Name+" "+key+" and start again, or change the file")
			continue
		}
		update.Values[key] = value
	}
	for key := range now {
		if _, holds := values[key]; !holds && setBy[key] == byFile {
			update.Values[key] = json.RawMessage("null")
		}
	}
	_, err := c.pluginSettings.Apply(ctx, c.bus, update)
	return err
}
