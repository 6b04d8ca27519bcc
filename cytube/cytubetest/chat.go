package cytubetest

import (
	"encoding/json"
	"strings"
	"time"
)

// message is a chatMsg or pm on its way through the server.
type message struct {
	Msg  string         `json:"msg"`
	To   string         `json:"to"`
	Meta map[string]any `json:"meta"`

	fault Fault     // what goes wrong with it
	at    time.Time // when it came
}

func (m *message) read(arg json.RawMessage, c *session) {
	_ = json.Unmarshal(arg, m) // its shape has been checked
	flair, asked := m.Meta["modflair"]
	m.Meta = map[string]any{}
	if asked && c.rank() >= 2 && flair == c.rank() {
		m.Meta["modflair"] = flair
	}
}

// chat answers chatMsg. Lines that may not be said and blank ones are dropped
// without a word.
func (ch *room) chat(c *session, arg json.RawMessage) {
	var m message
	m.read(arg, c)
	if !ch.may(c, "chat") || !c.loggedIn() {
		return
	}
	m.Msg = withoutControls(cut(m.Msg, ch.srv.cfg.MaxMessage))
	if strings.TrimSpace(m.Msg) == "" {
		return
	}
	m.fault, m.at = ch.takeFault(c.name), time.Now()
	if !c.vanish(m, ch.floodFor(c)) {
		ch.say(c, m)
	}
}

// floodFor is the limit that a user's chat is held to.
func (ch *room) floodFor(c *session) Flood {
	if ch.flood == (Flood{}) || c.rank() >= 2 {
		return everybody
	}
	return ch.flood
}

// say puts a line before the room. Commands come here twice, once with the
// command and once with what follows it, and are counted twice by the flood
// control: on the real server, too, an emote costs two lines.
func (ch *room) say(c *session, m message) {
	if !strings.Contains(m.Msg, "/afk") {
		ch.setAFK(c, false)
	}
	if flood := ch.floodFor(c); !c.chatLimit.take(m.at, flood) {
		c.emit("cooldown", flood.wait())
		return
	}
	if strings.HasPrefix(m.Msg, ">") {
		m.Meta["addClass"] = "greentext"
	}
	if rest, ok := strings.CutPrefix(m.Msg, "/"); ok {
		name, args, _ := strings.Cut(rest, " ")
		if run, ok := ch.command(name); ok {
			run(c, m, args)
			return
		}
	}
	line := ch.format(c, m)
	switch {
	case c.shadowMuted:
		ch.whisperShadow(line)
		return
	case c.muted:
		c.emit("noflood", map[string]any{"action": "chat", "msg": "You have been muted on this channel."})
		return
	}
	ch.buffer = append(ch.buffer, line)
	if extra := len(ch.buffer) - ch.srv.cfg.Buffer; extra > 0 {
		ch.buffer = ch.buffer[extra:]
	}
	frame := event("chatMsg", line).Encode()
	for _, u := range ch.audience {
		if u != c || m.fault == faultNone {
			u.push(frame)
		}
	}
	_, action := m.Meta["action"]
	ch.srv.hear(Line{Channel: ch.name, User: c.name, Text: m.Msg, HTML: line["msg"].(string), Action: action, Time: m.at})
	if m.fault == FaultDrop {
		c.drop()
	}
}

// vanish acts on the faults that keep a message from going anywhere.
func (c *session) vanish(m message, flood Flood) bool {
	switch m.fault {
	case FaultLost:
	case FaultCooldown:
		c.emit("cooldown", flood.wait())
	case FaultSpam:
		c.emit("spamFiltered", map[string]any{"reason": "NEW_USER_CHAT"})
	case FaultSpamLink:
		c.emit("spamFiltered", map[string]any{"reason": "NEW_USER_CHAT_LINK"})
	default:
		return false
	}
	return true
}

// whisperShadow shows a shadow-muted user's line to those who may see it: users
// in the same state, anonymous ones, and, marked, to moderators.
func (ch *room) whisperShadow(line map[string]any) {
	for _, u := range ch.users {
		if u.shadowMuted || !u.loggedIn() {
			u.emit("chatMsg", line)
		}
	}
	line["meta"].(map[string]any)["shadow"] = true
	for _, u := range ch.users {
		if u.rank() >= 2 {
			u.emit("chatMsg", line)
		}
	}
}

// pm answers the pm event: to the one it is for, and a copy to the sender.
func (ch *room) pm(c *session, arg json.RawMessage) {
	var m message
	m.read(arg, c)
	to := strings.ToLower(m.To)
	switch {
	case !c.loggedIn():
		c.fail("You must be signed in to send PMs")
		return
	case strings.EqualFold(to, c.name):
		c.fail("You can't PM yourself!")
		return
	case !validUser.MatchString(to):
		c.fail("PM failed: " + to + " isn't a valid username.")
		return
	}
	m.fault, m.at = ch.takeFault(c.name), time.Now()
	if c.vanish(m, everybody) {
		return
	}
	if !c.chatLimit.take(m.at, everybody) {
		c.emit("cooldown", everybody.wait())
		return
	}
	receiver := ch.user(to)
	if receiver == nil {
		c.fail("PM failed: " + to + " isn't connected to this channel.")
		return
	}
	m.Msg = cut(m.Msg, ch.srv.cfg.MaxMessage)
	if strings.HasPrefix(m.Msg, ">") {
		m.Meta["addClass"] = "greentext"
	}
	line := ch.format(c, m)
	line["to"] = receiver.name
	receiver.emit("pm", line)
	if m.fault == faultNone {
		c.emit("pm", line)
	}
	ch.srv.hear(Line{Channel: ch.name, User: c.name, To: receiver.name, Text: m.Msg, HTML: line["msg"].(string), Time: m.at})
	if m.fault == FaultDrop {
		c.drop()
	}
}

func (ch *room) format(c *session, m message) map[string]any {
	return map[string]any{
		"username": c.name, "msg": markUp(m.Msg, ch.registered), "meta": m.Meta, "time": m.at.UnixMilli(),
	}
}

// tellModerators sends the server's own notices, which look like chat.
func (ch *room) tellModerators(text string) { ch.tell(text, 2) }

func (ch *room) tell(text string, minRank float64) {
	line := map[string]any{
		"username": "[server]", "msg": text,
		"meta": map[string]any{"addClass": "server-whisper", "addClassToNameAndTimestamp": true},
		"time": time.Now().UnixMilli(),
	}
	for _, u := range ch.users {
		if u.rank() >= minRank {
			u.emit("chatMsg", line)
		}
	}
}

func (ch *room) setAFK(c *session, afk bool) {
	if c.afk == afk {
		return
	}
	c.afk = afk
	if afk {
		c.emit("clearVoteskipVote")
	}
	ch.sendMeta(c, -1)
	ch.broadcast("setAFK", map[string]any{"name": c.name, "afk": afk})
}
