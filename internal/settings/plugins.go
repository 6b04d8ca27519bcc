package settings

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Plugins are the plugins to run, and what is set for them.
type Plugins struct {
	Only   []string                     // those to run; nil runs all but those of Off
	Off    []string                     // those not to run
	Values map[string]map[string]string // settings as typed, by plugin and key
	// Programs are plugins that the bot runs as processes of their own, by name.
	Programs map[string]Program
}

// none is the name that stands for no plugin.
const none = "none"

// only returns the plugins with those of a list to run.
func (p Plugins) only(names []string) Plugins {
	p.Only, p.Off = []string{}, nil
	for _, name := range names {
		if name = strings.TrimSpace(name); name != "" && name != none {
			p.Only = append(p.Only, name)
		}
	}
	return p
}

// Runs reports whether a plugin is to run.
func (p Plugins) Runs(name string) bool {
	return !slices.Contains(p.Off, name) && (p.Only == nil || slices.Contains(p.Only, name))
}

// Of returns what is said of some plugins, and nothing of programs.
func (p Plugins) Of(names []string) Plugins {
	other := func(name string) bool { return !slices.Contains(names, name) }
	of := Plugins{Only: slices.DeleteFunc(slices.Clone(p.Only), other), Values: map[string]map[string]string{}}
	for _, name := range p.Off {
		if !other(name) {
			of.Off = append(of.Off, name)
		}
	}
	for name, values := range p.Values {
		if !other(name) {
			of.Values[name] = values
		}
	}
	return of
}

// Named returns the plugins that are named and are no programs, sorted.
func (p Plugins) Named() []string {
	all := slices.Concat(p.Only, p.Off, slices.Collect(maps.Keys(p.Values)))
	all = slices.DeleteFunc(all, func(name string) bool { _, ok := p.Programs[name]; return ok })
	slices.Sort(all)
	return slices.Compact(all)
}

// UnmarshalYAML reads a list of those to run, also as one text with commas, or for each
// plugin whether it runs or what is set for it.
func (p *Plugins) UnmarshalYAML(unmarshal func(any) error) error {
	var text string
	if unmarshal(&text) == nil {
		*p = Plugins{}.only(strings.Split(text, ","))
		return nil
	}
	var list []string
	if unmarshal(&list) == nil {
		*p = Plugins{}.only(list)
		return nil
	}
	var each map[string]any
	if err := unmarshal(&each); err != nil {
		return errors.New("plugins is a list of names, or for each plugin true, false or its settings")
	}
	*p = Plugins{Values: map[string]map[string]string{}}
	for name, of := range each {
		switch of := of.(type) {
		case bool:
			if !of {
				p.Off = append(p.Off, name)
			}
		case nil:
		case map[string]any:
			if _, ok := of["run"]; ok {
				program, values, err := readProgram(name, of)
				if err != nil {
					return err
				}
				if p.Programs == nil {
					p.Programs = map[string]Program{}
				}
				p.Programs[name] = program
				if values != nil {
					p.Values[name] = values
				}
				continue
			}
			p.Values[name], _ = ReadValues(of)
		default:
			return fmt.Errorf("plugins.%s is true, false or its settings, not %v", name, of)
		}
	}
	slices.Sort(p.Off)
	return nil
}

// typed returns a value of the file as people type it.
func typed(value any) string {
	list, ok := value.([]any)
	if !ok {
		return fmt.Sprint(value)
	}
	words := make([]string, 0, len(list))
	for _, e := range list {
		words = append(words, fmt.Sprint(e))
	}
	return strings.Join(words, ",")
}
