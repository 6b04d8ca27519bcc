package cytubetest

import (
	"slices"
	"strings"
)

// room is one channel. The server's lock guards it; all methods expect it to be
// held.
type room struct {
	srv        *Server
	name       string
	registered bool
	password   string
	ranks      map[string]float64 // by lower-case account name
	flood      Flood
	motd       string
	permission map[string]float64

	audience []*session // who hears what is broadcast
	users    []*session // who has joined, in the order of joining

	buffer []map[string]any // the last chat lines, as sent
	muted  map[string]bool  // by lower-case name; the value tells whether it is a shadow mute
	banned map[string]bool
	faults []fault
	list   playlist
}

func newRoom(s *Server, name string, cfg *Channel) *room {
	ch := &room{
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

// accept lets a client in: everything that the real server tells it, in its
// order.
func (ch *room) accept(c *session) {
	c.channel = ch
	ch.audience = append(ch.audience, c)
	if c.loggedIn() {
		ch.welcome(c)
		if c.channel != ch {
			return // banned
		}
	}
	ch.users = append(ch.users, c)

	c.emit("setPermissions", ch.permission)
	c.emit("setPlaylistLocked", !ch.list.open)
	c.emit("emoteList", []any{})
	for _, line := range ch.buffer {
		c.emit("chatMsg", line)
	}
	c.emit("drinkCount", 0)
	c.emit("channelCSSJS", noStyle)
	c.emit("setMotd", ch.motd)
	c.emit("channelOpts", ch.options())
	ch.sendPlaylist(c)
	ch.sendCurrent(c)
	if c.ranked {
		ch.sendPlaylist(c)
	}
	ch.sendUserlist(c)
	if ch.list.leader != nil {
		c.emit("setLeader", ch.list.leader.name)
	}
	ch.broadcast("usercount", len(ch.users))
	if !ch.registered {
		c.emit("channelNotRegistered")
	}
	ch.srv.notify()
}

// settle tells a client that was logged in when it was let in the rest.
func (ch *room) settle(c *session) {
	if c.channel != ch || !c.registered {
		return
	}
	if !c.ranked {
		ch.grantRank(c)
	}
	c.emit("listPlaylists", []any{})
}

// welcome tells the room of a client that has a name now: an older connection
// of the same name has to go.
func (ch *room) welcome(c *session) {
	for _, u := range slices.Clone(ch.users) {
		if u != c && strings.EqualFold(u.name, c.name) {
			u.kick("Duplicate login")
		}
	}
	for _, u := range ch.users {
		u.emit("addUser", ch.describe(c, u))
	}
	ch.tellModerators(c.name + " joined (aliases: " + c.name + ")")
	if shadow, muted := ch.muted[strings.ToLower(c.name)]; muted {
		c.muted, c.shadowMuted = true, shadow
		ch.sendMeta(c, muteRank)
	}
	if ch.banned[strings.ToLower(c.name)] {
		c.kick("You are banned from this channel.")
		ch.tellModerators(c.name + " was kicked (name is banned)")
	}
}

// grantRank gives a registered user its rank in the channel that it is in, or
// waits for. It comes after the join, as on the real server, which must ask its
// database first.
func (ch *room) grantRank(c *session) {
	if !c.registered || c.channel != ch && c.waiting != ch {
		return
	}
	before := c.rank()
	c.channelRank, c.ranked = ch.ranks[strings.ToLower(c.name)], true
	c.emit("rank", c.rank())
	if c.channel == nil {
		return
	}
	ch.rankChanged(c, before)
	ch.sendPlaylist(c)
	ch.broadcast("setUserRank", map[string]any{"name": c.name, "rank": c.rank()})
}

// rankChanged sends the user list again to a client that sees more or less of it
// now.
func (ch *room) rankChanged(c *session, before float64) {
	for _, line := range []float64{2, 255} {
		if (before >= line) != (c.rank() >= line) {
			ch.sendUserlist(c)
			return
		}
	}
}

// part takes a client out of the channel.
func (ch *room) part(c *session) {
	isC := func(u *session) bool { return u == c }
	c.channel = nil
	ch.audience = slices.DeleteFunc(ch.audience, isC)
	if c.loggedIn() {
		ch.broadcast("userLeave", map[string]any{"name": c.name})
	}
	ch.users = slices.DeleteFunc(ch.users, isC)
	if ch.list.leader == c {
		ch.list.leader = nil
		ch.broadcast("setLeader", "")
	}
	ch.broadcast("usercount", len(ch.users))
	ch.srv.notify()
}

// user finds a client of that name, nil when there is none.
func (ch *room) user(name string) *session {
	if name == "" {
		return nil
	}
	for _, u := range ch.users {
		if strings.EqualFold(u.name, name) {
			return u
		}
	}
	return nil
}

func (ch *room) broadcast(name string, args ...any) {
	frame := event(name, args...).Encode()
	for _, u := range ch.audience {
		u.push(frame)
	}
}

// describe is what one user sees of another: moderators see more.
func (ch *room) describe(c, viewer *session) map[string]any {
	return map[string]any{
		"name": c.name, "rank": c.rank(),
		"profile": map[string]any{"image": "", "text": ""},
		"meta":    ch.meta(c, viewer),
	}
}

func (ch *room) meta(c, viewer *session) map[string]any {
	if viewer.rank() < 2 {
		return map[string]any{"afk": c.afk, "muted": c.muted && !c.shadowMuted}
	}
	return map[string]any{
		"afk": c.afk, "muted": c.muted, "smuted": c.shadowMuted,
		"aliases": []string{c.name}, "ip": c.addr,
	}
}

func (ch *room) sendMeta(c *session, minRank float64) {
	for _, u := range ch.users {
		if u.rank() >= minRank {
			u.emit("setUserMeta", map[string]any{"name": c.name, "meta": ch.meta(c, u)})
		}
	}
}

func (ch *room) sendUserlist(c *session) {
	list := []any{}
	for _, u := range ch.users {
		if u.loggedIn() {
			list = append(list, ch.describe(u, c))
		}
	}
	c.emit("userlist", list)
}

// may tells whether a client has a permission of the channel. Some permissions
// nobody has in an unregistered one.
func (ch *room) may(c *session, what string) bool {
	least, ok := ch.permission[what]
	return ok && c.rank() >= least
}

// muteRank is who hears of mutes.
const muteRank = 1.5

var noStyle = map[string]any{
	"css": "", "cssHash": "1B2M2Y8AsgTpgAmY7PhCfg==", "js": "", "jsHash": "1B2M2Y8AsgTpgAmY7PhCfg==",
}

func (ch *room) options() map[string]any {
	on := ch.flood != Flood{}
	params := map[string]any{"burst": 4, "sustained": 1, "cooldown": 4}
	if on {
		params = map[string]any{"burst": ch.flood.Burst, "sustained": ch.flood.Sustained, "cooldown": ch.flood.cooldown()}
	}
	return map[string]any{
		"allow_voteskip": true, "voteskip_ratio": 0.5, "afk_timeout": 600, "pagetitle": ch.name,
		"maxlength": 0, "externalcss": "", "externaljs": "",
		"chat_antiflood": on, "chat_antiflood_params": params,
		"show_public": false, "enable_link_regex": true, "password": ch.password != "",
		"allow_dupes": false, "torbanned": false, "block_anonymous_users": false,
		"allow_ascii_control": false, "playlist_max_per_user": 0, "new_user_chat_delay": 0,
		"new_user_chat_link_delay": 0, "playlist_max_duration_per_user": 0,
	}
}

// The least rank for each thing one can do: CyTube's defaults.
var (
	registeredPermissions = map[string]float64{
		"seeplaylist": -1, "playlistadd": 1.5, "playlistnext": 1.5, "playlistmove": 1.5, "playlistdelete": 2,
		"playlistjump": 1.5, "playlistaddlist": 1.5, "oplaylistadd": -1, "oplaylistnext": 1.5,
		"oplaylistmove": 1.5, "oplaylistdelete": 2, "oplaylistjump": 1.5, "oplaylistaddlist": 1.5,
		"playlistaddcustom": 3, "playlistaddrawfile": 2, "playlistaddlive": 1.5, "exceedmaxlength": 2,
		"addnontemp": 2, "settemp": 2, "playlistshuffle": 2, "playlistclear": 2, "pollctl": 1.5,
		"pollvote": -1, "viewhiddenpoll": 1.5, "voteskip": -1, "viewvoteskip": 1.5, "mute": 1.5, "kick": 1.5,
		"ban": 2, "motdedit": 3, "filteredit": 3, "filterimport": 3, "emoteedit": 3, "emoteimport": 3,
		"playlistlock": 2, "leaderctl": 2, "drink": 1.5, "chat": 0, "chatclear": 2, "exceedmaxitems": 2,
		"deletefromchannellib": 2, "exceedmaxdurationperuser": 2,
	}
	unregisteredPermissions = map[string]float64{
		"seeplaylist": -1, "playlistadd": -1, "playlistnext": 0, "playlistmove": 0, "playlistdelete": 0,
		"playlistjump": 0, "playlistaddlist": 0, "oplaylistadd": -1, "oplaylistnext": 0, "oplaylistmove": 0,
		"oplaylistdelete": 0, "oplaylistjump": 0, "oplaylistaddlist": 0, "playlistaddcustom": 0,
		"playlistaddlive": 0, "exceedmaxlength": 0, "addnontemp": 0, "settemp": 0, "playlistshuffle": 0,
		"playlistclear": 0, "pollctl": 0, "pollvote": -1, "viewhiddenpoll": 1.5, "voteskip": -1,
		"viewvoteskip": 1.5, "playlistlock": 2, "leaderctl": 0, "drink": 0,
		"chat": 0, "chatclear": 2, "exceedmaxitems": 2, "deletefromchannellib": 2,
	}
)
