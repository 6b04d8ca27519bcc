package channel

import (
	"encoding/json"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/markup"
)

// Line is a chat line or private message.
type Line struct {
	PM       bool
	Action   bool   // an emote: /me
	Shadow   bool   // of a shadow-muted user, shown to moderators
	User, To string // To is set with PM
	Text     string // as it was typed, as far as the server tells
	HTML     string // as the server shows it, "" if it put no element into the text
	Time     int64  // the server's, in ms
}

// LineKey identifies a chat line within a channel. Two lines can have the same key,
// if one user says the same twice within a millisecond. Its text is what a reader sees:
// that is the same whatever is known of the channel's filters, and earlier releases
// recorded it.
type LineKey struct {
	User, Shown string
	Action      bool
	Time        int64
}

// Key returns the line's key.
func (l *Line) Key() LineKey {
	return LineKey{User: l.User, Shown: l.Shown(), Action: l.Action, Time: l.Time}
}

// Shown returns the line's text as a reader sees it.
func (l *Line) Shown() string {
	if l.HTML == "" {
		return l.Text
	}
	return markup.Plain(l.HTML)
}

func (s *State) chat(f *fold) error {
	l, class, err := s.readLine(f.args)
	switch {
	case err != nil:
		return err
	case l.User == "[server]" && class == "server-whisper":
		s.serverLine(f, l)
		return nil
	case l.User == "[voteskip]" && class == "server-whisper":
		s.voteLine(f, l)
		return nil
	case l.User == "[server]" || class == "server-whisper":
		return nil
	}
	s.arrived(f, l.User)
	before := s.latest
	s.latest = *l
	if l.Shadow && !before.Shadow && l.Key() == before.Key() {
		return nil // a shadow-muted moderator gets each of its lines twice
	}
	extra := event.Extra{}
	if l.Action {
		extra["action"] = json.RawMessage("true")
	} else if class != "" {
		if extra["class"], err = json.Marshal(class); err != nil {
			return err
		}
	}
	if l.Shadow {
		extra["shadow"] = json.RawMessage("true")
	}
	f.emitLine(event.SubjectChat, event.Chat{
		User: l.User, Message: l.Text, HTML: l.HTML, Channel: s.channel, Rank: s.rankOf(l.User), Time: l.Time, Extra: extra,
	}, l)
	return nil
}

func (s *State) pm(f *fold) error {
	l, _, err := s.readLine(f.args)
	if err != nil {
		return err
	}
	s.arrived(f, l.User)
	l.PM = true
	f.emitLine(event.SubjectPM, event.PM{
		User: l.User, To: l.To, Message: l.Text, HTML: l.HTML, Channel: s.channel, Rank: s.rankOf(l.User), Time: l.Time,
	}, l)
	return nil
}

func (s *State) readLine(args []json.RawMessage) (l *Line, class string, err error) {
	m, err := read[wireMessage](args)
	if err == nil {
		err = missing(field{"username", m.Username == nil || *m.Username == ""}, field{"msg", m.Msg == nil}, field{"time", m.Time == nil})
	}
	if err != nil {
		return nil, "", err
	}
	ms, err := integer("time", *m.Time, 0)
	l = &Line{User: *m.Username, To: m.To, Text: s.settings.typed(*m.Msg), Action: m.Meta.Action, Shadow: m.Meta.Shadow, Time: ms}
	if markup.Marked(*m.Msg) {
		l.HTML = *m.Msg
	}
	return l, m.Meta.AddClass, err
}
