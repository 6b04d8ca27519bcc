package cytubetest

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// login answers the login event: a guest when there is no password.
func (c *session) login(arg json.RawMessage) {
	var data struct {
		Name *string `json:"name"`
		PW   any     `json:"pw"`
	}
	if t := jsType(arg); t != "object" && t != "array" {
		c.fail("Invalid login frame")
		return
	}
	if json.Unmarshal(arg, &data) != nil || data.Name == nil || c.loggedIn() {
		return // ignored without a word, as the real server does
	}
	pw, _ := data.PW.(string)
	name, rank, reason := *data.Name, 0.0, ""
	if pw == "" {
		reason = c.guestRefusal(name)
	} else if account, ok := c.srv.accounts[strings.ToLower(name)]; !ok {
		reason = "User does not exist"
	} else if account.Password != pw {
		reason = "Invalid username/password combination"
	} else {
		name, rank = account.Name, account.Rank
	}
	if reason != "" {
		c.emit("login", map[string]any{"success": false, "error": reason})
		return
	}

	before := c.rank()
	c.name, c.siteRank, c.registered = name, rank, pw != ""
	c.emit("rank", c.rank())
	if c.channel != nil {
		c.channel.rankChanged(c, before)
	}
	answer := map[string]any{"success": true, "name": name}
	if !c.registered {
		c.srv.guests[c.addr] = time.Now()
		answer["guest"] = true
	}
	c.emit("login", answer)
	if ch := c.channel; ch != nil {
		ch.welcome(c)
		ch.grantRank(c)
	} else if ch := c.waiting; ch != nil {
		ch.grantRank(c)
		if c.rank() >= 2 {
			c.waiting = nil
			ch.accept(c)
			c.emit("cancelNeedPassword")
			ch.settle(c)
		}
	}
	c.srv.notify()
}

// guestRefusal tells why a guest may not have that name; empty when it may.
func (c *session) guestRefusal(name string) string {
	delay := c.srv.cfg.GuestDelay
	if last, ok := c.srv.guests[c.addr]; ok && time.Since(last) < delay {
		return fmt.Sprintf("Guest logins are restricted to one per IP address per %g seconds.", delay.Seconds())
	}
	switch {
	case !validUser.MatchString(name):
		return "Invalid username.  Usernames must be 1-20 characters long and consist only of characters a-z, A-Z, 0-9, -, or _."
	case reservedUser.MatchString(name):
		return "That username is reserved."
	}
	if _, taken := c.srv.accounts[strings.ToLower(name)]; taken {
		return "That username is registered."
	}
	if c.channel != nil && c.channel.user(name) != nil {
		return "That name is already in use on this channel."
	}
	return ""
}

// joinChannel answers the joinChannel event; only the first one counts.
func (c *session) joinChannel(arg json.RawMessage) {
	if c.askedToJoin {
		return
	}
	c.askedToJoin = true
	var data struct {
		Name *string `json:"name"`
		PW   *string `json:"pw"`
	}
	if json.Unmarshal(arg, &data) != nil || data.Name == nil {
		return
	}
	if !validChannel.MatchString(*data.Name) {
		c.fail("Invalid channel name.  Channel names may consist of 1-30 characters in the set a-z, A-Z, 0-9, -, and _")
		c.kick("Invalid channel name")
		return
	}
	ch := c.srv.channel(*data.Name)
	if c.loggedIn() && ch.banned[strings.ToLower(c.name)] {
		c.kick("You are banned from this channel.")
		return
	}
	if ch.password == "" || data.PW != nil && *data.PW == ch.password {
		ch.accept(c)
		ch.settle(c)
		return
	}
	c.waiting = ch
	ch.grantRank(c)
	if c.rank() < 2 {
		c.emit("needPassword", data.PW != nil)
		return
	}
	c.waiting = nil
	ch.accept(c)
	c.emit("cancelNeedPassword")
	ch.settle(c)
}

// channelPassword answers the channelPassword event.
func (c *session) channelPassword(arg json.RawMessage) {
	ch := c.waiting
	if ch == nil {
		return
	}
	var pw string
	if json.Unmarshal(arg, &pw) != nil || pw != ch.password {
		c.emit("needPassword", true)
		return
	}
	c.waiting = nil
	c.emit("cancelNeedPassword")
	ch.accept(c)
	ch.settle(c)
}
