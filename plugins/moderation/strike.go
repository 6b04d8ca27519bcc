package moderation

import (
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/timeparse"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/plugins/moderation/automod"
	"github.com/rosey-bot/rosey/replay"
)

// strike asks the channel to act against everybody who said a phrase a moment ago. It is one
// case of which each act is a part, so that it can be taken back as one.
func (m *moderation) strike(c *plugins.Context) ([]event.Envelope, error) {
	step, phrase := struck(c)
	if utf8.RuneCountInString(plugins.Fold(phrase)) < 3 {
		return nil, usage(c, "strike", "")
	}
	if step.For < 0 || step.For > longest {
		return nil, noTime(c, "strike", step.Kind, "")
	}
	s := settings(c)
	hit, err := m.speakers(c, s, phrase)
	if err != nil {
		return nil, err
	}
	switch {
	case len(hit) == 0:
		return nil, c.Refuse(event.RecordNotFound, s.TextNobody, plugins.Values{"within": s.StrikeTime, "rank": s.ExemptRank})
	case len(hit) > s.StrikeMost:
		return nil, c.Refuse(event.InvalidInput, s.TextTooMany, plugins.Values{"count": len(hit), "most": s.StrikeMost})
	}
	whole := Case{Kind: kindStrike, By: c.Command.User, Reason: phrase, Status: done, Length: step.For.Seconds()}
	var users []string
	for _, h := range hit {
		whole.Lines = append(whole.Lines, h.lines...)
		users = append(users, h.user)
	}
	if whole, err = open(c, whole); err != nil {
		return nil, err
	}
	out := append(c.SayText(s.TextStrike, plugins.Values{
		"case": string(whole.ID), "step": strings.ReplaceAll(step.String(), ":", " "), "users": names(c, s, users), "prefix": c.Prefix(),
	}), c.Emit(eventAct, whole.payload())...)
	for _, h := range hit {
		cs, err := open(c, Case{
			Kind: step.Kind, User: h.user, By: c.Command.User, Reason: phrase, Lines: h.lines, Status: asked, Length: step.For.Seconds(), Strike: whole.ID,
		})
		if err != nil {
			return nil, err
		}
		out = append(out, cs.request(c, step.Kind, nil)...)
	}
	return out, nil
}

// struck reads what a strike does and to which phrase.
func struck(c *plugins.Context) (step automod.Step, phrase string) {
	step = automod.Step{Kind: kindMute, For: 10 * time.Minute}
	if len(c.Command.Args) == 0 || !slices.Contains([]string{kindMute, kindKick, kindBan}, plugins.Fold(c.Command.Args[0])) {
		return step, c.Text(0)
	}
	step = automod.Step{Kind: plugins.Fold(c.Command.Args[0])}
	if step.Kind == kindKick || len(c.Command.Args) == 1 {
		return step, c.Text(1)
	}
	d, err := timeparse.Duration(c.Command.Args[1])
	if err != nil {
		return step, c.Text(1)
	}
	if step.For = d; d < time.Second {
		step.For = -1
	}
	return step, c.Text(2)
}

// speaker is somebody who said a phrase.
type speaker struct {
	user  string
	lines []string
}

// speakers returns who said a phrase a moment ago, without the asker, the bot and those whose
// rank is exempt, or not below the asker's or the bot's.
func (m *moderation) speakers(c *plugins.Context, s Settings, phrase string) (found []speaker, err error) {
	st, err := c.State(plugins.Users)
	if err != nil {
		return nil, err
	}
	phrase = plugins.Fold(phrase)
	q := replay.Query{Filter: replay.Filter{Subjects: []string{event.SubjectChat}, Channel: c.Channel(), Since: c.Now().Add(-s.StrikeTime), Until: c.Now()}}
	for e, err := range c.Streams().Events(c, q) {
		if err != nil {
			return nil, err
		}
		d, err := e.Decode()
		if err != nil {
			continue
		}
		l, err := event.As[event.Chat](d.Envelope)
		if _, own := d.Causation(); err != nil || own || d.Metadata[event.MetaBackfill] == true || !strings.Contains(plugins.Fold(l.Message), phrase) {
			continue
		}
		rank := l.Rank
		if u, here := st.User(l.User); here {
			rank = max(rank, u.Rank)
		}
		if rank >= min(s.ExemptRank, c.Command.Rank) || st.Bot().Rank >= 0 && rank >= st.Bot().Rank || key(l.User) == key(c.Command.User) || key(l.User) == key(st.BotName) {
			continue
		}
		i := slices.IndexFunc(found, func(h speaker) bool { return key(h.user) == key(l.User) })
		if i < 0 {
			i, found = len(found), append(found, speaker{user: l.User})
		}
		found[i].lines = append(found[i].lines, e.Ref.String())
	}
	return found, nil
}

// unstrike asks the channel to take back all that a strike did.
func (m *moderation) unstrike(c *plugins.Context) ([]event.Envelope, error) {
	filter := map[string]any{"kind": kindStrike, "status": done}
	if len(c.Command.Args) > 0 {
		filter["id"] = strings.TrimPrefix(plugins.Fold(c.Command.Args[0]), "#")
	}
	last, _, err := casesOf(c, filter, 1)
	if err != nil {
		return nil, err
	}
	if len(last) == 0 {
		return nil, c.Refuse(event.RecordNotFound, settings(c).TextNoStrike, nil)
	}
	parts, _, err := casesOf(c, map[string]any{"strike": last[0].ID}, 500)
	if err != nil {
		return nil, err
	}
	var users []string
	var out []event.Envelope
	kicks := 0
	for _, cs := range slices.Backward(parts) {
		switch {
		case cs.Kind == kindKick:
			kicks++
		case cs.Status == asked, cs.Status == active:
			users = append(users, cs.User)
			out = append(out, cs.request(c, map[string]string{kindBan: kindUnban, kindMute: kindUnmute}[cs.Kind], map[string]any{"end": true})...)
		case cs.Status == waiting:
			users = append(users, cs.User)
			more, err := m.finish(c, cs.ID, c.Command.User)
			if err != nil {
				return nil, err
			}
			out = append(out, more...)
		}
	}
	var cs Case
	if _, err := c.DB(Cases).Change(last[0].ID, &cs, func() ([]event.Envelope, error) {
		cs.Status, cs.Ended, cs.EndedBy = over, c.Now().UnixMilli(), c.Command.User
		return nil, nil
	}); err != nil {
		return nil, err
	}
	s := settings(c)
	return append(c.SayText(s.TextUnstrike, plugins.Values{"case": string(last[0].ID), "users": names(c, s, users), "kicks": kicks}), out...), nil
}
