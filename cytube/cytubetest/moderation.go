package cytubetest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// command finds what a chat line that begins with /name does. Any other line
// with a slash is chat.
func (ch *room) command(name string) (run func(c *session, m message, args string), ok bool) {
	run, ok = map[string]func(*session, message, string){
		"me":        ch.cmdMe,
		"sp":        ch.cmdSpoiler,
		"say":       ch.cmdShout,
		"rcv":       ch.cmdShout,
		"shout":     ch.cmdShout,
		"afk":       ch.cmdAFK,
		"clear":     ch.cmdClear,
		"kick":      ch.cmdKick,
		"kickanons": ch.cmdKickAnonymous,
		"ban":       ch.cmdBan,
		"ipban":     ch.cmdAddressBan,
		"banip":     ch.cmdAddressBan,
		"mute":      ch.cmdMute,
		"smute":     ch.cmdShadowMute,
		"unmute":    ch.cmdUnmute,
		"unsmute":   ch.cmdUnmute,
		"rank":      ch.cmdRank,
	}[name]
	return run, ok
}

func (ch *room) cmdMe(c *session, m message, args string) {
	m.Msg, m.Meta["addClass"], m.Meta["action"] = args, "action", true
	ch.say(c, m)
}

func (ch *room) cmdSpoiler(c *session, m message, args string) {
	m.Msg, m.Meta["addClass"] = args, "spoiler"
	ch.say(c, m)
}

func (ch *room) cmdShout(c *session, m message, args string) {
	if c.rank() < 1.5 {
		return
	}
	m.Msg, m.Meta["addClass"] = args, "shout"
	m.Meta["addClassToNameAndTimestamp"], m.Meta["forceShowName"] = true, true
	ch.say(c, m)
}

func (ch *room) cmdAFK(c *session, _ message, _ string) { ch.setAFK(c, !c.afk) }

func (ch *room) cmdClear(c *session, _ message, _ string) {
	if !ch.may(c, "chatclear") {
		return
	}
	ch.buffer = nil
	ch.broadcast("clearchat", map[string]any{"clearedBy": c.name})
	ch.tell(c.name+" cleared chat.", -1)
}

func (ch *room) cmdKick(c *session, _ message, args string) {
	if !ch.may(c, "kick") {
		return
	}
	name, reason, _ := strings.Cut(args, " ")
	if name == "" {
		c.fail("No kick target specified.  If you're trying to kick anonymous users, use /kickanons")
		return
	}
	target := ch.user(name)
	switch {
	case target == nil:
	case target.rank() >= c.rank():
		c.fail("You do not have permission to kick " + target.name)
	default:
		target.kick(reason)
		ch.tellModerators(c.name + " kicked " + target.name)
	}
}

func (ch *room) cmdKickAnonymous(c *session, _ message, _ string) {
	if !ch.may(c, "kick") {
		return
	}
	for _, u := range slices.Clone(ch.users) {
		if !u.loggedIn() {
			u.kick("anonymous user")
		}
	}
	ch.tellModerators(c.name + " kicked anonymous users")
}

func (ch *room) cmdBan(c *session, _ message, args string) { ch.banBy(c, args, false) }

// cmdAddressBan bans a name and the addresses that it came from; here all users
// have one and the same, so that only the name is kept out.
func (ch *room) cmdAddressBan(c *session, _ message, args string) { ch.banBy(c, args, true) }

func (ch *room) banBy(c *session, args string, address bool) {
	name, _, _ := strings.Cut(args, " ")
	switch {
	case name == "":
		c.fail("No ban target specified.")
	case !ch.may(c, "ban"):
		c.fail("You do not have ban permissions on this channel")
	case strings.EqualFold(name, c.name):
		c.fail("You cannot ban yourself")
	case ch.srv.rankByName(ch, name) >= c.rank():
		c.fail("You don't have permission to ban " + strings.ToLower(name))
	default:
		if address {
			ch.tell(c.name+" banned "+cloakedAddress+" ("+strings.ToLower(name)+")", ch.permission["ban"])
		}
		ch.tell(c.name+" namebanned "+strings.ToLower(name), ch.permission["ban"])
		ch.ban(name)
	}
}

// cloakedAddress is how the server shows an address to moderators.
const cloakedAddress = "wpx.ZtE.i0f.*"

// unban answers the unban event. The real server finds the ban by its number.
func (ch *room) unban(c *session, arg json.RawMessage) {
	var data struct {
		ID   float64 `json:"id"`
		Name string  `json:"name"`
	}
	if !ch.may(c, "ban") || json.Unmarshal(arg, &data) != nil {
		return
	}
	delete(ch.banned, strings.ToLower(data.Name))
	for _, u := range ch.users {
		if ch.may(u, "ban") {
			u.emit("banlistRemove", data)
		}
	}
	ch.tell(c.name+" unbanned "+data.Name, ch.permission["ban"])
}

func (ch *room) ban(name string) {
	ch.banned[strings.ToLower(name)] = true
	if target := ch.user(name); target != nil {
		target.kick("You're banned!")
	}
}

func (ch *room) cmdMute(c *session, _ message, args string) { ch.muteBy(c, args, "/mute", false) }

