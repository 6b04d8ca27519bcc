package moderation

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
)

// Person is a record of who was in a channel.
type Person struct {
	Name    string   `json:"name" mark:"person"`
	Channel string   `json:"channel"`
	First   int64    `json:"first"` // ms of the first visit, 0 of one who was here before that was noted
	Rank    int      `json:"rank"`  // when last seen
	Aliases []string `json:"aliases,omitempty" mark:"person"`
}

func personID(channel, user string) event.ID { return event.ID(key(channel) + "/" + key(user)) }

type alias struct {
	User    string   `json:"user" mark:"person"`
	Banned  string   `json:"banned" mark:"person"`
	Case    event.ID `json:"case"`
	Channel string   `json:"channel"`
}

// joined notes who is here, and mutes again who is muted and came back, in any spelling.
func (m *moderation) joined(c *plugins.Context) ([]event.Envelope, error) {
	j, err := event.As[event.UserJoin](c.Event.Envelope)
	if err != nil {
		return nil, nil //nolint:nilerr // malformed
	}
	at := c.Now()
	if j.Time > 0 {
		at = time.UnixMilli(j.Time)
	}
	var p Person
	if _, err := c.DB(People).Change(personID(j.Channel, j.User), &p, func() ([]event.Envelope, error) {
		if p.Name == "" {
			p.First = at.UnixMilli()
		}
		p.Name, p.Channel, p.Rank = j.User, key(j.Channel), j.Rank
		return nil, nil
	}); err != nil {
		return nil, err
	}
	if c.Waited() > recent {
		return nil, nil
	}
	out, err := m.arrived(c, j, p.First == at.UnixMilli())
	if err != nil {
		return nil, err
	}
	held, err := holding(c, kindMute, j.User)
	if err != nil || len(held) == 0 {
		return out, err
	}
	cs := held[0]
	switch mute := ""; {
	case json.Unmarshal(j.Extra["mute"], &mute) == nil && mute != "" && cs.Status == active:
		return out, nil // the server still knows
	case cs.Until > 0 && !c.Now().Before(cs.until()):
		return out, nil // it is about to end
	}
	if cs.Status == waiting {
		if _, err := c.DB(Cases).Change(cs.ID, &cs, func() ([]event.Envelope, error) {
			if cs.Status == waiting {
				cs.Status = active
			}
			return nil, nil
		}); err != nil {
			return nil, err
		}
	}
	cs.User = j.User
	return append(out, cs.request(c, kindMute, map[string]any{"again": true})...), nil
}

// aliases notes which names share an address, and looks for a ban of one of them.
func (m *moderation) aliases(c *plugins.Context) ([]event.Envelope, error) {
	a, err := event.As[event.UserAliases](c.Event.Envelope)
	if err != nil {
		return nil, nil //nolint:nilerr // malformed
	}
	var p Person
	if _, err := c.DB(People).Change(personID(a.Channel, a.User), &p, func() ([]event.Envelope, error) {
		p.Name, p.Channel, p.Aliases = a.User, key(a.Channel), a.Aliases
		return nil, nil
	}); err != nil {
		return nil, err
	}
	s := settings(c)
	if s.Aliases == Off {
		return nil, nil
	}
	for _, name := range a.Aliases {
		held, err := holding(c, kindBan, name)
		if err != nil {
			return nil, err
		}
		if len(held) > 0 {
			return m.evades(c, s, a.User, held[0])
		}
	}
	return nil, nil
}

// evades tells who banned a user that another name of the same address is here, or bans that
// too, unless it is of the rank of who banned.
func (m *moderation) evades(c *plugins.Context, s Settings, user string, banned Case) ([]event.Envelope, error) {
	out := c.Emit(eventAlias, map[string]any{"user": user, "banned": banned.User, "case": banned.ID, "channel": key(c.Channel())})
	st, err := c.State(plugins.Users)
	if err != nil {
		return nil, err
	}
	u, _ := st.User(user)
	by, here := st.User(banned.By)
	values := plugins.Values{"user": user, "banned": banned.User, "reason": banned.Reason, "case": string(banned.ID)}
	if s.Aliases == banAliases && u.Rank < moderator && u.Rank < st.Bot().Rank {
		cs := Case{Kind: kindBan, User: user, By: banned.By, Reason: c.Render(s.TextEvades, values), Status: asked}
		if banned.Until > 0 {
			cs.Length = banned.until().Sub(c.Now()).Seconds()
		}
		if cs.Length < 0 {
			return out, nil
		}
		if cs, err = open(c, cs); err != nil {
			return nil, err
		}
		return append(out, cs.request(c, kindBan, nil)...), nil
	}
	if here {
		if text := c.Render(s.TextAlias, values); strings.TrimSpace(text) != "" {
			out = append(out, c.PM(by.Name, "%s", text)...)
		}
	}
	return out, nil
}

// byHand ends a case whose ban or mute somebody lifted, or made anew, in the site's own window:
// its timer must not end what people decided.
func (m *moderation) byHand(c *plugins.Context) ([]event.Envelope, error) {
	e, err := event.As[event.Moderation](c.Event.Envelope)
	if err != nil || e.User == "" || e.Extra["id"] != nil && c.Event.Subject == event.ModerationSubject(event.ActionBan) {
		return nil, nil //nolint:nilerr // malformed, or a reason that was learnt later
	}
	kind, known := map[string]string{
		event.ModerationSubject(event.ActionBan): kindBan, event.ModerationSubject(event.ActionUnban): kindBan,
		event.ModerationSubject(event.ActionMute): kindMute, event.ModerationSubject(event.ActionShadowMute): kindMute,
		event.ModerationSubject(event.ActionUnmute): kindMute,
	}[c.Event.Subject]
	if !known {
		return nil, nil
	}
	held, err := holding(c, kind, e.User)
	if err != nil || len(held) == 0 {
		return nil, err
	}
	if cause, ok := c.Event.Causation(); ok { // what the bot did, upon a send
		if _, own, err := sendAt(c, "cytube.send.moderation.*", cause.String()); err != nil || own {
			return nil, err
		}
	}
	var out []event.Envelope
	for _, cs := range held {
		if c.Now().UnixMilli() < cs.Made || cs.Status == waiting {
			continue
		}
		more, err := m.finish(c, cs.ID, e.By)
		if err != nil {
			return nil, err
		}
		out = append(out, more...)
	}
	return out, nil
}
