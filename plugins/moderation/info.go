package moderation

import (
	"fmt"
	"strings"

	"github.com/dustin/go-humanize/english"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/timeparse"
	"github.com/rosey-bot/rosey/plugins"
)

func timesMore(n int) string { return fmt.Sprintf("%d more", n) }

// line returns a case in a few words.
func (cs Case) line(c *plugins.Context) string {
	text := "#" + string(cs.ID) + " " + cs.Kind + " " + timeparse.Short(c.Since(cs.Made)) + " ago"
	if cs.By != "" {
		text += " by " + cs.By
	} else {
		text += " by automod (" + cs.Rule + ")"
	}
	if cs.Kind == kindNote && !c.Command.Private {
		return text // what moderators noted is for them
	}
	if cs.Reason != "" {
		text += ": " + plugins.Shorten(cs.Reason, 80)
	}
	switch cs.Status {
	case active, waiting:
		if cs.Until > 0 {
			text += ", " + left(c, cs)
		} else {
			text += ", without end"
		}
	case refused:
		text += ", which failed: " + cs.Problem
	case over:
		if cs.EndedBy != "" {
			text += ", ended by " + cs.EndedBy
		}
	}
	return text
}

// history tells what was done about a user.
func (m *moderation) history(c *plugins.Context) ([]event.Envelope, error) {
	user, err := named(c, "bob")
	if err != nil {
		return nil, err
	}
	const most = 3
	all, total, err := casesOf(c, map[string]any{"key": key(user)}, most)
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
	var parts []string
	if p.First > 0 {
		parts = append(parts, "first here "+timeparse.Short(c.Since(p.First))+" ago")
	}
	if len(p.Aliases) > 0 {
		parts = append(parts, "shares an address with "+english.OxfordWordSeries(p.Aliases[:min(len(p.Aliases), 8)], "and"))
	}
	if total == 0 {
		return c.Say("📋 nothing was done about %s%s", user, join("; ", parts)), nil
	}
	for _, kind := range []string{kindNote, kindWarn, kindMute, kindKick, kindBan} {
		n, err := c.DB(Cases).Count(map[string]any{"channel": key(c.Channel()), "key": key(user), "kind": kind, "status": map[string]any{"$ne": refused}})
		if err != nil {
			return nil, err
		}
		if n > 0 {
			parts = append(parts, english.Plural(n, kind, ""))
		}
	}
	for _, cs := range all {
		parts = append(parts, cs.line(c))
	}
	return c.Say("📋 %s: %s", user, strings.Join(parts, "; ")), nil
}

func join(separator string, parts []string) string {
	text := ""
	for _, p := range parts {
		text += separator + p
	}
	return text
}

// warnings lists the warnings of a user that count.
func (m *moderation) warnings(c *plugins.Context) ([]event.Envelope, error) {
	user, err := named(c, "bob")
	if err != nil {
		return nil, err
	}
	since := c.Now().Add(-plugins.SettingsOf[Settings](c).WarningsTime).UnixMilli()
	const most = 5
	all, total, err := casesOf(c, map[string]any{"kind": kindWarn, "key": key(user), "made": map[string]any{"$gte": since}}, most)
	if err != nil {
		return nil, err
	}
	if total == 0 {
		return c.Say("📋 %s has no warnings", user), nil
	}
	var parts []string
	for _, cs := range all {
		parts = append(parts, cs.line(c))
	}
	if total > most {
		parts = append(parts, timesMore(total-most))
	}
	return c.Say("📋 %s has %s: %s", all[0].User, english.Plural(total, "warning", ""), strings.Join(parts, "; ")), nil
}

// showCase shows one case.
func (m *moderation) showCase(c *plugins.Context) ([]event.Envelope, error) {
	if len(c.Command.Args) == 0 {
		return nil, bad("say which, for example %scase 12", c.Prefix())
	}
	id := event.ID(strings.TrimPrefix(plugins.Fold(c.Command.Args[0]), "#"))
	if n, ok := id.Int(); !ok || n < 1 {
		return nil, bad("%s is not a case's number", plugins.Shorten(c.Command.Args[0], 20))
	}
	var cs Case
	if err := c.DB(Cases).Get(id, &cs); err != nil || cs.Channel != key(c.Channel()) {
		if err == nil || event.CodeOf(err) == event.RecordNotFound {
			err = event.Errorf(event.RecordNotFound, "there is no case #%s in this channel", id)
		}
		return nil, err
	}
	text := "📁 " + cs.User + ": " + cs.line(c)
	if len(cs.Lines) > 0 {
		text += fmt.Sprintf("; %s (rosey audit case %s shows and seals them)", english.Plural(len(cs.Lines), "line", ""), cs.ID)
	}
	return c.Say("%s", text), nil
}
