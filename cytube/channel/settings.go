package channel

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"

	"github.com/rosey-bot/rosey/cytube/view"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/markup"
)

// settings are what the channel's owners set. What the server has not said yet is nil:
// the first it says is no change.
type settings struct {
	texts         map[string]string                     // by the subject of its change
	values        map[string]map[string]json.RawMessage // by the subject of their change
	emotes        definitions
	filters       definitions
	listed        map[string]bool // whether definitions are all that the channel has, by the subject of their change
	reader        *markup.Reader  // of lines; nil until one comes, and after a change of the filters
	announcements map[string]bool // IDs
	drinkCount    *int
}

// definitions are emotes or filters as the server sends them, by name.
type definitions map[string]json.RawMessage

func newSettings() settings {
	return settings{texts: map[string]string{}, values: map[string]map[string]json.RawMessage{}, announcements: map[string]bool{}, listed: map[string]bool{}}
}

// typed returns what somebody typed for the server to make a line's HTML of it. The server
// sends the filters only to users who may edit them; without, those of a new channel hold.
func (s *settings) typed(line string) string {
	if s.reader == nil {
		var filters []markup.Filter
		for _, name := range slices.Sorted(maps.Keys(s.filters)) {
			var f markup.Filter
			if json.Unmarshal(s.filters[name], &f) == nil {
				filters = append(filters, f)
			}
		}
		if !s.listed[event.SubjectFilter] {
			filters = append(filters, markup.Default()...)
		}
		s.reader = markup.NewReader(filters)
	}
	return s.reader.Typed(line)
}

func (s *State) setText(f *fold, subject, value string) {
	before, known := s.settings.texts[subject]
	s.settings.texts[subject] = value
	if known && before != value {
		f.emit(subject, event.ChannelText{Value: value, Channel: s.channel, Time: f.ms()})
	} else if !known {
		s.emitPart(f, partOf[subject])
	}
}

// partOf maps the subject of a change to the part that it changes.
var partOf = map[string]string{
	event.SubjectMOTD: view.PartMOTD, event.SubjectCSS: view.PartCSS, event.SubjectJS: view.PartJS,
	event.SubjectOptions: view.PartOptions, event.SubjectPermissions: view.PartPermissions,
	event.SubjectEmote: view.PartEmotes, event.SubjectFilter: view.PartFilters,
}

func (s *State) setMOTD(f *fold) error {
	value, err := read[string](f.args)
	if err == nil {
		s.setText(f, event.SubjectMOTD, value)
	}
	return err
}

func (s *State) setStyle(f *fold) error {
	w, err := read[wireStyle](f.args)
	if err == nil {
		s.setText(f, event.SubjectCSS, w.CSS)
		s.setText(f, event.SubjectJS, w.JS)
	}
	return err
}

// setValues takes options or permissions. Of the channel's password, which is sent to
// moderators, it keeps whether there is one.
func (s *State) setValues(f *fold, subject string) error {
	values, err := read[map[string]json.RawMessage](f.args)
	if err != nil {
		return err
	}
	if raw, ok := values["password"]; ok {
		values["password"] = marshal(string(raw) != `""` && string(raw) != "false" && string(raw) != "null")
	}
	before, known := s.settings.values[subject]
	s.settings.values[subject] = values
	changed := map[string][]json.RawMessage{}
	for name, value := range values {
		if old, had := before[name]; !had {
			changed[name] = []json.RawMessage{json.RawMessage("null"), value}
		} else if !bytes.Equal(old, value) {
			changed[name] = []json.RawMessage{old, value}
		}
	}
	for name, old := range before {
		if _, has := values[name]; !has {
			changed[name] = []json.RawMessage{old, json.RawMessage("null")}
		}
	}
	if known && len(changed) > 0 {
		f.emit(subject, event.ChannelValues{Values: values, Changed: changed, Channel: s.channel, Time: f.ms()})
	} else if !known {
		s.emitPart(f, partOf[subject])
	}
	return nil
}

func (s *State) emoteList(f *fold) error { return s.define(f, event.SubjectEmote, &s.settings.emotes) }
func (s *State) chatFilters(f *fold) error {
	err := s.define(f, event.SubjectFilter, &s.settings.filters)
	if err == nil {
		s.settings.reader = nil
	}
	return err
}

