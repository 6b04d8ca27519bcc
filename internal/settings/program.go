package settings

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/suggest"
	"github.com/rosey-bot/rosey/internal/timeparse"
	"github.com/rosey-bot/rosey/plugins/process"
)

// Program is a plugin that the bot runs as a process of its own.
type Program struct {
	Run    []string          `yaml:"run"`              // the program and its arguments
	Dir    string            `yaml:"dir,omitempty"`    // where it runs
	Memory Size              `yaml:"memory,omitempty"` // that it and what it starts may use; 0 is no limit
	Env    map[string]string `yaml:"env,omitempty"`    // added to its environment
	Grace  time.Duration     `yaml:"grace,omitempty"`  // that it may take to end; 0 is the usual one
	Watch  bool              `yaml:"watch,omitempty"`  // whether it is started again when its files change

	// Settings are its settings as a plugin, as typed, where a file of its own holds them; the
	// settings file has them in Plugins.Values.
	Settings map[string]string `yaml:"settings,omitempty"`
}

// settingsKey is the key of a program's settings as a plugin.
const settingsKey = "settings"

// programKeys are the keys of a program in the settings file.
func programKeys() []string {
	var keys []string
	for field := range reflect.TypeFor[Program]().Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("yaml"), ",")
		keys = append(keys, name)
	}
	return keys
}

// readProgram reads a program of the settings file, and its settings as a plugin.
func readProgram(name string, of map[string]any) (p Program, values map[string]string, err error) {
	in := func(key string, err error) error { return fmt.Errorf("plugins.%s.%s: %w", name, key, err) }
	if !event.ValidName(name) {
		return p, nil, fmt.Errorf("plugins: %q is not a plugin's name: it is 1 to %d of A-Z a-z 0-9 _ -", name, event.MaxNameLength)
	}
	for _, key := range slices.Sorted(maps.Keys(of)) {
		value := of[key]
		text := typed(value)
		switch key {
		case "run":
			p.Run, err = readCommand(value)
		case "dir":
			p.Dir = text
		case "memory":
			if err = p.Memory.UnmarshalText([]byte(text)); err == nil && p.Memory < minMemory {
				err = fmt.Errorf("%s is too little for any program: write %d MB or more", text, minMemory>>20)
			}
		case "grace":
			p.Grace, err = timeparse.Duration(text)
		case "watch":
			yes, ok := value.(bool)
			if p.Watch = yes; !ok {
				err = errors.New("this is not true or false")
			}
		case "env":
			p.Env, err = readEnvironment(value)
		case settingsKey:
			values, err = ReadValues(value)
		default:
			err = errors.New("there is no such key." + suggest.DidYouMean(key, "", programKeys()) +
				" The plugin's own settings stand below settings")
		}
		if err != nil {
			return p, nil, in(key, err)
		}
	}
	return p, values, nil
}

// minMemory keeps a limit that was meant in other units from ending every program.
const minMemory = 4 << 20

func readCommand(value any) ([]string, error) {
	list, ok := value.([]any)
	if !ok {
		return process.Split(typed(value))
	}
	var args []string
	for _, e := range list {
		args = append(args, fmt.Sprint(e))
	}
	if len(args) == 0 {
		return process.Split("")
	}
	return args, nil
}

func readEnvironment(value any) (map[string]string, error) {
	of, ok := value.(map[string]any)
	if !ok {
		return nil, errors.New("these are no variables: write NAME: VALUE for each")
	}
	env := map[string]string{}
	for name, value := range of {
		if name == "" || strings.ContainsAny(name, "=\x00") {
			return nil, fmt.Errorf("%q is not a variable's name", name)
		}
		env[name] = typed(value)
	}
	return env, nil
}

// ReadValues reads the settings of a plugin, as people type them.
func ReadValues(value any) (map[string]string, error) {
	of, ok := value.(map[string]any)
	if !ok {
		return nil, errors.New("these are no settings: write KEY: VALUE for each")
	}
	values := map[string]string{}
	for key, value := range of {
		values[key] = typed(value)
	}
	return values, nil
}

// inFolder returns the program with its folder, relative to that of a file which names it.
func (p Program) inFolder(folder string) Program {
	if p.Dir = ExpandHome(p.Dir); !filepath.IsAbs(p.Dir) {
		p.Dir = filepath.Join(folder, p.Dir)
	}
	return p
}

// AddedDir is the directory in a store that holds the plugins that rosey plugin add added: a
// file NAME.yaml each, with the keys of a program in the settings file.
func AddedDir(store string) string { return filepath.Join(store, "plugins.d") }

// Added reads the plugins that were added to a store. The error names the files that are
// not well; those that are, are returned with it.
func Added(store string) (map[string]Program, error) {
	files, err := filepath.Glob(filepath.Join(AddedDir(store), "*.yaml"))
	if err != nil {
		return nil, err
	}
	all := map[string]Program{}
	var errs []error
	for _, path := range files {
		name := strings.TrimSuffix(filepath.Base(path), ".yaml")
		if p, err := readAdded(name, path); err == nil {
			all[name] = p
		} else if !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return all, errors.Join(errs...)
}

// readAdded reads a program from a file of its own.
func readAdded(name, path string) (Program, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Program{}, fmt.Errorf("read an added plugin: %w", err)
	}
	var of map[string]any
	if err := yaml.Unmarshal(text, &of); err != nil {
		return Program{}, Errorf("added plugin %s: %s", path, strings.TrimSpace(yaml.FormatError(err, false, true)))
	}
	p, values, err := readProgram(name, of)
	p.Settings = values
	if err == nil && len(p.Run) == 0 {
		err = errors.New("it has no run")
	}
	if err != nil {
		return Program{}, Errorf("added plugin %s: %w", path, err)
	}
	return p, nil
}

// Add adds a plugin to a store, in place of one of that name.
func Add(store, name string, p Program) error {
	text, err := yaml.Marshal(p)
	if err != nil {
		return fmt.Errorf("add plugin %s: %w", name, err)
	}
	dir := AddedDir(store)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("add plugin %s: %w", name, err)
	}
	path := filepath.Join(dir, name+".yaml")
	if err := os.WriteFile(path+".new", text, 0o600); err != nil { // env may hold secrets
		return fmt.Errorf("add plugin %s: %w", name, err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("add plugin %s: %w", name, err)
	}
	return nil
}

// RemoveAdded removes a plugin that was added to a store, and reports whether it was there.
func RemoveAdded(store, name string) (found bool, err error) {
	err = os.Remove(filepath.Join(AddedDir(store), name+".yaml"))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}
