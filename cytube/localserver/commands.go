package localserver

import (
	"regexp"
	"strconv"
	"strings"
)

// commands are the chat commands but those that say something: what follows the slash, with the permission that each needs.
// Without it they are swallowed.
var commands = map[string]struct {
	permission string
	act        func(*Channel, *Session, string)
}{
	"afk":   {"", func(ch *Channel, c *Session, _ string) { ch.setAFK(c, !c.afk) }},
	"a":     {"", func(*Channel, *Session, string) {}}, // what the site's admins say
	"clear": {"chatclear", func(ch *Channel, c *Session, _ string) { ch.clearChat(c) }},

	"kick":      {"kick", (*Channel).kick},
	"kickanons": {"kick", func(ch *Channel, c *Session, _ string) { ch.kickAnonymous(c) }},
	"ban":       {"", (*Channel).banCommand},
	"ipban":     {"", (*Channel).banAddressCommand},
	"banip":     {"", (*Channel).banAddressCommand},
	"mute":      {"mute", func(ch *Channel, c *Session, args string) { ch.muteBy(c, args, false) }},
	"smute":     {"mute", func(ch *Channel, c *Session, args string) { ch.muteBy(c, args, true) }},
	"unmute":    {"mute", (*Channel).unmuteBy},
	"unsmute":   {"mute", (*Channel).unmuteBy},
	"rank":      {"", (*Channel).rankCommand},

	"clean": {"playlistdelete", func(ch *Channel, c *Session, pattern string) {
		ch.removeMatching(c, "/clean", pattern, func(i *item) string { return i.by })
	}},
	"cleantitle": {"playlistdelete", func(ch *Channel, c *Session, pattern string) {
		ch.removeMatching(c, "/cleantitle", pattern, func(i *item) string { return i.media.Title })
	}},
}

// command runs the chat command of a line that begins with /name. It returns false for any other line, which is chat.
func (ch *Channel) command(c *Session, m message, line string) bool {
	name, args, _ := strings.Cut(line, " ")
	switch name {
	case "me":
		m.Meta["action"] = true
		ch.sayStyled(c, m, args, "action")
		return true
	case "sp":
		ch.sayStyled(c, m, args, "spoiler")
		return true
	case "say", "rcv", "shout":
		if c.rank() >= 1.5 {
			m.Meta["addClassToNameAndTimestamp"], m.Meta["forceShowName"] = true, true
			ch.sayStyled(c, m, args, "shout")
		}
		return true
	case "poll", "hpoll":
		ch.pollCommand(c, strings.TrimPrefix(line, name), name == "hpoll")
		return true
	}
	command, ok := commands[name]
	if ok && (command.permission == "" || ch.may(c, command.permission)) {
		command.act(ch, c, args)
	}
	return ok
}

func (ch *Channel) sayStyled(c *Session, m message, text, class string) {
	m.Msg, m.Meta["addClass"] = text, class
	ch.say(c, m)
}

var drinks = regexp.MustCompile(`^/d(-?[0-9]*)`)

// drink counts the drinks of a line that begins with /d, from those who may, and changes the line. It returns false when
// there is no line to say.
func (ch *Channel) drink(c *Session, m *message) bool {
	match := drinks.FindStringSubmatch(m.Msg)
	if match == nil || !ch.may(c, "drink") {
		return true
	}
	text, count := strings.TrimPrefix(m.Msg, "/d"), 1
	if n, err := strconv.Atoi(match[1]); err == nil {
		if n < -10_000 || n > 10_000 {
			return false
		}
		count, text = n, strings.TrimSpace(strings.TrimPrefix(text, match[1]))
		if text == "" && n <= 0 {
			ch.countDrinks(n)
			return false
		}
		m.Msg = text + " drink! (x" + strconv.Itoa(n) + ")"
	} else {
		m.Msg = strings.TrimSpace(text) + " drink!"
	}
	ch.countDrinks(count)
	m.Meta["addClass"], m.Meta["forceShowName"] = "drink", true
	return true
}

func (ch *Channel) countDrinks(n int) {
	ch.drinks += n
	ch.broadcast("drinkCount", ch.drinks)
}
