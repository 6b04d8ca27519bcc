package localserver

import (
	"strings"
	"time"

	"github.com/rosey-bot/rosey/internal/markup"
)

// message is a chatMsg or pm on its way through the server.
type message struct {
	Msg  string `json:"msg"`
	To   string `json:"to"`
	Meta object `json:"meta"`

	at time.Time // when it came
}

// received completes a message as it came from a client.
func (m *message) received(c *Session) {
	m.at = time.Now()
	flair, asked := m.Meta["modflair"]
	m.Meta = object{}
	if asked && c.rank() >= 2 && flair == c.rank() {
		m.Meta["modflair"] = flair
	}
}

// chat handles chatMsg. It drops blank lines without a word.
func (ch *Channel) chat(c *Session, m message) {
	m.Msg = cut(m.Msg, ch.srv.cfg.MaxMessage)
	if ch.filterSpam(c, m.Msg) {
		return
	}
	if !ch.options.AllowASCIIControl {
		m.Msg = withoutControls(m.Msg)
	}
	if c.loggedIn() && strings.TrimSpace(m.Msg) != "" {
		m.received(c)
		if ch.drink(c, &m) {
			ch.say(c, m)
		}
	}
}

// filterSpam refuses what a user says who is too new, as the channel's options want it.
func (ch *Channel) filterSpam(c *Session, text string) bool {
	age := time.Since(c.since).Seconds()
	switch {
	case c.rank() >= 2:
	case age < ch.options.NewUserDelay:
		c.Emit("spamFiltered", object{"reason": "NEW_USER_CHAT"})
		return true
	case age < ch.options.NewUserLinkDelay && markup.Link.MatchString(text):
		c.Emit("spamFiltered", object{"reason": "NEW_USER_CHAT_LINK"})
		return true
	}
	return false
}

// say passes a line on. Commands come here twice, once with the command and once with what follows it, and the flood
// control counts them twice: on the real server, too, an emote costs two lines.
func (ch *Channel) say(c *Session, m message) {
	if !strings.Contains(m.Msg, "/afk") {
		ch.touch(c)
	}
	if flood := c.Flood(); !c.chatLimit.take(m.at, flood) {
		c.Emit("cooldown", flood.Wait())
		return
	}
	m.markGreentext()
	if rest, ok := strings.CutPrefix(m.Msg, "/"); ok {
		if ch.command(c, m, rest) {
			return
		}
	}
	line := ch.format(c, m)
	switch {
	case c.shadowMuted:
		ch.sendShadowMuted(line)
		return
	case c.muted:
		c.Emit("noflood", object{"action": "chat", "msg": "You have been muted on this channel."})
		return
	}
	ch.buffer = append(ch.buffer, line)
	if extra := len(ch.buffer) - ch.srv.cfg.Buffer; extra > 0 {
		ch.buffer = append([]object(nil), ch.buffer[extra:]...)
	}
	ch.broadcast("chatMsg", line)
	_, action := m.Meta["action"]
	ch.srv.accept(Line{Channel: ch.name, User: c.name, Text: m.Msg, Action: action, Time: m.at})
}

func (m *message) markGreentext() {
	if strings.HasPrefix(m.Msg, ">") {
		m.Meta["addClass"] = "greentext"
	}
}

// sendShadowMuted shows a shadow-muted user's line to those who may see it: users in the same state, anonymous ones, and,
// marked, to moderators.
func (ch *Channel) sendShadowMuted(line object) {
	for _, u := range ch.users {
		if u.shadowMuted || !u.loggedIn() {
			u.Emit("chatMsg", line)
		}
	}
	line["meta"].(object)["shadow"] = true
	ch.emitTo(2, "chatMsg", line)
}

// pm handles a private message: it goes to its receiver, and a copy to the sender.
func (ch *Channel) pm(c *Session, m message) {
	m.received(c)
	to := strings.ToLower(m.To)
	receiver := ch.User(to)
	switch {
	case !c.loggedIn():
		c.fail("You must be signed in to send PMs")
		return
	case c.is(to):
		c.fail("You can't PM yourself!")
		return
	case !validUser.MatchString(to):
		c.fail("PM failed: " + to + " isn't a valid username.")
		return
	case ch.filterSpam(c, m.Msg):
		return
	case !c.chatLimit.take(m.at, everybody):
		c.Emit("cooldown", everybody.Wait())
		return
	case receiver == nil:
		c.fail("PM failed: " + to + " isn't connected to this channel.")
		return
	}
	m.Msg = cut(m.Msg, ch.srv.cfg.MaxMessage)
	m.markGreentext()
	line := ch.format(c, m)
	line["to"] = receiver.name
	receiver.Emit("pm", line)
	c.Emit("pm", line)
	ch.srv.accept(Line{Channel: ch.name, User: c.name, To: receiver.name, Text: m.Msg, Time: m.at})
}

func (ch *Channel) format(c *Session, m message) object {
	msg := ch.renderer.Render(m.Msg, ch.options.EnableLinkRegex)
	return object{"username": c.name, "msg": msg, "meta": m.Meta, "time": m.at.UnixMilli()}
}

// tellModerators sends one of the server's own notices, which look like chat.
func (ch *Channel) tellModerators(text string) { ch.tell(text, 2) }

func (ch *Channel) tell(text string, minRank float64) { ch.notice("[server]", text, minRank) }

func (ch *Channel) notice(from, text string, minRank float64) {
	ch.emitTo(minRank, "chatMsg", object{
		"username": from, "msg": text,
		"meta": object{"addClass": "server-whisper", "addClassToNameAndTimestamp": true},
		"time": time.Now().UnixMilli(),
	})
}

// touch notes that a user did something, which ends the user's AFK.
func (ch *Channel) touch(c *Session) {
	c.active = time.Now()
	ch.setAFK(c, false)
}

func (ch *Channel) setAFK(c *Session, afk bool) {
	if c.afk == afk {
		return
	}
	c.afk = afk
	if afk {
		ch.withdrawSkipVote(c)
		c.Emit("clearVoteskipVote")
	} else {
		c.active = time.Now()
	}
	ch.countSkipVotes()
	ch.sendMeta(c, -1)
	ch.broadcast("setAFK", object{"name": c.name, "afk": afk})
	ch.srv.notify()
}
