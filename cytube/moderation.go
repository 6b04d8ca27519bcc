package cytube

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	"github.com/rosey-bot/rosey/event"
)

// A notice is what the server tells moderators in a chat line of its own. The
// groups of its pattern are fields of event.Moderation; its reason is for a
// pattern without one.
type serverNotice struct {
	action  string
	pattern *regexp.Regexp
	reason  string
}

// notices are the lines of the server's that tell of moderation. Nobody else can
// speak as [server], because brackets cannot be in a name. That chat was cleared
// is told in a frame of its own.
var notices = func() (all []serverNotice) {
	const name = `([A-Za-z0-9_-]{1,20})`
	for _, n := range [][3]string{
		{event.ActionKick, "(?P<by>NAME) kicked (?P<user>NAME)", ""},
		{event.ActionKick, "(?P<by>NAME) kicked anonymous users", "anonymous users"},
		{event.ActionKick, "(?P<user>NAME) was kicked: (?P<reason>.+)", ""},
		{event.ActionKick, `(?P<user>NAME) was kicked \((?P<reason>.+)\)`, ""},
		{event.ActionBan, "(?P<by>NAME) namebanned (?P<user>NAME)", ""},
		{event.ActionBan, `(?P<by>NAME) banned \S+ \((?P<user>NAME)\)`, "by address"},
		{event.ActionUnban, "(?P<by>NAME) unbanned (?P<user>NAME)", ""},
		{event.ActionMute, "(?P<by>NAME) muted (?P<user>NAME)", ""},
		{event.ActionShadowMute, "(?P<by>NAME) shadowmuted (?P<user>NAME)", ""},
		{event.ActionUnmute, "(?P<by>NAME) unmuted (?P<user>NAME)", ""},
		{event.ActionRank, "(?P<by>NAME) set (?P<user>NAME)'s rank to (?P<rank>[0-9.]+)", ""},
	} {
		pattern := regexp.MustCompile("^" + strings.ReplaceAll(n[1], "NAME", name) + "$")
		all = append(all, serverNotice{n[0], pattern, n[2]})
	}
	return all
}()

// serverLine finds out what a line of the server's own tells.
func (r *room) serverLine(l *line) ([]fact, error) {
	for _, n := range notices {
		m := n.pattern.FindStringSubmatch(l.text)
		if m == nil {
			continue
		}
		group := func(name string) string {
			if i := n.pattern.SubexpIndex(name); i >= 0 {
				return m[i]
			}
			return ""
		}
		p := event.Moderation{User: group("user"), By: group("by"), Reason: n.reason + group("reason"), Time: l.time}
		if rank := group("rank"); rank != "" && json.Valid([]byte(rank)) {
			p.Extra = event.Extra{"rank": json.RawMessage(rank)}
		}
		return r.moderated(n.action, p)
	}
	return nil, nil
}

func (r *room) moderated(action string, p event.Moderation) ([]fact, error) {
	p.Channel = r.channel
	if p.Time == 0 {
		p.Time = r.now().UnixMilli()
	}
	return one(event.ModerationSubject(action), p, nil)
}

// permissions keeps the rank from which a moderator is told of mutes.
func (r *room) permissions(args []json.RawMessage) ([]fact, error) {
	p, err := read[wirePermissions](args)
	if err == nil {
		r.muteRank = defaultMuteRank
		if p.Mute != nil {
			r.muteRank = *p.Mute
		}
	}
	return nil, err
}

// defaultMuteRank is who may mute in a channel whose owner did not say.
const defaultMuteRank = 1.5

func (r *room) clearChat(args []json.RawMessage) ([]fact, error) {
	by := ""
	if len(args) > 0 { // older servers do not say who did it
		c, err := read[wireClear](args)
		if err != nil {
			return nil, err
		}
		by = c.ClearedBy
	}
	return r.moderated(event.ActionClear, event.Moderation{By: by})
}

// setUserMeta tells of mutes those who are no moderators, and does not say who
// muted. Moderators are told by a line of the server's own.
func (r *room) setUserMeta(args []json.RawMessage) ([]fact, error) {
	u, key, err := readUser(args)
	if err != nil {
		return nil, err
	}
	before, here := r.users[key]
	if !here {
		return nil, nil
	}
	m := before
	m.observe(u)
	r.users[key] = m
	return r.muted(m, before)
}

// observe takes in what a frame says of a user's mute. A shadow mute shows itself
// to moderators only: what others are told does not contradict it.
func (m *member) observe(u wireUser) {
	switch meta := u.Meta; {
	case meta.Shadow != nil && *meta.Shadow:
		m.mute, m.sure = event.ActionShadowMute, true
	case meta.Muted == nil:
	case *meta.Muted:
		m.mute, m.sure = event.ActionMute, true
	case meta.Shadow != nil:
		m.mute, m.sure = "", true
	case m.mute == event.ActionMute:
		m.mute = ""
	}
}

// muted is the event of a user whose mute is another than before.
func (r *room) muted(m, before member) ([]fact, error) {
	told := !r.joining && r.rank >= r.muteRank // by a line that says who did it
	news := m.mute != event.ActionShadowMute || before.sure
	if m.mute == before.mute || told || !news {
		return nil, nil
	}
	action := m.mute
	if action == "" {
		action = event.ActionUnmute
	}
	return r.moderated(action, event.Moderation{User: m.name})
}

// absentRank is the rank of somebody who is not here and was given another one.
// Those who see the server's line about it, which says by whom, need no other.
func (r *room) absentRank(u wireUser, m member) ([]fact, error) {
	if u.ByRank == nil || r.rank >= 3 {
		return nil, nil
	}
	rank, err := json.Marshal(m.rank)
	if err != nil {
		return nil, err
	}
	return r.moderated(event.ActionRank, event.Moderation{User: m.name, Extra: event.Extra{"rank": rank}})
}

// ownAffairs are the reasons for which the site itself sends a client away.
var ownAffairs = []string{
	"Duplicate login", "Rate limit exceeded", "Channel reloading", "Channel shutting down", "Channel deleted", "Too many connections from your IP address",
}

// kicked is the bot's own kick or ban. The server does not say by whom.
func (r *room) kicked(args []json.RawMessage) ([]fact, error) {
	n, err := read[wireNotice](args)
	if err != nil {
		return nil, err
	}
	p := event.Moderation{User: r.self}
	if n.Reason != nil {
		p.Reason = string(*n.Reason)
	}
	switch {
	case r.joining || r.self == "" || slices.Contains(ownAffairs, p.Reason):
		return nil, nil
	case p.Reason == "You're banned!":
		return r.moderated(event.ActionBan, p)
	}
	return r.moderated(event.ActionKick, p)
}
