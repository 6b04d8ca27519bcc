package localserver

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// command runs the chat command of a line that begins with /name. It returns false for any other line, which is chat.
func (ch *Channel) command(c *Session, m message, name, args string) bool {
	switch name {
	case "me":
		m.Meta["action"] = true
		ch.sayStyled(c, m, args, "action")
	case "sp":
		ch.sayStyled(c, m, args, "spoiler")
	case "say", "rcv", "shout":
		if c.rank() >= 1.5 {
			m.Meta["addClassToNameAndTimestamp"], m.Meta["forceShowName"] = true, true
			ch.sayStyled(c, m, args, "shout")
		}
	case "afk":
		ch.setAFK(c, !c.afk)
	case "clear":
		ch.clearChat(c)
	case "kick":
		ch.kick(c, args)
	case "kickanons":
		ch.kickAnonymous(c)
	case "ban":
		ch.banBy(c, args, false)
	case "ipban", "banip":
		ch.banBy(c, args, true)
	case "mute", "smute":
		ch.muteBy(c, args, name)
	case "unmute", "unsmute":
		ch.unmuteBy(c, args)
	case "rank":
		ch.rankCommand(c, args)
	default:
		return false
	}
	return true
}

func (ch *Channel) sayStyled(c *Session, m message, text, class string) {
	m.Msg, m.Meta["addClass"] = text, class
	ch.say(c, m)
}

func (ch *Channel) clearChat(c *Session) {
	if !ch.may(c, "chatclear") {
		return
	}
	ch.buffer = nil
	ch.broadcast("clearchat", object{"clearedBy": c.name})
	ch.tell(c.name+" cleared chat.", -1)
}

func (ch *Channel) kick(c *Session, args string) {
	if !ch.may(c, "kick") {
		return
	}
	name, reason, _ := strings.Cut(args, " ")
	target := ch.User(name)
	switch {
	case name == "":
		c.fail("No kick target specified.  If you're trying to kick anonymous users, use /kickanons")
	case target == nil:
	case target.rank() >= c.rank():
		c.fail("You do not have permission to kick " + target.name)
	default:
		target.Kick(reason)
		ch.tellModerators(c.name + " kicked " + target.name)
	}
}

func (ch *Channel) kickAnonymous(c *Session) {
	if !ch.may(c, "kick") {
		return
	}
	for _, u := range slices.Clone(ch.users) {
		if !u.loggedIn() {
			u.Kick("anonymous user")
		}
	}
	ch.tellModerators(c.name + " kicked anonymous users")
}

// cloakedAddress is how the server shows an address to moderators.
const cloakedAddress = "wpx.ZtE.i0f.*"

// banBy bans a name, and with address the addresses that it came from; here all users have one and the same, so that only
// the name is kept out.
func (ch *Channel) banBy(c *Session, args string, address bool) {
	name, _, _ := strings.Cut(args, " ")
	lower, least := strings.ToLower(name), ch.permission["ban"]
	switch {
	case name == "":
		c.fail("No ban target specified.")
	case !ch.may(c, "ban"):
		c.fail("You do not have ban permissions on this channel")
	case c.is(name):
		c.fail("You cannot ban yourself")
	case ch.rankOf(name) >= c.rank():
		c.fail("You don't have permission to ban " + lower)
	default:
		if address {
			ch.tell(c.name+" banned "+cloakedAddress+" ("+lower+")", least)
		}
		ch.tell(c.name+" namebanned "+lower, least)
		ch.Ban(name)
	}
}

// Ban keeps a user out of the channel, and kicks the user who is in it.
func (ch *Channel) Ban(name string) {
	ch.banned[strings.ToLower(name)] = true
	if target := ch.User(name); target != nil {
		target.Kick("You're banned!")
	}
}

type unban struct {
	ID   float64 `json:"id"`
	Name string  `json:"name"`
}

// unban handles the unban event. The real server finds the ban by its number.
func (ch *Channel) unban(c *Session, data unban) {
	delete(ch.banned, strings.ToLower(data.Name))
	ch.emitTo(ch.permission["ban"], "banlistRemove", data)
	ch.tell(c.name+" unbanned "+data.Name, ch.permission["ban"])
}

