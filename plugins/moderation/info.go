package moderation

import (
	"strings"
	"time"

	"github.com/dustin/go-humanize/english"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
)

// line returns a case in a few words.
func (cs Case) line(c *plugins.Context, s Settings) string {
	values := plugins.Values{
		"case": string(cs.ID), "kind": cs.Kind, "ago": c.Since(cs.Made), "by": cs.By, "rule": cs.Rule, "reason": cs.Reason,
		"holds": cs.Status == active || cs.Status == waiting, "left": "", "problem": "", "ended_by": "",
	}
	if cs.Kind == kindNote && !c.Command.Private {
		values["reason"] = "" // what moderators noted is for them
	}
	switch cs.Status {
	case active, waiting:
		if cs.Until > 0 {
			values["left"] = left(c, s, cs)
		}
	case refused:
		values["problem"] = cs.Problem
	case over:
		values["ended_by"] = cs.EndedBy
	}
	return c.Render(s.TextAct, values)
}

func lines(c *plugins.Context, s Settings, all []Case) (lines []string) {
	for _, cs := range all {
		lines = append(lines, cs.line(c, s))
	}
	return lines
}

// names joins users' names.
func names(c *plugins.Context, s Settings, all []string) string {
	return english.OxfordWordSeries(all, c.Render(s.TextAnd, nil))
}

// history tells what was done about a user.
func (m *moderation) history(c *plugins.Context) ([]event.Envelope, error) {
	user, err := named(c, "bob")
	if err != nil {
		return nil, err
	}
	const most = 3
	all, _, err := casesOf(c, map[string]any{"key": key(user)}, most)
	if err != nil {
		return nil, err
	}
	var p Person
	if err := c.DB(People).Get(personID(c.Channel(), user), &p); err != nil && event.CodeOf(err) != event.RecordNotFound {
		return nil, err
	}
	if p.Name != "" {
		user = p.Name
	}
	s := settings(c)
	values := plugins.Values{
		"user": user, "first": time.Duration(0), "aliases": names(c, s, p.Aliases[:min(len(p.Aliases), 8)]), "acts": lines(c, s, all),
	}
	if p.First > 0 {
		values["first"] = max(c.Since(p.First), time.Millisecond)
	}
	for _, kind := range []string{kindNote, kindWarn, kindMute, kindKick, kindBan} {
		filter := map[string]any{"channel": key(c.Channel()), "key": key(user), "kind": kind, "status": map[string]any{"$ne": refused}}
		if values[kind+"s"], err = c.DB(Cases).Count(filter); err != nil {
			return nil, err
		}
	}
	return c.SayText(s.TextHistory, values), nil
}

// warnings lists the warnings of a user that count.
func (m *moderation) warnings(c *plugins.Context) ([]event.Envelope, error) {
	user, err := named(c, "bob")
	if err != nil {
		return nil, err
	}
	s := settings(c)
	since := c.Now().Add(-s.WarningsTime).UnixMilli()
	const most = 5
	all, total, err := casesOf(c, map[string]any{"kind": kindWarn, "key": key(user), "made": map[string]any{"$gte": since}}, most)
	if err != nil {
		return nil, err
	}
	if total > 0 {
		user = all[0].User
	}
	return c.SayText(s.TextWarnings, plugins.Values{"user": user, "count": total, "acts": lines(c, s, all), "more": total - len(all)}), nil
}

func (m *moderation) showCase(c *plugins.Context) ([]event.Envelope, error) {
	if len(c.Command.Args) == 0 {
		return nil, usage(c, "case", "")
	}
	id := event.ID(strings.TrimPrefix(plugins.Fold(c.Command.Args[0]), "#"))
	if n, ok := id.Int(); !ok || n < 1 {
		return nil, c.Refuse(event.InvalidInput, settings(c).TextNoCase, plugins.Values{"text": plugins.Shorten(c.Command.Args[0], 20), "case": ""})
	}
	var cs Case
	if err := c.DB(Cases).Get(id, &cs); err != nil || cs.Channel != key(c.Channel()) {
		if err == nil || event.CodeOf(err) == event.RecordNotFound {
			err = c.Refuse(event.RecordNotFound, settings(c).TextNoCase, plugins.Values{"text": "", "case": string(id)})
		}
		return nil, err
	}
	s := settings(c)
	return c.SayText(s.TextCase, plugins.Values{"user": cs.User, "act": cs.line(c, s), "lines": len(cs.Lines), "case": string(cs.ID)}), nil
}