func (ch *room) cmdShadowMute(c *session, _ message, args string) {
	ch.muteBy(c, args, "/smute", true)
}

func (ch *room) muteBy(c *session, args, command string, shadow bool) {
	if !ch.may(c, "mute") {
		return
	}
	name, _, _ := strings.Cut(args, " ")
	target := ch.user(name)
	switch {
	case name == "":
		c.fail(command + " requires a target name")
	case target == nil:
		c.fail(command + " target " + strings.ToLower(name) + " not present in channel.")
	case target.rank() >= c.rank():
		c.fail(command + " failed - " + target.name + " has equal or higher rank than you.")
	default:
		ch.mute(target, shadow)
		verb := map[bool]string{false: " muted ", true: " shadowmuted "}[shadow]
		ch.tell(c.name+verb+target.name, muteRank)
	}
}

// mute mutes a user for as long as the channel lives. A shadow mute shows itself
// to moderators only.
func (ch *room) mute(target *session, shadow bool) {
	ch.muted[strings.ToLower(target.name)] = shadow
	target.muted, target.shadowMuted = true, shadow
	minRank := -1.0
	if shadow {
		minRank = muteRank
	}
	ch.sendMeta(target, minRank)
}

func (ch *room) cmdUnmute(c *session, _ message, args string) {
	if !ch.may(c, "mute") {
		return
	}
	name, _, _ := strings.Cut(strings.ToLower(args), " ")
	_, muted := ch.muted[name]
	switch {
	case name == "":
		c.fail("/unmute requires a target name")
	case strings.EqualFold(name, c.name):
		c.fail("You are not allowed to unmute yourself")
	case !muted:
		c.fail(name + " is not muted.")
	default:
		ch.tell(c.name+" unmuted "+name, muteRank)
		ch.unmute(name)
	}
}

func (ch *room) unmute(name string) {
	delete(ch.muted, strings.ToLower(name))
	if target := ch.user(name); target != nil {
		target.muted, target.shadowMuted = false, false
		ch.sendMeta(target, -1)
	}
}

func (ch *room) cmdRank(c *session, _ message, args string) {
	words := strings.Fields(args)
	rank := 0.0
	if len(words) >= 2 {
		rank, _ = strconv.ParseFloat(words[1], 64)
	}
	if rank == 0 {
		c.emit("noflood", map[string]any{"action": "/rank",
			"msg": "Syntax: /rank <username> <rank>.  <rank> must be a positive integer > 1"})
		return
	}
	ch.changeRank(c, words[0], rank)
}

// setChannelRank answers the setChannelRank event.
func (ch *room) setChannelRank(c *session, arg json.RawMessage) {
	var data struct {
		Name string  `json:"name"`
		Rank float64 `json:"rank"`
	}
	if json.Unmarshal(arg, &data) == nil {
		ch.changeRank(c, data.Name, data.Rank)
	}
}

func (ch *room) changeRank(c *session, name string, rank float64) {
	const failed = "Updating user rank failed: "
	fail := func(text string) { c.emit("channelRankFail", map[string]any{"msg": text}) }
	mine := c.rank()
	tooHigh := func(r float64) bool { return r >= mine && (mine != 4 || r != 4) }
	switch {
	case mine < 3:
	case !validUser.MatchString(name):
		fail("Invalid target name " + name)
	case rank < 1 || tooHigh(rank):
		fail(failed + "You can't promote someone to a rank equal or higher than yourself, or demote them to below rank 1.")
	case strings.EqualFold(name, c.name):
		fail(failed + "You can't promote or demote yourself.")
	case !ch.registered:
		fail(failed + "in an unregistered channel, a user must be online in the channel in order to have their rank changed.")
	case tooHigh(ch.srv.rankByName(ch, name)):
		fail(failed + "You can't promote or demote someone who has equal or higher rank than yourself")
	default:
		ch.changeRankOf(name, rank)
		if target := ch.user(name); target == nil {
			ch.broadcast("setUserRank", map[string]any{"name": name, "rank": rank, "userrank": mine})
			ch.tell(fmt.Sprintf("%s set %s's rank to %g", c.name, name, rank), 3)
		} else if !target.registered {
			fail("The user you promoted is not a registered account.  Any rank changes are temporary and not stored in the database.")
		}
	}
}

// changeRankOf changes a user's rank in the channel, now and for the future; a
// guest's is forgotten when it leaves.
func (ch *room) changeRankOf(name string, rank float64) {
	target := ch.user(name)
	if target == nil || target.registered {
		ch.ranks[strings.ToLower(name)] = rank
	}
	if target == nil {
		return
	}
	before := target.rank()
	target.channelRank = rank
	ch.rankChanged(target, before)
	target.emit("rank", target.rank())
	ch.broadcast("setUserRank", map[string]any{"name": target.name, "rank": target.rank()})
	ch.srv.notify()
}

// rankByName is the rank of a user who may be absent.
func (s *Server) rankByName(ch *room, name string) float64 {
	if u := ch.user(name); u != nil {
		return u.rank()
	}
	return max(ch.ranks[strings.ToLower(name)], s.accounts[strings.ToLower(name)].Rank)
}
