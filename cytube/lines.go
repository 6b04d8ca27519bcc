package cytube

import (
	"encoding/json"

	"github.com/rosey-bot/rosey/event"
)

// line is a chat line or private message. Time is the server's, in ms.
type line struct {
	pm, action, shadow bool
	user, to, text     string
	time               int64
}

func (r *room) chat(args []json.RawMessage) ([]fact, error) {
	l, class, err := readLine(args)
	switch {
	case err != nil:
		return nil, err
	case l.user == "[server]" && class == "server-whisper":
		return r.serverLine(l)
	case l.user == "[server]" || class == "server-whisper":
		return nil, nil
	}
	before := r.latest
	r.latest = *l
	if l.shadow && !before.shadow && l.key() == before.key() {
		// A bot that is shadow-muted and a moderator gets the line as both.
		return nil, nil
	}
	extra := event.Extra{}
	if l.action {
		extra["action"] = json.RawMessage("true")
	} else if class != "" {
		if extra["class"], err = json.Marshal(class); err != nil {
			return nil, err
		}
	}
	if l.shadow {
		extra["shadow"] = json.RawMessage("true")
	}
	return one(event.SubjectChat, event.Chat{
		User: l.user, Message: l.text, Channel: r.channel, Rank: r.rankOf(l.user), Time: l.time, Extra: extra,
	}, l)
}

func (r *room) pm(args []json.RawMessage) ([]fact, error) {
	l, _, err := readLine(args)
	if err != nil {
		return nil, err
	}
	l.pm = true
	return one(event.SubjectPM, event.PM{
		User: l.user, To: l.to, Message: l.text, Channel: r.channel, Rank: r.rankOf(l.user), Time: l.time,
	}, l)
}

func readLine(args []json.RawMessage) (l *line, class string, err error) {
	m, err := read[wireMessage](args)
	if err == nil {
		err = missing(field{"username", m.Username == nil || *m.Username == ""}, field{"msg", m.Msg == nil}, field{"time", m.Time == nil})
	}
	if err != nil {
		return nil, "", err
	}
	ms, err := whole("time", *m.Time, 0)
	return &line{
		user: *m.Username, to: m.To, text: plainText(*m.Msg), action: m.Meta.Action, shadow: m.Meta.Shadow, time: ms,
	}, m.Meta.AddClass, err
}
