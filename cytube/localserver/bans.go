package localserver

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"strings"

	"github.com/rosey-bot/rosey/internal/markup"
)

// ban keeps a name or an address out of a channel.
type ban struct {
	id       int
	ip       string // an address, the beginning of a range with a dot at its end, or * for the name alone
	name     string // in lower case
	reason   string
	bannedBy string
}

func (ch *Channel) nameBanned(name string) bool {
	return slices.ContainsFunc(ch.bans, func(b ban) bool { return b.name == strings.ToLower(name) })
}

func (ch *Channel) addressBanned(ip string) bool {
	return slices.ContainsFunc(ch.bans, func(b ban) bool { return b.covers(ip) })
}

func (b ban) covers(ip string) bool {
	return b.ip == ip || strings.HasSuffix(b.ip, ".") && strings.HasPrefix(ip, b.ip)
}

// banCommand handles /ban NAME reason.
func (ch *Channel) banCommand(c *Session, args string) {
	name, reason, _ := strings.Cut(args, " ")
	if name == "" {
		c.fail("No ban target specified.")
	} else if err := ch.banName(c, name, reason); err != nil {
		c.fail(err.Error())
	}
}

func (ch *Channel) banName(c *Session, name, reason string) error {
	lower := strings.ToLower(name)
	switch {
	case !validUser.MatchString(name):
		return refusal("Invalid username")
	case !ch.may(c, "ban"):
		return refusal("You do not have ban permissions on this channel")
	case c.is(name):
		c.Emit("costanza", object{"msg": "You can't ban yourself"})
		return refusal("You cannot ban yourself")
	case ch.rankOf(name) >= c.rank():
		return refusal("You don't have permission to ban " + lower)
	case ch.nameBanned(name):
		return refusal(lower + " is already banned")
	}
	ch.addBan("*", name, reason, c.name)
	ch.tell(c.name+" namebanned "+lower, ch.permission["ban"])
	ch.kickBanned(name, "")
	return nil
}

// banAddressCommand handles /ipban NAME [range|wrange] reason: it bans every address that the name was seen from, and the
// name itself when that bans none. An address that somebody of the same rank has used is refused, of which the first is
// told, and the rest is banned all the same.
func (ch *Channel) banAddressCommand(c *Session, args string) {
	name, reason, _ := strings.Cut(args, " ")
	if name == "" {
		c.fail("No ban target specified.")
		return
	}
	if !ch.may(c, "ban") {
		c.fail("You do not have ban permissions on this channel")
		return
	}
	if c.is(name) {
		c.fail(ch.banName(c, name, reason).Error())
		return
	}
	octets := 4
	if kind, rest, _ := strings.Cut(reason, " "); kind == "range" || kind == "wrange" {
		reason, octets = rest, map[string]int{"range": 3, "wrange": 2}[kind]
	}
	var ranges []string
	for _, ip := range ch.srv.seen[strings.ToLower(name)] {
		if r := addressRange(ip, octets); !slices.Contains(ranges, r) {
			ranges = append(ranges, r)
		}
	}
	var refused error // only the first is sent
	for _, ip := range ranges {
		refused = cmp.Or(refused, ch.banAddress(c, ip, name, reason))
	}
	if refused != nil {
		c.fail(refused.Error())
	}
	if ch.nameBanned(name) {
		return
	}
	if err := ch.banName(c, name, reason); err != nil && refused == nil {
		c.fail(err.Error())
	}
}

func (ch *Channel) banAddress(c *Session, ip, name, reason string) error {
	switch {
	case ch.rankOfAddress(ip) >= c.rank():
		return refusal("You don't have permission to ban IP " + cloak(ip))
	case slices.ContainsFunc(ch.bans, func(b ban) bool { return b.covers(ip) }):
		return refusal(cloak(ip) + " is already banned")
	}
	ch.addBan(ip, name, reason, c.name)
	ch.tell(c.name+" banned "+cloak(ip)+" ("+strings.ToLower(name)+")", ch.permission["ban"])
	ch.kickBanned(name, ip)
	return nil
}

func (ch *Channel) addBan(ip, name, reason, by string) {
	ch.lastBan++
	ch.bans = append(ch.bans, ban{ch.lastBan, ip, strings.ToLower(name), cut(reason, 255), by})
}

func (ch *Channel) kickBanned(name, ip string) {
	for _, u := range slices.Clone(ch.users) {
		if u.is(name) || ip != "" && (ban{ip: ip}).covers(u.ip) {
			u.Kick("You're banned!")
		}
	}
}

// Ban keeps a user out of the channel, and kicks the user who is in it.
func (ch *Channel) Ban(name string) {
	ch.addBan("*", name, "", "")
	ch.kickBanned(name, "")
}

// Unban ends the bans of a name.
func (ch *Channel) Unban(name string) {
	ch.bans = slices.DeleteFunc(ch.bans, func(b ban) bool { return b.name == strings.ToLower(name) })
}

type unban struct {
	ID   float64 `json:"id"`
	Name string  `json:"name"`
}

// unban ends the ban of that number, and tells so, with the client's name for it, also when there is none.
func (ch *Channel) unban(c *Session, data unban) {
	ch.bans = slices.DeleteFunc(ch.bans, func(b ban) bool { return float64(b.id) == data.ID })
	ch.broadcastTo("ban", "banlistRemove", data)
	ch.tell(c.name+" unbanned "+markup.Escape(data.Name), ch.permission["ban"])
}

func (ch *Channel) sendBanlist(c *Session) {
	list := []any{}
	for _, b := range ch.bans {
		ip := b.ip
		if ip != "*" {
			ip = cloak(ip)
		}
		list = append(list, object{"id": b.id, "ip": ip, "name": b.name, "reason": b.reason, "bannedby": b.bannedBy})
	}
	c.Emit("banlist", list)
}

// addressRange returns the first octets of an address, as a range when they are not all.
func addressRange(ip string, octets int) string {
	parts := strings.Split(ip, ".")
	if len(parts) != 4 || octets == 4 {
		return ip
	}
	return strings.Join(parts[:octets], ".") + "."
}

// cloak is how moderators see an address or a range: each part is a hash of the address so far.
func cloak(ip string) string {
	var out []string
	parts := strings.Split(strings.TrimSuffix(ip, "."), ".")
	for i := range parts {
		sum := sha256.Sum256([]byte(strings.Join(parts[:i+1], ".")))
		out = append(out, base64.StdEncoding.EncodeToString(sum[:])[:3])
	}
	if strings.HasSuffix(ip, ".") {
		out = append(out, "*")
	}
	return strings.Join(out, ".")
}