func (ch *Channel) muteBy(c *Session, args, command string) {
	if !ch.may(c, "mute") {
		return
	}
	name, _, _ := strings.Cut(args, " ")
	target := ch.User(name)
	switch {
	case name == "":
		c.fail("/" + command + " requires a target name")
	case target == nil:
		c.fail("/" + command + " target " + strings.ToLower(name) + " not present in channel.")
	case target.rank() >= c.rank():
		c.fail("/" + command + " failed - " + target.name + " has equal or higher rank than you.")
	case command == "smute":
		ch.Mute(target, true)
		ch.tell(c.name+" shadowmuted "+target.name, muteRank)
	default:
		ch.Mute(target, false)
		ch.tell(c.name+" muted "+target.name, muteRank)
	}
}

// Mute mutes a user for as long as the channel lives. Only moderators see a shadow mute.
func (ch *Channel) Mute(target *Session, shadow bool) {
	ch.muted[strings.ToLower(target.name)] = shadow
	target.muted, target.shadowMuted = true, shadow
	minRank := -1.0
	if shadow {
		minRank = muteRank
	}
	ch.sendMeta(target, minRank)
}

func (ch *Channel) unmuteBy(c *Session, args string) {
	if !ch.may(c, "mute") {
		return
	}
	name, _, _ := strings.Cut(strings.ToLower(args), " ")
	_, muted := ch.muted[name]
	switch {
	case name == "":
		c.fail("/unmute requires a target name")
	case c.is(name):
		c.fail("You are not allowed to unmute yourself")
	case !muted:
		c.fail(name + " is not muted.")
	default:
		ch.tell(c.name+" unmuted "+name, muteRank)
		ch.Unmute(name)
	}
}

// Unmute ends a mute.
func (ch *Channel) Unmute(name string) {
	delete(ch.muted, strings.ToLower(name))
	if target := ch.User(name); target != nil {
		target.muted, target.shadowMuted = false, false
		ch.sendMeta(target, -1)
	}
}

func (ch *Channel) rankCommand(c *Session, args string) {
	words := strings.Fields(args)
	rank := 0.0
	if len(words) >= 2 {
		rank, _ = strconv.ParseFloat(words[1], 64)
	}
	if rank == 0 {
		c.Emit("noflood", object{"action": "/rank",
			"msg": "Syntax: /rank <username> <rank>.  <rank> must be a positive integer > 1"})
		return
	}
	ch.setChannelRank(c, rankChange{words[0], rank})
}

type rankChange struct {
	Name string
	Rank float64
}

// setChannelRank handles the setChannelRank event.
func (ch *Channel) setChannelRank(c *Session, data rankChange) {
	const failed = "Updating user rank failed: "
	fail := func(text string) { c.Emit("channelRankFail", object{"msg": text}) }
	name, rank, mine := data.Name, data.Rank, c.rank()
	tooHigh := func(r float64) bool { return r >= mine && (mine != 4 || r != 4) }
	switch {
	case mine < 3:
	case !validUser.MatchString(name):
		fail("Invalid target name " + name)
	case rank < 1 || tooHigh(rank):
		fail(failed + "You can't promote someone to a rank equal or higher than yourself, or demote them to below rank 1.")
	case c.is(name):
		fail(failed + "You can't promote or demote yourself.")
	case !ch.registered:
		fail(failed + "in an unregistered channel, a user must be online in the channel in order to have their rank changed.")
	case tooHigh(ch.rankOf(name)):
		fail(failed + "You can't promote or demote someone who has equal or higher rank than yourself")
	default:
		ch.setRank(name, rank)
		if target := ch.User(name); target == nil {
			ch.broadcast("setUserRank", object{"name": name, "rank": rank, "userrank": mine})
			ch.tell(fmt.Sprintf("%s set %s's rank to %g", c.name, name, rank), 3)
		} else if !target.registered {
			fail("The user you promoted is not a registered account.  Any rank changes are temporary and not stored in the database.")
		}
	}
}

// setRank changes a user's rank in the channel, now and for the future; a guest's is forgotten when it leaves.
func (ch *Channel) setRank(name string, rank float64) {
	target := ch.User(name)
	if target == nil || target.registered {
		ch.ranks[strings.ToLower(name)] = rank
	}
	if target == nil {
		return
	}
	before := target.rank()
	target.channelRank = rank
	ch.rankChanged(target, before)
	target.Emit("rank", target.rank())
	ch.broadcast("setUserRank", object{"name": target.name, "rank": target.rank()})
	ch.srv.notify()
}

// rankOf returns the rank of a user who may be absent.
func (ch *Channel) rankOf(name string) float64 {
	if u := ch.User(name); u != nil {
		return u.rank()
	}
	return max(ch.ranks[strings.ToLower(name)], ch.srv.accounts[strings.ToLower(name)].Rank)
}
