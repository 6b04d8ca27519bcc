package ability

import (
	"regexp"
	"strings"

	"github.com/rosey-bot/rosey/cytube/channel"
	"github.com/rosey-bot/rosey/event"
)

// line is the frame of a command in a chat line. A line break would end it.
func line(words ...string) []Frame {
	text := strings.Join(strings.Fields(strings.Join(words, " ")), " ")
	return []Frame{{"chatMsg", []any{map[string]any{"msg": text, "meta": struct{}{}}}}}
}

var userName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,20}$`)

// below refuses a user whose rank is not below the bot's, as far as it is known.
func (c *Call) below(name string) *Outcome {
	u, here := c.State.User(name)
	switch {
	case !userName.MatchString(name):
		return refuse(event.InvalidInput, "%.40q cannot be a user's name", name)
	case c.byBot(name):
		return refuse(event.InvalidInput, "%s is the bot itself", name)
	case here && u.Rank >= c.State.Rank():
		return refuse(event.PermissionDenied, "%s has rank %v, and the bot %v", u.Name, u.Rank, c.State.Rank())
	}
	return nil
}

// moderated reports whether an event is a moderator's action against a user.
func moderated(e event.Envelope, user string, actions ...string) bool {
	for _, action := range actions {
		if m, ok := as[event.Moderation](e, event.ModerationSubject(action)); ok && channel.SameName(m.User, user) {
			return true
		}
	}
	return false
}

// left reports whether an event says that a user left.
func leaves(e event.Envelope, user string) bool {
	l, ok := as[event.UserLeave](e, event.SubjectUserLeave)
	return ok && channel.SameName(l.User, user)
}

var kick = rule[event.SendModeration]{
	options: options{chat: true, needs: []string{"kick"}},
	check: func(c *Call, p event.SendModeration) *Outcome {
		return first(c.below(p.User), c.here(p.User))
	},
	so:     func(c *Call, p event.SendModeration) bool { return c.Past != nil && c.here(p.User) != nil },
	frames: func(c *Call, p event.SendModeration) []Frame { return line("/kick", c.spelled(p.User), p.Reason) },
	seen: func(c *Call, p event.SendModeration, e channel.Event) bool {
		// The server says only from rank 2 on that it was the bot.
		return moderated(e.Envelope, p.User, event.ActionKick) || c.State.Rank() < 2 && leaves(e.Envelope, p.User)
	},
	shown: func(_ *Call, p event.SendModeration, f channel.Frame) bool {
		var u struct{ Name string }
		return f.Name == "userLeave" && f.Decode(&u) == nil && channel.SameName(u.Name, p.User)
	},
	since: func(c *Call, p event.SendModeration) *Outcome {
		return c.Past.last(func(e event.Envelope) bool {
			return moderated(e, p.User, event.ActionKick) || leaves(e, p.User)
		})
	},
}

// A ban as the server lists it: one of a name has the address "*".
type wireBan struct {
	ID   int
	IP   string
	Name string
}

var bansQuestion = options{question: &Frame{Name: "requestBanlist"}, needed: "ban", reply: "banlist", needs: []string{"ban"}}

// bans returns the bans of a name, from the answer to the question.
func (c *Call) bans(name string) (found []wireBan) {
	var all []wireBan
	if c.answer == nil || c.answer.Decode(&all) != nil {
		return nil
	}
	for _, b := range all {
		if channel.SameName(b.Name, name) {
			found = append(found, b)
		}
	}
	return found
}

var ban = rule[event.SendModeration]{
	options: options{chat: true, question: bansQuestion.question, needed: "ban", reply: bansQuestion.reply, needs: bansQuestion.needs},
	check:   func(c *Call, p event.SendModeration) *Outcome { return c.below(p.User) },
	so: func(c *Call, p event.SendModeration) bool {
		for _, b := range c.bans(p.User) {
			if b.IP == "*" {
				return true
			}
		}
		return false
	},
	frames: func(_ *Call, p event.SendModeration) []Frame { return line("/ban", p.User, p.Reason) },
	seen: func(_ *Call, p event.SendModeration, e channel.Event) bool {
		return moderated(e.Envelope, p.User, event.ActionBan)
	},
}

// banAddress bans the addresses of a user that the bot may ban, and the name if it is not
// banned with one of them. The server tells what it refuses of that before it does the rest.
var banAddress = rule[event.SendBanAddress]{
	options: options{chat: true, slow: true, inPart: true, needs: []string{"ban"}},
	check:   func(c *Call, p event.SendBanAddress) *Outcome { return c.below(p.User) },
	frames:  func(_ *Call, p event.SendBanAddress) []Frame { return line("/ipban", p.User, p.Range, p.Reason) },
	seen: func(_ *Call, p event.SendBanAddress, e channel.Event) bool {
		return moderated(e.Envelope, p.User, event.ActionBan)
	},
	shown: func(_ *Call, p event.SendBanAddress, f channel.Frame) bool {
		var l struct{ Msg string }
		return f.Name == "chatMsg" && f.Decode(&l) == nil && strings.Contains(strings.ToLower(l.Msg), "namebanned "+strings.ToLower(p.User))
	},
	since: func(c *Call, p event.SendBanAddress) *Outcome {
		return c.Past.last(func(e event.Envelope) bool { return moderated(e, p.User, event.ActionBan) })
	},
}

var unban = rule[event.SendModeration]{
	options: bansQuestion,
	so:      func(c *Call, p event.SendModeration) bool { return c.State.May("ban") && len(c.bans(p.User)) == 0 },
	frames: func(c *Call, p event.SendModeration) (frames []Frame) {
		for _, b := range c.bans(p.User) {
			frames = append(frames, Frame{"unban", []any{map[string]any{"id": b.ID, "name": b.Name}}})
		}
		return frames
	},
	seen: func(_ *Call, p event.SendModeration, e channel.Event) bool {
		return moderated(e.Envelope, p.User, event.ActionUnban)
	},
	shown: func(_ *Call, p event.SendModeration, f channel.Frame) bool {
		var b wireBan
		return f.Name == "banlistRemove" && f.Decode(&b) == nil && channel.SameName(b.Name, p.User)
	},
}

// mutes makes the rule of a kind of mute.
func mutes(command, action string) rule[event.SendModeration] {
	return rule[event.SendModeration]{
		options: options{chat: true, needs: []string{"mute"}},
		check: func(c *Call, p event.SendModeration) *Outcome {
			return first(c.below(p.User), c.here(p.User))
		},
		so: func(c *Call, p event.SendModeration) bool {
			u, here := c.State.User(p.User)
			return here && u.Mute == action
		},
		frames: func(_ *Call, p event.SendModeration) []Frame { return line(command, p.User) },
		seen: func(_ *Call, p event.SendModeration, e channel.Event) bool {
			return moderated(e.Envelope, p.User, action)
		},
	}
}

var unmute = rule[event.SendModeration]{
	options: options{chat: true, needs: []string{"mute"}},
	check: func(_ *Call, p event.SendModeration) *Outcome {
		if !userName.MatchString(p.User) {
			return refuse(event.InvalidInput, "%.40q cannot be a user's name", p.User)
		}
		return nil
	},
	so: func(c *Call, p event.SendModeration) bool {
		u, here := c.State.User(p.User)
		return here && u.Mute == "" && c.State.May("mute")
	},
	frames: func(_ *Call, p event.SendModeration) []Frame { return line("/unmute", p.User) },
	seen: func(_ *Call, p event.SendModeration, e channel.Event) bool {
		return moderated(e.Envelope, p.User, event.ActionUnmute)
	},
	since: func(c *Call, p event.SendModeration) *Outcome {
		return c.Past.last(func(e event.Envelope) bool { return moderated(e, p.User, event.ActionUnmute) })
	},
}

var rank = rule[event.SendRank]{
	options: options{least: 3},
	check: func(c *Call, p event.SendRank) *Outcome {
		if p.Rank < 1 {
			return refuse(event.InvalidInput, "the lowest rank that can be given is 1")
		}
		if o := c.below(p.User); o != nil || p.Rank < c.State.Rank() {
			return o
		}
		return refuse(event.PermissionDenied, "rank %v is not below the bot's, which is %v", p.Rank, c.State.Rank())
	},
	so: func(c *Call, p event.SendRank) bool {
		u, here := c.State.User(p.User)
		return here && u.Rank == p.Rank
	},
	frames: func(c *Call, p event.SendRank) []Frame {
		return []Frame{{"setChannelRank", []any{map[string]any{"name": c.spelled(p.User), "rank": p.Rank}}}}
	},
	seen: func(_ *Call, p event.SendRank, e channel.Event) bool {
		r, ok := as[event.UserRank](e.Envelope, event.SubjectUserRank)
		return ok && channel.SameName(r.User, p.User) || moderated(e.Envelope, p.User, event.ActionRank)
	},
	shown: func(_ *Call, p event.SendRank, f channel.Frame) bool {
		var u struct {
			Name string
			Rank float64
		}
		return f.Name == "setUserRank" && f.Decode(&u) == nil && channel.SameName(u.Name, p.User) && u.Rank == p.Rank
	},
	since: func(c *Call, p event.SendRank) *Outcome {
		return c.Past.last(func(e event.Envelope) bool { return moderated(e, p.User, event.ActionRank) })
	},
}

func cleared(e event.Envelope) bool { return e.Subject == event.ModerationSubject(event.ActionClear) }

var clearChat = rule[event.SendBare]{
	options: options{chat: true, needs: []string{"chatclear"}},
	frames:  func(*Call, event.SendBare) []Frame { return line("/clear") },
	seen:    func(_ *Call, _ event.SendBare, e channel.Event) bool { return cleared(e.Envelope) },
	since:   func(c *Call, _ event.SendBare) *Outcome { return c.Past.last(cleared) },
}

var afk = rule[event.SendAFK]{
	options: options{chat: true, needs: []string{"chat"}},
	so: func(c *Call, p event.SendAFK) bool {
		u, here := c.State.User(c.State.Self())
		return here && u.AFK == p.AFK
	},
	frames: func(*Call, event.SendAFK) []Frame { return line("/afk") }, // the other of the two
	seen: func(c *Call, p event.SendAFK, e channel.Event) bool {
		a, ok := as[event.UserAFK](e.Envelope, event.SubjectUserAFK)
		return ok && c.byBot(a.User) && a.AFK == p.AFK
	},
}
