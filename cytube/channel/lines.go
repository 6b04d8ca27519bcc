package channel

import (
	"encoding/json"

	"github.com/rosey-bot/rosey/event"
)

// Line is a chat line or private message.
type Line struct {
	PM       bool
	Action   bool   // an emote: /me
	Shadow   bool   // of a shadow-muted user, shown to moderators
	User, To string // To is set with PM
	Text     string
	Time     int64 // the server's, in ms
}

// LineKey identifies a chat line within a channel. Two lines can have the same key,
// if one user says the same twice within a millisecond.
type LineKey struct {
	User, Text string
	Action     bool
	Time       int64
}

// Key returns the line's key.
func (l *Line) Key() LineKey {
	return LineKey{User: l.User, Text: l.Text, Action: l.Action, Time: l.Time}
}

func (s *State) chat(f *fold) error {
	l, class, err := readLine(f.args)
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
		User: l.User, Message: l.Text, Channel: s.channel, Rank: s.rankOf(l.User), Time: l.Time, Extra: extra,
	}, l)
	return nil
}

func (s *State) pm(f *fold) error {
	l, _, err := readLine(f.args)
	if err != nil {
		return err
	}
	s.arrived(f, l.User)
	l.PM = true
	f.emitLine(event.SubjectPM, event.PM{
		User: l.User, To: l.To, Message: l.Text, Channel: s.channel, Rank: s.rankOf(l.User), Time: l.Time,
	}, l)
	return nil
}

func readLine(args []json.RawMessage) (l *Line, class string, err error) {
	m, err := read[wireMessage](args)
	if err == nil {
		err = missing(field{"username", m.Username == nil || *m.Username == ""}, field{"msg", m.Msg == nil}, field{"time", m.Time == nil})
	}
	if err != nil {
		return nil, "", err
	}
	ms, err := integer("time", *m.Time, 0)
	return &Line{
		User: *m.Username, To: m.To, Text: plainText(*m.Msg), Action: m.Meta.Action, Shadow: m.Meta.Shadow, Time: ms,
	}, m.Meta.AddClass, err
}
