package moderation

import (
	"time"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
)

// moderation handles the plugin's events.
type moderation struct {
	watching
	channels map[string]*watched // by name in lower case
}

func (m *moderation) kick(c *plugins.Context) ([]event.Envelope, error) {
	user, err := named(c, "bob no spoilers")
	if err != nil {
		return nil, err
	}
	return m.ask(c, Case{Kind: kindKick, User: user, Reason: c.Text(1)})
}

// askTimed returns the handler of a command that asks for an act that may end by itself.
func (m *moderation) askTimed(kind, example string) plugins.Handler {
	return func(c *plugins.Context) ([]event.Envelope, error) {
		user, err := named(c, example)
		if err != nil {
			return nil, err
		}
		length, reason, err := timed(c)
		if err != nil {
			return nil, err
		}
		return m.ask(c, Case{Kind: kind, User: user, Reason: reason, Length: length.Seconds()})
	}
}

// ask makes the case of an act against a user, and asks the channel for it.
func (m *moderation) ask(c *plugins.Context, cs Case) ([]event.Envelope, error) {
	user, err := target(c, cs.User, true)
	if err != nil {
		return nil, err
	}
	cs.User, cs.By, cs.Status = user, c.Command.User, asked
	if cs.Lines, err = evidence(c, user); err != nil {
		return nil, err
	}
	if cs, err = open(c, cs); err != nil {
		return nil, err
	}
	return cs.request(c, cs.Kind, nil), nil
}

// lift returns the handler of a command that asks the channel to end a ban or mute. A mute that waits for its user ends
// at once.
func (m *moderation) lift(kind, of string) plugins.Handler {
	return func(c *plugins.Context) ([]event.Envelope, error) {
		user, err := named(c, "bob")
		if err != nil {
			return nil, err
		}
		held, err := holding(c, of, user)
		if err != nil {
			return nil, err
		}
		if len(held) > 0 && held[0].Status == waiting {
			out, err := m.finish(c, held[0].ID, c.Command.User)
			values := plugins.Values{"user": held[0].User, "by": c.Command.User, "case": string(held[0].ID)}
			return append(c.SayText(settings(c).TextWaived, values), out...), err
		}
		cs, err := open(c, Case{Kind: kind, User: user, By: c.Command.User, Reason: c.Text(1), Status: asked})
		if err != nil {
			return nil, err
		}
		return cs.request(c, kind, nil), nil
	}
}

// finish ends a ban or mute that holds; by is who ended it, empty if its time did.
func (m *moderation) finish(c *plugins.Context, id event.ID, by string) ([]event.Envelope, error) {
	var cs Case
	return c.DB(Cases).Change(id, &cs, func() ([]event.Envelope, error) {
		if cs.Status != active && cs.Status != waiting {
			return nil, nil
		}
		cs.Status, cs.Ended, cs.EndedBy, cs.Next = over, c.Now().UnixMilli(), by, 0
		return c.Emit(eventOver, cs.payload()), nil
	})
}

func (m *moderation) warn(c *plugins.Context) ([]event.Envelope, error) {
	user, err := named(c, "bob mind your language")
	if err != nil {
		return nil, err
	}
	if c.Text(1) == "" {
		return nil, usage(c, "warn", user)
	}
	if user, err = target(c, user, false); err != nil {
		return nil, err
	}
	lines, err := evidence(c, user)
	if err != nil {
		return nil, err
	}
	cs, err := open(c, Case{Kind: kindWarn, User: user, By: c.Command.User, Reason: c.Text(1), Lines: lines, Status: done})
	if err != nil {
		return nil, err
	}
	return m.warned(c, cs)
}

// warned says a warning, and counts it.
func (m *moderation) warned(c *plugins.Context, cs Case) ([]event.Envelope, error) {
	s := settings(c)
	count, err := warningsSince(c, cs.User, c.Now().Add(-s.WarningsTime))
	if err != nil {
		return nil, err
	}
	text := c.Render(s.TextWarn, plugins.Values{"user": cs.User, "reason": cs.Reason, "by": cs.By, "count": count, "case": string(cs.ID)})
	out := c.Emit(eventAct, cs.payload())
	if s.Announce {
		return append(c.SayIn(c.Channel(), "%s", text), out...), nil
	}
	return append(c.PM(cs.User, "%s", text), out...), nil
}

func warningsSince(c *plugins.Context, user string, since time.Time) (int, error) {
	_, total, err := casesOf(c, map[string]any{"kind": kindWarn, "key": key(user), "made": map[string]any{"$gte": since.UnixMilli()}}, 1)
	return total, err
}

func (m *moderation) note(c *plugins.Context) ([]event.Envelope, error) {
	user, err := named(c, "bob asked nicely")
	if err != nil {
		return nil, err
	}
	if c.Text(1) == "" {
		return nil, usage(c, "note", user)
	}
	if user, err = target(c, user, false); err != nil {
		return nil, err
	}
	cs, err := open(c, Case{Kind: kindNote, User: user, By: c.Command.User, Reason: c.Text(1), Status: done})
	if err != nil {
		return nil, err
	}
	text := settings(c).TextNoted
	return append(c.SayText(text, plugins.Values{"user": user, "case": string(cs.ID)}), c.Emit(eventAct, cs.payload())...), nil
}
