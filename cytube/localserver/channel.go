package localserver

import (
	"slices"
	"strings"
)

// Channel is the state of one channel. The server's lock guards it; all methods expect it to be held.
type Channel struct {
	srv        *Server
	name       string
	registered bool
	password   string
	ranks      map[string]float64 // by lower-case account name
	flood      Flood
	motd       string
	permission map[string]float64

	audience []*Session // who gets what is broadcast
	users    []*Session // who has joined, in the order of joining

	buffer []object        // the last chat lines, as sent
	muted  map[string]bool // by lower-case name; the value tells whether it is a shadow mute
	banned map[string]bool
	list   playlist
}

func newChannel(s *Server, name string, cfg *ChannelConfig) *Channel {
	ch := &Channel{
		srv: s, name: name,
		ranks: map[string]float64{}, muted: map[string]bool{}, banned: map[string]bool{},
		permission: unregisteredPermissions,
		list:       playlist{open: true},
	}
	if cfg == nil {
		return ch
	}
	ch.registered, ch.permission = true, registeredPermissions
	ch.password, ch.flood, ch.motd, ch.list.open = cfg.Password, cfg.Flood, cfg.MOTD, cfg.Open
	for user, rank := range cfg.Ranks {
		ch.ranks[strings.ToLower(user)] = rank
	}
	return ch
}

// Name returns the channel's name in lower case.
func (ch *Channel) Name() string { return ch.name }

// User returns the client with that name, or nil.
func (ch *Channel) User(name string) *Session {
	if i := slices.IndexFunc(ch.users, func(u *Session) bool { return u.is(name) }); i >= 0 {
		return ch.users[i]
	}
	return nil
}

// Users returns the names of the users, in the order of joining.
func (ch *Channel) Users() (names []string) {
	for _, u := range ch.users {
		if u.loggedIn() {
			names = append(names, u.name)
		}
	}
	return names
}

// join lets a client in and sends it what the real server sends, in its order.
func (ch *Channel) join(c *Session) {
	c.channel, c.waiting = ch, nil
	ch.audience = append(ch.audience, c)
	if c.loggedIn() {
		ch.welcome(c)
		if c.channel != ch {
			return // banned
		}
	}
	ch.users = append(ch.users, c)

	c.Emit("setPermissions", ch.permission)
	c.Emit("setPlaylistLocked", !ch.list.open)
	c.Emit("emoteList", []any{})
	for _, line := range ch.buffer {
		c.Emit("chatMsg", line)
	}
	c.Emit("drinkCount", 0)
	c.Emit("channelCSSJS", noStyle)
	c.Emit("setMotd", ch.motd)
	c.Emit("channelOpts", ch.options())
	ch.sendPlaylist(c)
	ch.sendCurrent(c)
	if c.ranked {
		ch.sendPlaylist(c)
	}
	ch.sendUserlist(c)
	if ch.list.leader != nil {
		c.Emit("setLeader", ch.list.leader.name)
	}
	ch.broadcast("usercount", len(ch.users))
	if !ch.registered {
		c.Emit("channelNotRegistered")
	}
	ch.srv.notify()
}

// finishJoin sends the rest to a client that was logged in when it joined.
func (ch *Channel) finishJoin(c *Session) {
	if c.channel != ch || !c.registered {
		return
	}
	if !c.ranked {
		ch.grantRank(c)
	}
	c.Emit("listPlaylists", []any{})
}

// welcome announces a client that has a name now, and kicks an older connection of the same name.
func (ch *Channel) welcome(c *Session) {
	for _, u := range slices.Clone(ch.users) {
		if u != c && u.is(c.name) {
			u.Kick("Duplicate login")
		}
	}
	for _, u := range ch.users {
		u.Emit("addUser", ch.describe(c, u))
	}
	ch.tellModerators(c.name + " joined (aliases: " + c.name + ")")
	if shadow, muted := ch.muted[strings.ToLower(c.name)]; muted {
		c.muted, c.shadowMuted = true, shadow
		ch.sendMeta(c, muteRank)
	}
	if ch.banned[strings.ToLower(c.name)] {
		c.Kick("You are banned from this channel.")
		ch.tellModerators(c.name + " was kicked (name is banned)")
	}
}

