package channel

import (
	"cmp"
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	"github.com/rosey-bot/rosey/cytube/view"
	"github.com/rosey-bot/rosey/event"
)

// moderationNotice is a line by which the server tells moderators of an action. The
// groups of its pattern are fields of event.Moderation; reason is that of a pattern
// without such a group.
type moderationNotice struct {
	action  string
	pattern *regexp.Regexp
	reason  string
}

// moderationNotices are matched with lines of [server] only: nobody else can have
// that name, because names have no brackets. A cleared chat comes as a frame.
var moderationNotices = func() (all []moderationNotice) {
	const name = `([A-Za-z0-9_-]{1,20})`
	for _, n := range [][3]string{
		{event.ActionKick, "(?P<by>NAME) kicked (?P<user>NAME)", ""},
		{event.ActionKick, "(?P<by>NAME) kicked anonymous users", "anonymous users"},
		{event.ActionKick, "(?P<user>NAME) was kicked: (?P<reason>.+)", ""},
		{event.ActionKick, `(?P<user>NAME) was kicked \((?P<reason>.+)\)`, ""},
		{event.ActionBan, "(?P<by>NAME) namebanned (?P<user>NAME)", ""},
		{event.ActionBan, `(?P<by>NAME) banned \S+ \((?P<user>NAME)\)`, byAddress},
		{event.ActionUnban, "(?P<by>NAME) unbanned (?P<user>.+)", ""}, // as typed
		{event.ActionMute, "(?P<by>NAME) muted (?P<user>NAME)", ""},
		{event.ActionShadowMute, "(?P<by>NAME) shadowmuted (?P<user>NAME)", ""},
		{event.ActionUnmute, "(?P<by>NAME) unmuted (?P<user>NAME)", ""},
		{event.ActionRank, "(?P<by>NAME) set (?P<user>NAME)'s rank to (?P<rank>[0-9.]+)", ""},
	} {
		pattern := regexp.MustCompile("^" + strings.ReplaceAll(n[1], "NAME", name) + "$")
		all = append(all, moderationNotice{n[0], pattern, n[2]})
	}
	return all
}()

// serverLine records the moderation that a line of the server tells of.
func (s *State) serverLine(f *fold, l *Line) {
	for _, n := range moderationNotices {
		m := n.pattern.FindStringSubmatch(l.Text)
		if m == nil {
			continue
		}
		group := func(name string) string {
			if i := n.pattern.SubexpIndex(name); i >= 0 {
				return m[i]
			}
			return ""
		}
		p := event.Moderation{User: group("user"), By: group("by"), Reason: n.reason + group("reason"), Time: l.Time}
		if rank := group("rank"); rank != "" && json.Valid([]byte(rank)) {
			p.Extra = event.Extra{"rank": json.RawMessage(rank)}
		}
		if n.action == event.ActionBan {
			s.bans(f, p, n.reason == byAddress)
			if SameName(p.User, s.self) {
				s.banned(f)
				s.banSeen = true
			}
			return
		}
		if n.action == event.ActionUnban {
			s.unbanned(f, p)
			return
		}
		s.tellMute(f, n.action, p.User)
		if n.action == event.ActionRank {
			s.lists.want(requestRanks)
		}
		s.moderated(f, n.action, p)
		return
	}
	if m := aliasNotice.FindStringSubmatch(l.Text); m != nil {
		aliases := slices.DeleteFunc(strings.Split(m[2], ","), func(alias string) bool { return SameName(alias, m[1]) })
		if len(aliases) > 0 {
			f.emit(event.SubjectUserAliases, event.UserAliases{User: m[1], Aliases: aliases, Channel: s.channel, Time: l.Time})
		}
	}
}

// aliasNotice is how the server tells moderators of other names of somebody who joins.
var aliasNotice = regexp.MustCompile(`^([A-Za-z0-9_-]{1,20}) joined \(aliases: (\S+)\)$`)

// tellMute takes a mute that a line tells of, which a frame shows too.
func (s *State) tellMute(f *fold, action, name string) {
	mute, isMute := map[string]string{event.ActionMute: event.ActionMute, event.ActionShadowMute: event.ActionShadowMute, event.ActionUnmute: ""}[action]
	if !isMute {
		return
	}
	s.arrived(f, name)
	s.muting = slices.DeleteFunc(s.muting, func(m mutePending) bool { return SameName(m.user, name) })
	if u, here := s.users[strings.ToLower(name)]; here {
		u.mute, u.shadowKnown = mute, true
		s.users[strings.ToLower(name)] = u
	}
}

const byAddress = "by address"

