package settings

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/rosey-bot/rosey/internal/suggest"
	"github.com/rosey-bot/rosey/internal/timeparse"
)

// ReadFile reads settings from a YAML file over those in s. It returns the error of
// os.ReadFile as it is, and an Error that shows the place for a mistake in the file.
func (s *Settings) ReadFile(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	// The library reads a file without content as null, and null as zeros.
	var content any
	if err := yaml.Unmarshal(text, &content); err == nil && content == nil {
		return nil
	}
	err = yaml.UnmarshalWithOptions(text, s, yaml.Strict(), yaml.CustomUnmarshaler(unmarshalDuration))
	if err != nil {
		return Errorf("settings in %s: %s", path, strings.TrimSpace(yaml.FormatError(explain(err), false, true)))
	}
	folder, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("find the folder of %s: %w", path, err)
	}
	for name, p := range s.Plugins.Programs {
		s.Plugins.Programs[name] = p.inFolder(folder)
	}
	return nil
}

func unmarshalDuration(d *time.Duration, text []byte) (err error) {
	var value string
	if err := yaml.Unmarshal(text, &value); err != nil {
		return err
	}
	*d, err = timeparse.Duration(value)
	return err
}

// explain adds to an error of the YAML library the key that was meant, or the kind
// of value that is wanted.
func explain(err error) error {
	if unknown, ok := errors.AsType[*yaml.UnknownFieldError](err); ok {
		_, given, _ := strings.Cut(strings.TrimSuffix(unknown.Message, `"`), `"`)
		if keys := fileKeys(); slices.Contains(keys, given) {
			unknown.Message += ": it belongs at the top level of the file"
		} else if hint := suggest.DidYouMean(given, "", keys); hint != "" {
			unknown.Message += ":" + hint
		}
	}
	wrong, ok := errors.AsType[*yaml.TypeError](err)
	if !ok {
		return err
	}
	kinds := map[reflect.Kind]string{reflect.Int: "a whole number", reflect.Float64: "a number", reflect.Bool: "true or false", reflect.String: "a text"}
	wanted, ok := kinds[wrong.DstType.Kind()]
	if !ok {
		return err
	}
	return &yaml.SyntaxError{Message: "this is not " + wanted, Token: wrong.Token}
}

// fileKeys lists the keys of the file, with a dot for each level.
func fileKeys() []string { return keysOf(reflect.TypeFor[Settings](), "") }

func keysOf(of reflect.Type, at string) (list []string) {
	switch {
	case of == reflect.TypeFor[Plugins]():
		return []string{at}
	case of.Kind() == reflect.Struct:
		for field := range of.Fields() {
			name, options, _ := strings.Cut(field.Tag.Get("yaml"), ",")
			below := strings.TrimPrefix(at+"."+name, ".")
			if options == "inline" {
				below = at
			}
			list = append(list, keysOf(field.Type, below)...)
		}
		return list
	case of.Kind() == reflect.Map:
		return keysOf(of.Elem(), at+".STREAM")
	default:
		return []string{at}
	}
}

// ExpandHome replaces the ~ at the beginning of every path in s: a shell does so only
// where it sees one, and not in a file, in a variable or after an equals sign, as in --store=~/x.
func (s *Settings) ExpandHome() {
	paths := []*string{
		&s.Store, &s.Creds, &s.TLSCA, &s.TLSCert, &s.TLSKey, &s.ConsoleAccess.PasswordFile, &s.ConsoleAccess.ViewerPasswordFile, &s.ConsoleAccess.UsersFile,
		&s.PasswordFile, &s.ChannelPasswordFile,
	}
	for i := range s.Channels {
		paths = append(paths, &s.Channels[i].PasswordFile, &s.Channels[i].ChannelPasswordFile)
	}
	for _, path := range paths {
		*path = ExpandHome(*path)
	}
}

// ExpandHome returns the path with a ~ at its beginning replaced by the user's home
// directory.
func ExpandHome(path string) string {
	below, ok := strings.CutPrefix(path, "~/")
	home, err := os.UserHomeDir()
	if !ok || err != nil {
		return path
	}
	return filepath.Join(home, below)
}

// DefaultStore returns the store's directory, below the user's state directory, or "" for
// a user without a home.
func DefaultStore() string {
	return below(userDir("XDG_STATE_HOME", ".local/state"), "rosey")
}

// DefaultFile returns the path of the settings file, or "" for a user without a home:
// nothing is read from the working directory that was not asked for.
func DefaultFile() string {
	return below(userDir("XDG_CONFIG_HOME", ".config"), "rosey", "config.yaml")
}

// below joins path elements, and returns "" below no directory.
func below(dir string, elements ...string) string {
	if dir == "" {
		return ""
	}
	return filepath.Join(append([]string{dir}, elements...)...)
}

func userDir(variable, below string) string {
	if dir := os.Getenv(variable); filepath.IsAbs(dir) {
		return dir
	}
	home, err := os.UserHomeDir()
	if err != nil || !filepath.IsAbs(home) {
		return ""
	}
	return filepath.Join(home, filepath.FromSlash(below))
}
