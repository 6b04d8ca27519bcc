package localserver

import (
	"slices"
	"strings"
	"time"

	"github.com/rosey-bot/rosey/internal/markup"
)

// Channel is the state of one channel. The server's lock guards it; all methods expect it to be held.
type Channel struct {
	srv        *Server
	name       string
	registered bool
	ranks      map[string]float64 // by lower-case account name
	permission map[string]float64
	options    options

	motd, css, js string
	emotes        []emote
	filters       []markup.Filter
	renderer      *markup.Renderer // with filters

	audience []*Session // who gets what is broadcast
	users    []*Session // who has joined, in the order of joining

	buffer  []object // the last chat lines, as sent
	drinks  int
	muted   map[string]bool // by lower-case name; the value tells whether it is a shadow mute
	bans    []ban
	lastBan int
	poll    *poll // nil while none is open

	list    playlist
	skip    skipVote
	library map[string]Media // what was queued for good, by ID
}

func newChannel(s *Server, name string, cfg *ChannelConfig) *Channel {
	ch := &Channel{
		srv: s, name: name,
		ranks: map[string]float64{}, muted: map[string]bool{}, library: map[string]Media{},
		permission: unregisteredPermissions, options: defaultOptions(name, Flood{}),
		list: playlist{open: true},
	}
	ch.setFilters(nil)
	if cfg == nil {
		return ch
	}
	ch.registered, ch.permission = true, registeredPermissions
	ch.setFilters(markup.Default())
	ch.options = defaultOptions(name, cfg.Flood)
	ch.options.Password = password(cfg.Password)
	ch.motd, ch.list.open = cfg.MOTD, cfg.Open
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
		if ch.kickIfBanned(c); c.channel != ch {
			return
		}
	}
	ch.users = append(ch.users, c)

	c.Emit("setPermissions", ch.permission)
	c.Emit("setPlaylistLocked", !ch.list.open)
	c.Emit("emoteList", listOf(ch.emotes))
	for _, line := range ch.buffer {
		c.Emit("chatMsg", line)
	}
	c.Emit("drinkCount", ch.drinks)
	c.Emit("channelCSSJS", ch.style())
	c.Emit("setMotd", ch.motd)
	c.Emit("channelOpts", ch.options)
	ch.sendList(c)
	ch.sendCurrent(c)
	if c.ranked {
		ch.sendList(c)
	}
	if ch.poll != nil {
		c.Emit("newPoll", ch.poll.pack(ch.may(c, "viewhiddenpoll")))
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
	ch.listPlaylists(c)
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
}

// kickIfBanned sends away a client whose name is banned, after it was seen for a moment.
func (ch *Channel) kickIfBanned(c *Session) {
	if ch.nameBanned(c.name) {
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
	ch.sendList(c)
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
	ch.withdrawVote(c)
	ch.withdrawSkipVote(c)
	ch.countSkipVotes()
	if ch.list.leader == c {
		ch.list.leader = nil
		ch.resume()
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

// broadcastTo sends an event to the users who have a permission.
func (ch *Channel) broadcastTo(permission, name string, arg any) {
	for _, u := range ch.users {
		if ch.may(u, permission) {
			u.Emit(name, arg)
		}
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

// tick does what is done by the clock: the player, polls that close by themselves, and users who have been silent for long.
func (ch *Channel) tick(now time.Time) {
	ch.tickPlayer(now)
	if ch.poll != nil && !ch.poll.closes.IsZero() && !now.Before(ch.poll.closes) {
		ch.closePoll()
	}
	if limit := time.Duration(ch.options.AFKTimeout * float64(time.Second)); limit > 0 {
		for _, u := range ch.users {
			if u.loggedIn() && !u.afk && now.Sub(u.active) >= limit {
				ch.setAFK(u, true)
			}
		}
	}
}