func (s *State) moderated(f *fold, action string, p event.Moderation) {
	p.Channel = s.channel
	if p.Time == 0 {
		p.Time = f.at.UnixMilli()
	}
	f.emit(event.ModerationSubject(action), p)
}

// defaultMuteRank is the rank that may mute where the channel's owner set none.
const defaultMuteRank = 1.5

func (s *State) permissions(f *fold) error {
	p, err := read[wirePermissions](f.args)
	if err == nil {
		err = s.setValues(f, event.SubjectPermissions)
	}
	if err != nil {
		return err
	}
	s.muteRank = defaultMuteRank
	if p.Mute != nil {
		s.muteRank = *p.Mute
	}
	s.hidePlaylist(f)
	return nil
}

func (s *State) clearChat(f *fold) error {
	var p event.Moderation
	if len(f.args) > 0 { // older servers do not say who cleared it
		c, err := read[wireClear](f.args)
		if err != nil {
			return err
		}
		p.By = c.ClearedBy
	}
	s.moderated(f, event.ActionClear, p)
	return nil
}

// setUserMeta shows a mute, but not who muted. Moderators learn that by a line.
func (s *State) setUserMeta(f *fold) error {
	w, key, err := readUser(f.args)
	if err != nil {
		return err
	}
	if before, here := s.users[key]; here {
		u := before.withMute(before, w)
		s.users[key] = u
		s.muteChanged(f, u, before)
		s.reveal(f)
	}
	return nil
}

// withMute returns u with the mute that a frame shows, or that was known before. The
// server shows a shadow mute to moderators only: a frame without it is no proof.
func (u user) withMute(before user, w wireUser) user {
	u.mute, u.shadowKnown = before.mute, before.shadowKnown
	switch meta := w.Meta; {
	case meta.Shadow != nil && *meta.Shadow:
		u.mute, u.shadowKnown = event.ActionShadowMute, true
	case meta.Muted == nil:
	case *meta.Muted:
		u.mute, u.shadowKnown = event.ActionMute, true
	case meta.Shadow != nil:
		u.mute, u.shadowKnown = "", true
	case u.mute == event.ActionMute:
		u.mute = ""
	}
	return u
}

// muteChanged records another mute than before. Where a line will say by whom, it waits
// for that. A mute that may be an old one, and only now became visible, is none.
func (s *State) muteChanged(f *fold, u, before user) {
	action := cmp.Or(u.mute, event.ActionUnmute)
	switch {
	case u.mute == before.mute || s.arrived(f, u.name):
	case u.mute == event.ActionShadowMute && !before.shadowKnown:
		f.revealed = true
	case !s.joining && s.rank >= s.muteRank:
		s.mutedBySomebody(f, u.name)
		s.muting = append(s.muting, mutePending{u.name, action, f.at})
	default:
		s.mutedBySomebody(f, u.name)
		s.moderated(f, action, event.Moderation{User: u.name})
	}
}

// reveal records the users as they are, if the mute of one became visible.
func (s *State) reveal(f *fold) {
	if f.revealed && s.listed {
		f.revealed = false
		s.emitPart(f, view.PartUsers)
	}
}

// absentRank records the new rank of a user who is not here. From rank 3 on the bot
// gets a line about it, which says by whom.
func (s *State) absentRank(f *fold, w wireUser, u user) error {
	s.lists.want(requestRanks)
	if w.ByRank == nil || s.rank >= 3 {
		return nil
	}
	rank, err := json.Marshal(u.rank)
	if err != nil {
		return err
	}
	s.moderated(f, event.ActionRank, event.Moderation{User: u.name, Extra: event.Extra{"rank": rank}})
	return nil
}

// siteReasons are those for which the site, and no moderator, disconnects a client.
var siteReasons = []string{
	"Duplicate login", "Rate limit exceeded", "Channel reloading", "Channel shutting down", "Channel deleted", "Too many connections from your IP address",
}

// kicked records the bot's own kick or ban. The server does not say by whom.
func (s *State) kicked(f *fold) error {
	n, err := read[wireNotice](f.args)
	if err != nil {
		return err
	}
	p := event.Moderation{User: s.self}
	if n.Reason != nil {
		p.Reason = string(*n.Reason)
	}
	if s.joining || s.self == "" || slices.Contains(siteReasons, p.Reason) {
		return nil
	}
	action := event.ActionKick
	if strings.HasPrefix(p.Reason, "You're banned") || strings.HasPrefix(p.Reason, "You are banned") {
		if action = event.ActionBan; s.banSeen {
			return nil // a line said so, and by whom
		}
	}
	s.moderated(f, action, p)
	return nil
}
