package localserver

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// login handles the login event: of a guest when there is no password.
func (c *Session) login(arg json.RawMessage) {
	var data struct {
		Name *string `json:"name"`
		PW   any     `json:"pw"`
	}
	if t := jsType(arg); t != "object" && t != "array" {
		c.fail("Invalid login frame")
		return
	}
	if json.Unmarshal(arg, &data) != nil || data.Name == nil || c.loggedIn() {
		return // ignored without a word, as on the real server
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
		c.Emit("login", object{"success": false, "error": reason})
		return
	}

	before := c.rank()
	c.name, c.siteRank, c.registered = name, rank, pw != ""
	c.remember()
	c.Emit("rank", c.rank())
	if c.channel != nil {
		c.channel.rankChanged(c, before)
	}
	answer := object{"success": true, "name": name}
	if !c.registered {
		c.srv.guests[c.addr] = time.Now()
		answer["guest"] = true
	}
	c.Emit("login", answer)
	if ch := c.channel; ch != nil {
		ch.welcome(c)
		ch.grantRank(c)
		ch.kickIfBanned(c)
	} else if ch := c.waiting; ch != nil {
		ch.grantRank(c)
		c.enterAsModerator(ch)
	} else if ch := c.nameless; ch != nil {
		c.nameless = nil
		ch.join(c)
		ch.finishJoin(c)
	}
	c.srv.notify()
}

// guestRefusal returns why a guest may not have that name, or "".
func (c *Session) guestRefusal(name string) string {
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
	if c.channel != nil && c.channel.User(name) != nil {
		return "That name is already in use on this channel."
	}
	return ""
}

// joinChannel handles the joinChannel event; only the first one counts.
func (c *Session) joinChannel(arg json.RawMessage) {
	if c.askedToJoin {
		return
	}
	c.askedToJoin = true
	var data struct{ Name, PW *string }
	if json.Unmarshal(arg, &data) != nil || data.Name == nil {
		return
	}
	if !validChannel.MatchString(*data.Name) {
		c.fail("Invalid channel name.  Channel names may consist of 1-30 characters in the set a-z, A-Z, 0-9, -, and _")
		c.Kick("Invalid channel name")
		return
	}
	ch := c.srv.channel(*data.Name)
	if c.loggedIn() && ch.nameBanned(c.name) || ch.addressBanned(c.ip) {
		c.Kick("You are banned from this channel.")
		return
	}
	if ch.options.BlockAnonymousUsers && !c.loggedIn() {
		c.nameless = ch
		c.fail("This channel has blocked anonymous users. Please provide a user name to join.")
		return
	}
	if pw := string(ch.options.Password); pw == "" || data.PW != nil && *data.PW == pw {
		ch.join(c)
		ch.finishJoin(c)
		return
	}
	c.waiting = ch
	ch.grantRank(c)
	if !c.enterAsModerator(ch) {
		c.Emit("needPassword", data.PW != nil)
	}
}

// enterAsModerator lets a moderator in without the channel's password.
func (c *Session) enterAsModerator(ch *Channel) bool {
	if c.rank() < 2 {
		return false
	}
	ch.join(c)
	c.Emit("cancelNeedPassword")
	ch.finishJoin(c)
	return true
}

func (c *Session) channelPassword(arg json.RawMessage) {
	ch := c.waiting
	if ch == nil {
		return
	}
	var pw string
	if json.Unmarshal(arg, &pw) != nil || pw != string(ch.options.Password) {
		c.Emit("needPassword", true)
		return
	}
	c.Emit("cancelNeedPassword")
	ch.join(c)
	ch.finishJoin(c)
}

// remember notes the address that a user with a name comes from.
func (c *Session) remember() {
	if c.srv.cfg.Address != nil {
		c.ip = c.srv.cfg.Address(c.name)
	}
	if account, ok := c.srv.accounts[strings.ToLower(c.name)]; ok {
		c.since = account.Since
	}
	name := strings.ToLower(c.name)
	if !slices.Contains(c.srv.seen[name], c.ip) {
		c.srv.seen[name] = append(c.srv.seen[name], c.ip)
	}
}
