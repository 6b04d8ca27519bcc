package moderation

import (
	"cmp"
	"encoding/json"
	"strings"
	"time"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/replay"
	"github.com/rosey-bot/rosey/streams"
)

// sent is what a send of the plugin's says beside what the channel is asked for.
type sent struct {
	Case  event.ID `json:"case"`
	End   bool     `json:"end"`   // of a ban or mute whose time is over
	Again bool     `json:"again"` // a mute that holds, of a user who came back
}

// sendAt returns a send of the plugin's that was stored a while ago, by where that is.
func sendAt(c *plugins.Context, subject, ref string) (s sent, own bool, err error) {
	q := replay.Query{Filter: replay.Filter{Subjects: []string{subject}, Since: c.Now().Add(-time.Hour)}}
	for e, err := range c.Streams().Events(c, q) {
		if err != nil {
			return s, false, err
		}
		if e.Ref.String() != ref {
			continue
		}
		d, err := e.Decode()
		if err != nil || d.Meta(event.MetaSource) != streams.Durable(Name) {
			return s, false, nil //nolint:nilerr // it is not the plugin's
		}
		return s, true, json.Unmarshal(d.Data, &s)
	}
	return s, false, nil
}

// outcome handles what came of an act: it is said and holds only now.
func (m *moderation) outcome(c *plugins.Context, o event.Delivery) ([]event.Envelope, error) {
	if !strings.HasPrefix(o.Subject, "cytube.send.moderation.") {
		return nil, nil
	}
	s, _, err := sendAt(c, o.Subject, o.Send)
	if err != nil || s.Case == "" || s.Again {
		return nil, err
	}
	var cs Case
	if err := c.DB(Cases).Get(s.Case, &cs); err != nil {
		if event.CodeOf(err) == event.RecordNotFound {
			return nil, nil
		}
		return nil, err
	}
	held, err := holding(c, heldBy(cs.Kind), cs.User)
	if err != nil {
		return nil, err
	}
	out, err := c.DB(Cases).Change(s.Case, &cs, func() ([]event.Envelope, error) {
		if s.End {
			return m.ended(c, o, &cs), nil
		}
		return m.settled(c, o, &cs, held), nil
	})
	if err != nil {
		return nil, err
	}
	if cs.Status == active || cs.Kind == kindUnban || cs.Kind == kindUnmute {
		for _, other := range held {
			if cs.Status != done && cs.Status != active || other.ID == cs.ID {
				continue
			}
			more, err := m.finish(c, other.ID, cs.By)
			if err != nil {
				return nil, err
			}
			out = append(out, more...)
		}
	}
	return out, m.wake(c, cs)
}

// heldBy returns the kind of case that one of a kind begins or ends.
func heldBy(kind string) string {
	switch kind {
	case kindUnban:
		return kindBan
	case kindUnmute:
		return kindMute
	}
	return kind
}

func isDone(o event.Delivery) bool {
	return o.Status == event.DeliveryDone || o.Status == event.DeliveryAlready
}

// settled changes a case by the outcome of what it asked for, and returns what is said of it.
func (m *moderation) settled(c *plugins.Context, o event.Delivery, cs *Case, held []Case) []event.Envelope {
	if cs.Status != asked {
		return nil
	}
	texts := settings(c).Texts
	timed := cs.Kind == kindBan || cs.Kind == kindMute
	switch {
	case o.Status == event.DeliveryAlready && timed && len(held) == 0:
		cs.Status, cs.Problem = refused, c.Render(texts.TextAlready, nil)
	case isDone(o) && timed:
		cs.Status = active
		if cs.Length > 0 {
			cs.Until = c.Now().Add(cs.length()).UnixMilli()
		}
	case isDone(o):
		cs.Status = done
	case cs.Kind == kindMute && o.Code == event.RecordNotFound:
		return m.wait(c, cs)
	default:
		cs.Status, cs.Problem = refused, o.Status
		if o.Reason != "" {
			cs.Problem = cmp.Or(c.Reason(o.Reason), o.Status)
		}
	}
	if cs.Status == refused {
		text := c.Render(texts.TextFailed, plugins.Values{"kind": cs.Kind, "user": cs.User, "problem": cs.Problem, "case": string(cs.ID)})
		return append(c.Tell(cs.asker(c), text), c.Emit(eventFailed, cs.failure())...)
	}
	return append(m.announce(c, *cs), c.Emit(eventAct, cs.payload())...)
}

// wait has a mute wait for a user who is not here; its time begins now.
func (m *moderation) wait(c *plugins.Context, cs *Case) []event.Envelope {
	cs.Status = waiting
	if cs.Length > 0 {
		cs.Until = c.Now().Add(cs.length()).UnixMilli()
	}
	text := c.Render(settings(c).TextWaits, plugins.Values{
		"user": cs.User, "reason": cs.Reason, "by": cs.By, "length": cs.length(), "until": cs.until(), "case": string(cs.ID),
	})
	return append(c.Tell(cs.asker(c), text), c.Emit(eventAct, cs.payload())...)
}

func (cs Case) failure() map[string]any {
	p := cs.payload()
	p["problem"] = cs.Problem
	return p
}

// asker returns whom to tell what came of an act: who asked for it, where all read it or not. Of
// what automod does its events tell.
func (cs Case) asker(c *plugins.Context) plugins.Recipient {
	if cs.By == "" || cs.Private || !settings(c).Announce {
		return plugins.Recipient{User: cs.By, Private: true}
	}
	return plugins.Recipient{}
}

// announce says that an act was done, in the channel or to who asked for it. Each of a strike
// is not said.
func (m *moderation) announce(c *plugins.Context, cs Case) []event.Envelope {
	s := settings(c)
	text := map[string]plugins.Text{
		kindKick: s.TextKick, kindBan: s.TextBan, kindMute: s.TextMute, kindUnban: s.TextUnban, kindUnmute: s.TextUnmute,
	}[cs.Kind]
	to := cs.asker(c)
	switch {
	case cs.Strike != "":
		return nil
	case s.Announce && !cs.Private:
		to = plugins.Recipient{}
	}
	return c.Tell(to, c.Render(text, plugins.Values{"user": cs.User, "reason": cs.Reason, "by": cs.By, "length": cs.length(), "case": string(cs.ID)}))
}
