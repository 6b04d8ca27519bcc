package moderation

import (
	"time"

	"github.com/rosey-bot/rosey/cytube/view"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
)

const (
	// maxTimer is the longest timer of a case, well below the max_age of the stream of timers.
	maxTimer = 30 * 24 * time.Hour
	// The end of a ban or mute that cannot be done is tried again after firstRetry, and each
	// time later after twice as long, up to lastRetry.
	firstRetry = 5 * time.Minute
	lastRetry  = 6 * time.Hour
)

// wake sets the timer of the end of a ban or mute. One that became obsolete does nothing when
// it fires.
func (m *moderation) wake(c *plugins.Context, cs Case) error {
	if cs.Until == 0 || cs.Status != active && cs.Status != waiting {
		return nil
	}
	at := time.UnixMilli(max(cs.Until, cs.Next))
	if soonest := c.Now().Add(maxTimer); soonest.Before(at) {
		at = soonest
	}
	return c.At(at, "end "+string(cs.ID), eventEnd, map[string]any{"case": cs.ID, "channel": cs.Channel})
}

// due ends a ban or mute whose time is over. What people did by hand meanwhile wins: a ban
// that is not the case's any more is left alone.
func (m *moderation) due(c *plugins.Context) ([]event.Envelope, error) {
	var t end
	if err := c.Decode(&t); err != nil {
		return nil, err
	}
	var cs Case
	if err := c.DB(Cases).Get(t.Case, &cs); err != nil {
		if event.CodeOf(err) == event.RecordNotFound {
			return nil, nil
		}
		return nil, err
	}
	now := c.Now().Add(c.Waited()).Add(time.Second) // a timer may fire a second early
	switch {
	case cs.Status != active && cs.Status != waiting, cs.Until == 0:
		return nil, nil
	case now.Before(time.UnixMilli(max(cs.Until, cs.Next))):
		return nil, m.wake(c, cs)
	case cs.Status == waiting:
		return m.finish(c, cs.ID, "")
	}
	by, theirs, err := m.byOthers(c, cs)
	if err != nil {
		return nil, err
	}
	if theirs {
		return m.finish(c, cs.ID, by)
	}
	kind := kindUnban
	if cs.Kind == kindMute {
		kind = kindUnmute
	}
	return cs.request(c, kind, map[string]any{"end": true}), nil
}

// byOthers reports whether the channel's list of bans shows that somebody else banned the user
// since, and who. A ban that is not on it may be newer than the list: the channel is asked.
func (m *moderation) byOthers(c *plugins.Context, cs Case) (by string, theirs bool, err error) {
	if cs.Kind != kindBan {
		return "", false, nil
	}
	s, err := c.State(view.PartBans)
	if err != nil {
		return "", false, err
	}
	for _, b := range s.Bans {
		if key(b.Name) == cs.Key && !b.Address {
			return b.By, key(b.By) != key(s.BotName), nil
		}
	}
	return "", false, nil
}

// ended changes a case by the outcome of its end. Where that fails, it says so once and
// sets a retry, each after a longer pause.
func (m *moderation) ended(c *plugins.Context, o event.Delivery, cs *Case) []event.Envelope {
	if cs.Status != active {
		return nil
	}
	if isDone(o) {
		cs.Status, cs.Ended, cs.Problem, cs.Next = over, c.Now().UnixMilli(), "", 0
		out := c.Emit(eventOver, cs.payload())
		if o.Status == event.DeliveryDone {
			ended := *cs
			ended.Kind = map[string]string{kindBan: kindUnban, kindMute: kindUnmute}[cs.Kind]
			out = append(m.announce(c, ended), out...)
		}
		return out
	}
	cs.Tries++
	cs.Problem = c.Reason(o.Reason)
	wait := min(firstRetry<<min(cs.Tries-1, 10), lastRetry)
	cs.Next = c.Now().Add(wait).UnixMilli()
	if cs.Tries > 1 {
		return nil
	}
	text := c.Render(settings(c).TextStuck, plugins.Values{
		"kind": cs.Kind, "user": cs.User, "problem": cs.Problem, "case": string(cs.ID), "prefix": c.Prefix(),
	})
	return append(c.Tell(cs.asker(c), text), c.Emit(eventFailed, cs.failure())...)
}

// able tries again at once what could not be ended, when the bot is back or has another rank.
func (m *moderation) able(c *plugins.Context) ([]event.Envelope, error) {
	var of struct {
		User  string `json:"user"`
		State string `json:"state"`
	}
	if err := c.Decode(&of); err != nil {
		return nil, nil //nolint:nilerr // of another kind
	}
	if c.Event.Subject == event.SubjectConnection && of.State != event.StateUp {
		return nil, nil
	}
	stuck, _, err := casesOf(c, map[string]any{"status": active, "tries": map[string]any{"$gt": 0}}, 100)
	if err != nil || len(stuck) == 0 {
		return nil, err
	}
	if s, err := c.State(plugins.Users); err != nil || of.User != "" && key(of.User) != key(s.BotName) {
		return nil, err
	}
	for _, cs := range stuck {
		if err := c.DB(Cases).Update(cs.ID, map[string]map[string]any{"$set": {"next": c.Now().UnixMilli()}}); err != nil {
			return nil, err
		}
		cs.Next = c.Now().UnixMilli()
		if err := m.wake(c, cs); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// start sets all timers again, in case the database was restored from a backup.
func (m *moderation) start(c *plugins.Context) error {
	const page = 500
	filter := map[string]any{"status": map[string]any{"$in": []string{active, waiting}}, "until": map[string]any{"$gt": 0}}
	for offset := 0; ; offset += page {
		var held []Case
		total, err := c.DB(Cases).Find(plugins.Query{Filter: filter, OrderBy: "id", Limit: page, Offset: offset}, &held)
		if err != nil {
			return err
		}
		for _, cs := range held {
			if err := m.wake(c, cs); err != nil {
				return err
			}
		}
		if offset+page >= total {
			return nil
		}
	}
}

// pending lists the bans and mutes that end by themselves, the next first.
func (m *moderation) pending(c *plugins.Context) ([]event.Envelope, error) {
	const most = 8
	var held []Case
	total, err := c.DB(Cases).Find(plugins.Query{Filter: map[string]any{
		"channel": key(c.Channel()), "status": map[string]any{"$in": []string{active, waiting}}, "until": map[string]any{"$gt": 0},
	}, OrderBy: "until", Limit: most}, &held)
	if err != nil {
		return nil, err
	}
	s := settings(c)
	var parts []string
	for _, cs := range held {
		parts = append(parts, c.Render(s.TextPendingCase, plugins.Values{"case": string(cs.ID), "kind": cs.Kind, "user": cs.User, "left": left(c, s, cs)}))
	}
	return c.SayText(s.TextPending, plugins.Values{"cases": parts, "more": total - len(parts)}), nil
}

// left returns when a ban or mute ends, as text.
func left(c *plugins.Context, s Settings, cs Case) string {
	return c.Render(s.TextLeft, plugins.Values{
		"left": cs.until().Sub(c.Now()), "waits": cs.Status == waiting, "tries": cs.Tries, "problem": cs.Problem, "next": time.UnixMilli(cs.Next).Sub(c.Now()),
	})
}
