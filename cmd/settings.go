package cmd

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/rosey-bot/rosey/internal/settings"
)

// loadSettings puts the settings together: a flag wins over the environment, that
// over the file, and that over the defaults.
func loadSettings(c *cli.Context) (settings.Settings, error) {
	if err := checkVariables(c.App); err != nil {
		return settings.Settings{}, err
	}
	s := settings.Default()
	path, given := settingsFile(c)
	err := s.ReadFile(path)
	var mistake *settings.Error
	switch {
	case errors.As(err, &mistake):
		return settings.Settings{}, err
	case err != nil && (given || !errors.Is(err, fs.ErrNotExist)):
		return settings.Settings{}, usagef("read settings: %w", err)
	}
	for name := range s.Flags() {
		if text, ok := lookup(c, name); ok {
			if err := s.Set(name, text); err != nil {
				return settings.Settings{}, err
			}
		}
	}
	s.ExpandHome()
	return s, s.Check()
}

// settingsFile returns the path of the settings file, and whether the user gave it.
func settingsFile(c *cli.Context) (path string, given bool) {
	if path, given = lookup(c, "config"); !given {
		path = settings.DefaultFile()
	}
	return settings.ExpandHome(path), given
}

// lookup returns the value of a setting's flag, given before or after the command's
// name or through the environment. An empty variable gives nothing. A command may
// have another flag of the name, as replay has --channel.
func lookup(c *cli.Context, name string) (text string, ok bool) {
	for _, ctx := range c.Lineage() {
		if ctx.Command == nil || !ctx.IsSet(name) || !isSetting(ctx.Command.Flags, name) {
			continue
		}
		text := ctx.String(name)
		if list := ctx.StringSlice(name); list != nil {
			text = strings.Join(list, ",")
		}
		if variable, set := os.LookupEnv(envName(name)); set && variable == "" && (text == "" || text == "false") {
			continue
		}
		return text, true
	}
	return "", false
}

// isSetting reports whether the flag of a name sets a setting: those have a variable.
func isSetting(flags []cli.Flag, name string) bool {
	return slices.ContainsFunc(flags, func(f cli.Flag) bool {
		setting, ok := f.(cli.DocGenerationFlag)
		return ok && slices.Contains(f.Names(), name) && slices.Contains(setting.GetEnvVars(), envName(name))
	})
}
