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
	err := fs.ErrNotExist
	if path != "" {
		err = s.ReadFile(path)
	}
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

// lookup returns the value of a setting's flag, given on the command line or through the
// environment. An empty variable gives nothing. A command may have another flag of the
// name, as replay has --channel: those of settings have a variable.
func lookup(c *cli.Context, name string) (text string, ok bool) {
	flag, _ := flagOf(c.Command.Flags, name).(cli.DocGenerationFlag)
	if flag == nil || !c.IsSet(name) || !slices.Contains(flag.GetEnvVars(), envName(name)) {
		return "", false
	}
	text = c.String(name)
	if list := c.StringSlice(name); list != nil {
		text = strings.Join(list, ",")
	}
	variable, set := os.LookupEnv(envName(name))
	return text, !set || variable != "" || text != "" && text != "false"
}