// grantRank gives a registered user its rank in the channel that it is in or waits for. It comes after the join, as on
// the real server, which must ask its database first.
func (ch *Channel) grantRank(c *Session) {
	if !c.registered || c.channel != ch && c.waiting != ch {
		return
	}
	before := c.rank()
	c.channelRank, c.ranked = ch.ranks[strings.ToLower(c.name)], true
	c.Emit("rank", c.rank())
	if c.channel == nil {
		return
	}
	ch.rankChanged(c, before)
	ch.sendPlaylist(c)
	ch.broadcast("setUserRank", object{"name": c.name, "rank": c.rank()})
}

// rankChanged sends the user list again to a client that sees more or less of it now.
func (ch *Channel) rankChanged(c *Session, before float64) {
	for _, least := range []float64{2, 255} {
		if (before >= least) != (c.rank() >= least) {
			ch.sendUserlist(c)
			return
		}
	}
}

// part takes a client out of the channel.
func (ch *Channel) part(c *Session) {
	isC := func(u *Session) bool { return u == c }
	c.channel = nil
	ch.audience = slices.DeleteFunc(ch.audience, isC)
	if c.loggedIn() {
		ch.broadcast("userLeave", object{"name": c.name})
	}
	ch.users = slices.DeleteFunc(ch.users, isC)
	if ch.list.leader == c {
		ch.list.leader = nil
		ch.broadcast("setLeader", "")
	}
	ch.broadcast("usercount", len(ch.users))
	ch.srv.notify()
}

func (ch *Channel) broadcast(name string, args ...any) {
	frame := event(name, args...).Encode()
	for _, u := range ch.audience {
		u.Push(frame)
	}
}

// emitTo sends an event to the users of at least a rank.
func (ch *Channel) emitTo(minRank float64, name string, arg any) {
	for _, u := range ch.users {
		if u.rank() >= minRank {
			u.Emit(name, arg)
		}
	}
}

// describe returns what one user sees of another: moderators see more.
func (ch *Channel) describe(c, viewer *Session) object {
	return object{
		"name": c.name, "rank": c.rank(),
		"profile": object{"image": "", "text": ""},
		"meta":    ch.meta(c, viewer),
	}
}

func (ch *Channel) meta(c, viewer *Session) object {
	if viewer.rank() < 2 {
		return object{"afk": c.afk, "muted": c.muted && !c.shadowMuted}
	}
	return object{
		"afk": c.afk, "muted": c.muted, "smuted": c.shadowMuted,
		"aliases": []string{c.name}, "ip": c.addr,
	}
}

func (ch *Channel) sendMeta(c *Session, minRank float64) {
	for _, u := range ch.users {
		if u.rank() >= minRank {
			u.Emit("setUserMeta", object{"name": c.name, "meta": ch.meta(c, u)})
		}
	}
}

func (ch *Channel) sendUserlist(c *Session) {
	list := []any{}
	for _, u := range ch.users {
		if u.loggedIn() {
			list = append(list, ch.describe(u, c))
		}
	}
	c.Emit("userlist", list)
}

var noStyle = object{
	"css": "", "cssHash": "1B2M2Y8AsgTpgAmY7PhCfg==", "js": "", "jsHash": "1B2M2Y8AsgTpgAmY7PhCfg==",
}

func (ch *Channel) options() object {
	on := ch.flood != Flood{}
	params := object{"burst": 4, "sustained": 1, "cooldown": 4}
	if on {
		params = object{"burst": ch.flood.Burst, "sustained": ch.flood.Sustained, "cooldown": ch.flood.cooldown()}
	}
	return object{
		"allow_voteskip": true, "voteskip_ratio": 0.5, "afk_timeout": 600, "pagetitle": ch.name,
		"maxlength": 0, "externalcss": "", "externaljs": "",
		"chat_antiflood": on, "chat_antiflood_params": params,
		"show_public": false, "enable_link_regex": true, "password": ch.password != "",
		"allow_dupes": false, "torbanned": false, "block_anonymous_users": false,
		"allow_ascii_control": false, "playlist_max_per_user": 0, "new_user_chat_delay": 0,
		"new_user_chat_link_delay": 0, "playlist_max_duration_per_user": 0,
	}
}