// define replaces all definitions.
func (s *State) define(f *fold, subject string, all *definitions) error {
	list, err := read[[]json.RawMessage](f.args)
	if err != nil {
		return err
	}
	after := definitions{}
	for _, raw := range list {
		raw, name, _, err := readDefinition([]json.RawMessage{raw})
		if err != nil {
			return err
		}
		after[name] = raw
	}
	before := *all
	*all = after
	if !s.settings.listed[subject] {
		s.settings.listed[subject] = true
		s.emitPart(f, partOf[subject])
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(before)) {
		if _, has := after[name]; !has {
			s.defined(f, subject, event.DefinitionRemove, name, "", nil)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(after)) {
		if old, had := before[name]; !had {
			s.defined(f, subject, event.DefinitionAdd, name, "", after[name])
		} else if !bytes.Equal(old, after[name]) {
			s.defined(f, subject, event.DefinitionUpdate, name, "", after[name])
		}
	}
	return nil
}

// defined records what became of a definition.
func (s *State) defined(f *fold, subject, action, name, was string, definition json.RawMessage) {
	d := event.Definition{Action: action, Name: name, Was: was, Channel: s.channel, Time: f.ms()}
	if definition != nil {
		f.fail(json.Unmarshal(definition, &d.Extra))
		delete(d.Extra, "name")
	}
	f.emit(subject, d)
}

// change takes the frame of one definition.
func (s *State) change(f *fold, subject string, all *definitions) error {
	raw, name, _, err := readDefinition(f.args)
	if err != nil {
		return err
	}
	action := event.DefinitionAdd
	if old, had := (*all)[name]; had {
		if action = event.DefinitionUpdate; bytes.Equal(old, raw) {
			return nil
		}
	}
	all.set(name, raw)
	s.defined(f, subject, action, name, "", raw)
	return nil
}

func (d *definitions) set(name string, raw json.RawMessage) {
	if *d == nil {
		*d = definitions{}
	}
	(*d)[name] = raw
}

func (s *State) updateEmote(f *fold) error {
	return s.change(f, event.SubjectEmote, &s.settings.emotes)
}
func (s *State) updateFilter(f *fold) error {
	s.settings.reader = nil
	return s.change(f, event.SubjectFilter, &s.settings.filters)
}

func (s *State) renameEmote(f *fold) error {
	raw, name, old, err := readDefinition(f.args)
	if err != nil {
		return err
	}
	delete(s.settings.emotes, old)
	s.settings.emotes.set(name, raw)
	s.defined(f, event.SubjectEmote, event.DefinitionRename, name, old, raw)
	return nil
}

func (s *State) removeEmote(f *fold) error {
	return s.undefine(f, event.SubjectEmote, s.settings.emotes)
}
func (s *State) deleteFilter(f *fold) error {
	s.settings.reader = nil
	return s.undefine(f, event.SubjectFilter, s.settings.filters)
}

// undefine removes a definition. The server says so also where there was none; where the
// bot does not know all, that may have been one.
func (s *State) undefine(f *fold, subject string, all definitions) error {
	_, name, _, err := readDefinition(f.args)
	if err != nil {
		return err
	}
	if _, had := all[name]; !had && s.settings.listed[subject] {
		return nil
	}
	delete(all, name)
	s.defined(f, subject, event.DefinitionRemove, name, "", nil)
	return nil
}

// readDefinition reads a definition, which it returns with its keys sorted, so that equal
// ones are the same.
func readDefinition(args []json.RawMessage) (raw json.RawMessage, name, old string, err error) {
	d, err := read[struct {
		Name *string
		Old  string
	}](args)
	if err == nil {
		err = missing(field{"name", d.Name == nil})
	}
	var fields map[string]json.RawMessage
	if err == nil {
		fields, err = read[map[string]json.RawMessage](args)
	}
	if err != nil {
		return nil, "", "", err
	}
	return marshal(view.NewDefinition(*d.Name, fields)), *d.Name, d.Old, nil
}

// announce takes a notice of the site's, which comes again at each join.
func (s *State) announce(f *fold) error {
	a, err := read[wireAnnouncement](f.args)
	if err != nil || s.settings.announcements[a.ID] {
		return err
	}
	s.settings.announcements[a.ID] = true
	f.emit(event.SubjectAnnouncement, event.Announcement{
		Title: a.Title, Text: markup.Plain(a.Text), By: a.From, Channel: s.channel, Time: f.ms(),
	})
	return nil
}

func (s *State) drinks(f *fold) error {
	n, err := read[int](f.args)
	if err != nil {
		return err
	}
	before := s.settings.drinkCount
	s.settings.drinkCount = &n
	if before != nil && *before != n {
		f.emit(event.SubjectDrinks, event.Count{Count: n, Channel: s.channel, Time: f.ms()})
	}
	return nil
}

func (s *State) setLocked(f *fold) error {
	locked, err := read[bool](f.args)
	if err != nil {
		return err
	}
	before := s.locked
	s.locked = &locked
	if before == nil {
		s.emitPart(f, view.PartLock)
	} else if *before != locked {
		f.emit(event.SubjectMediaLock, event.MediaLock{Locked: locked, Channel: s.channel, Time: f.ms()})
	}
	return nil
}

// setLeader comes at a join only where there is a leader.
func (s *State) setLeader(f *fold) error {
	name, err := read[string](f.args)
	s.found["setLeader"] = true
	if err != nil || name == s.leader {
		return err
	}
	s.leader = name
	f.emit(event.SubjectMediaLeader, event.MediaLeader{User: name, Channel: s.channel, Time: f.ms()})
	return nil
}
