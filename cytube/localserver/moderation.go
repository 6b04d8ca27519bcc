package localserver

import (
	"slices"
	"strings"
)

func (ch *Channel) kick(c *Session, args string) {
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
	for _, u := range slices.Clone(ch.users) {
		if !u.loggedIn() {
			u.Kick("anonymous user")
		}
	}
	ch.tellModerators(c.name + " kicked anonymous users")
}

func (ch *Channel) muteBy(c *Session, args string, shadow bool) {
	command, done := "/mute", " muted "
	if shadow {
		command, done = "/smute", " shadowmuted "
	}
	name, _, _ := strings.Cut(args, " ")
	target := ch.User(name)
	switch {
	case name == "":
		c.fail(command + " requires a target name")
	case target == nil:
		c.fail(command + " target " + strings.ToLower(name) + " not present in channel.")
	case target.rank() >= c.rank():
		c.fail(command + " failed - " + target.name + " has equal or higher rank than you.")
	default:
		ch.Mute(target, shadow)
		ch.tell(c.name+done+target.name, muteRank)
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

func (ch *Channel) clearChat(c *Session) {
	ch.buffer = nil
	ch.broadcast("clearchat", object{"clearedBy": c.name})
	ch.tell(c.name+" cleared chat.", -1)
}
