package channel

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/rosey-bot/rosey/cytube/view"
	"github.com/rosey-bot/rosey/event"
)

// definitions are emotes or filters in the channel's order, in which the server applies
// filters to a line.
type definitions struct {
	list    []view.Definition
	listed  bool // they are all that the channel has
	ordered bool // they are in its order: earlier releases kept them by name
}

func (s *State) emoteList(f *fold) error { return s.define(f, event.SubjectEmote) }
func (s *State) chatFilters(f *fold) error {
	s.settings.reader = nil
	return s.define(f, event.SubjectFilter)
}

// define takes all definitions. An event tells what became of each; where those do not add up
// to the list, as after a move, of which the server tells nobody, the part is recorded as it is.
func (s *State) define(f *fold, subject string) error {
	list, err := read[[]json.RawMessage](f.args)
	if err != nil {
		return err
	}
	after := make([]view.Definition, 0, len(list))
	for _, raw := range list {
		d, _, err := readDefinition([]json.RawMessage{raw})
		if err != nil {
			return err
		}
		after = append(after, d)
	}
	all := s.settings.defined[subject]
	if all.listed {
		s.compare(f, subject, after)
	}
	if !all.listed || !all.ordered || !slices.EqualFunc(all.list, after, view.Definition.Equal) {
		*all = definitions{list: after, listed: true, ordered: true}
		s.emitPart(f, partOf[subject])
	}
	return nil
}

// compare records which definitions a new list lacks, has otherwise and has beside those of
// before.
func (s *State) compare(f *fold, subject string, after []view.Definition) {
	before := s.settings.defined[subject].list
	was, is := byName(before), byName(after)
	for _, d := range slices.Clone(before) {
		if name := d.Name(); is[name] == nil {
			s.redefine(f, subject, event.DefinitionRemove, name, "", nil)
		}
	}
	told := map[string]bool{}
	for _, d := range after {
		name := d.Name()
		if old := was[name]; told[name] || old.Equal(d) {
			continue
		} else if old == nil {
			s.redefine(f, subject, event.DefinitionAdd, name, "", d)
		} else {
			s.redefine(f, subject, event.DefinitionUpdate, name, "", d)
		}
		told[name] = true
	}
}

// byName returns the definitions by name, the first of each.
func byName(list []view.Definition) map[string]view.Definition {
	all := make(map[string]view.Definition, len(list))
	for _, d := range slices.Backward(list) {
		all[d.Name()] = d
	}
	return all
}

// redefine records what became of a definition.
func (s *State) redefine(f *fold, subject, action, name, was string, d view.Definition) {
	p := event.Definition{Action: action, Name: name, Was: was, Channel: s.channel, Time: f.ms()}
	if d != nil {
		p.Extra = event.Extra(maps.Clone(d))
		delete(p.Extra, "name")
	}
	view.Define(&s.settings.defined[subject].list, p)
	f.emit(subject, p)
}

// change takes the frame of one definition.
func (s *State) change(f *fold, subject string) error {
	d, _, err := readDefinition(f.args)
	if err != nil {
		return err
	}
	name, action := d.Name(), event.DefinitionAdd
	if old := view.Named(s.settings.defined[subject].list, name); old.Equal(d) {
		return nil
	} else if old != nil {
		action = event.DefinitionUpdate
	}
	s.redefine(f, subject, action, name, "", d)
	return nil
}

func (s *State) updateEmote(f *fold) error { return s.change(f, event.SubjectEmote) }
func (s *State) updateFilter(f *fold) error {
	s.settings.reader = nil
	return s.change(f, event.SubjectFilter)
}

func (s *State) renameEmote(f *fold) error {
	d, old, err := readDefinition(f.args)
	if err == nil {
		s.redefine(f, event.SubjectEmote, event.DefinitionRename, d.Name(), old, d)
	}
	return err
}

func (s *State) removeEmote(f *fold) error { return s.undefine(f, event.SubjectEmote) }
func (s *State) deleteFilter(f *fold) error {
	s.settings.reader = nil
	return s.undefine(f, event.SubjectFilter)
}

// undefine removes a definition. The server says so also where there was none; where the
// bot does not know all, that may have been one.
func (s *State) undefine(f *fold, subject string) error {
	d, _, err := readDefinition(f.args)
	if err != nil {
		return err
	}
	all, name := s.settings.defined[subject], d.Name()
	if all.listed && view.Named(all.list, name) == nil {
		return nil
	}
	s.redefine(f, subject, event.DefinitionRemove, name, "", nil)
	return nil
}

// readDefinition reads a definition, and the name that it had before.
func readDefinition(args []json.RawMessage) (d view.Definition, old string, err error) {
	named, err := read[struct {
		Name *string
		Old  string
	}](args)
	if err == nil {
		err = missing(field{"name", named.Name == nil})
	}
	var fields map[string]json.RawMessage
	if err == nil {
		fields, err = read[map[string]json.RawMessage](args)
	}
	if err != nil {
		return nil, "", err
	}
	return view.NewDefinition(*named.Name, fields), named.Old, nil
}
