package channel

import (
	"bytes"
	"encoding/json"

	"github.com/rosey-bot/rosey/cytube/view"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/markup"
)

// settings are what the channel's owners set. What the server has not said yet is nil:
// the first it says is no change.
type settings struct {
	texts         map[string]string                     // by the subject of its change
	values        map[string]map[string]json.RawMessage // by the subject of their change
	defined       map[string]*definitions               // emotes and filters, by the subject of their change
	reader        *markup.Reader                        // of lines; nil until one comes, and after a change of the filters
	announcements map[string]bool                       // IDs
	drinkCount    *int
}

func newSettings() settings {
	return settings{
		texts: map[string]string{}, values: map[string]map[string]json.RawMessage{}, announcements: map[string]bool{},
		defined: map[string]*definitions{event.SubjectEmote: {}, event.SubjectFilter: {}},
	}
}

// typed returns what somebody typed for the server to make a line's HTML of it. The server
// sends the filters only to users who may edit them; without, those of a new channel hold.
func (s *settings) typed(line string) string {
	if s.reader == nil {
		var filters []markup.Filter
		defined := s.defined[event.SubjectFilter]
		for _, d := range defined.list {
			var f markup.Filter
			if json.Unmarshal(marshal(d), &f) == nil {
				filters = append(filters, f)
			}
		}
		if !defined.listed {
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
