package localserver

import (
	"fmt"
	"maps"
	"time"
)

// absent are clients that a scene has no place for.
var absent = map[string][]string{
	"newPoll.10": {"guest"}, "leader.3": {"guest", "bot"},
	"/ban.3": {"user"}, "requestBanlist.1": {"user"}, "unban.1": {"user"}, "setChannelRank.4": {"guest"},
}

// givens make the channel what it was before a scene.
var givens = map[string]func(*stage){
	"queue.12": func(s *stage) { s.rank(3, "rosey") },
	"queue.16": func(s *stage) { s.rank(1, "rosey") },
	"queue.19": func(s *stage) { s.playing(0, 82) },
	"queue.20": func(s *stage) { s.rank(2, "rosey") },
	"queue.21": func(s *stage) {
		s.rank(1, "rosey")
		s.list("", 0, 38)
		s.edit(func(ch *Channel) { ch.list.open, ch.options.MaxLength, ch.options.MaxPerUser = true, 120, 2 })
	},
	"queue.22": func(s *stage) {
		s.edit(func(ch *Channel) {
			ch.options.MaxLength, ch.options.MaxPerUser, ch.options.MaxDurationPerUser = 0, 0, 100
		})
	},

	"delete.1":          func(s *stage) { s.list("it", 5, 0) },
	"moveMedia.3":       func(s *stage) { s.list("mv", 4, 5) },
	"jumpTo.1":          func(s *stage) { s.list("jt", 4, 9) },
	"jumpTo.3":          func(s *stage) { s.temp(9) },
	"playNext.2":        func(s *stage) { s.temp(11) },
	"shufflePlaylist.1": func(s *stage) { s.list("sh", 4, 13); s.playing(15, 1) },
	"natural-end.1":     func(s *stage) { s.edit(func(ch *Channel) { ch.list.nextUID = 22 }) },
	"playlist.1":        func(s *stage) { s.rank(1, "rosey") },
	"/clean.1":          func(s *stage) { s.rank(2, "rosey"); s.list("ow", 2, 24) },
	"assignLeader.1":    func(s *stage) { s.list("ld", 2, 27) },
	"assignLeader.6":    func(s *stage) { s.emit("bot", "assignLeader", object{"name": "alice"}); s.playing(28, 0) },
	"leader.1":          func(s *stage) { s.emit("bot", "assignLeader", object{"name": "alice"}); s.playing(28, 1) },
	"assignLeader.8":    func(s *stage) { s.rank(1, "rosey") },
	"searchMedia.1":     func(s *stage) { s.rank(2, "rosey") },
	"queuePlaylist.1":   func(s *stage) { s.list("", 0, 29) },
	"voteskip.1":        func(s *stage) { s.list("vs", 3, 32) },
	"voteskip.5":        func(s *stage) { s.edit(func(ch *Channel) { ch.options.AllowVoteskip = false }) },
	"voteskip.6": func(s *stage) {
		s.edit(func(ch *Channel) { ch.options.AllowVoteskip = true })
		s.permit("voteskip", 2)
	},
	"voteskip.7": func(s *stage) {
		s.permit("voteskip", -1)
		s.playing(33, 1)
		s.edit(func(ch *Channel) { ch.options.VoteskipRatio = 1 })
	},
	"voteskip.8": func(s *stage) { s.edit(func(ch *Channel) { ch.options.VoteskipRatio = 0 }) },
	"voteskip.9": func(s *stage) { s.list("", 0, 35); s.edit(func(ch *Channel) { ch.options.VoteskipRatio = 0.5 }) },
	"newPoll.5":  func(s *stage) { s.open("bot", "Open") },
	"newPoll.9":  func(s *stage) { s.enter("gilda") },
	"newPoll.10": func(s *stage) {
		s.enter("gerd")
		s.emit("bot", "newPoll", object{"title": "Late", "opts": []string{"a", "b"}, "obscured": true})
		line := object{"username": "alice", "msg": "x", "meta": object{}, "time": 0}
		s.edit(func(ch *Channel) { ch.buffer = []object{line, line} })
	},
	"/poll.1":    func(s *stage) { s.exit("gerd"); s.emit("bot", "closePoll") },
	"newPoll.11": func(s *stage) { s.rank(1, "rosey") },
	"vote.1":     func(s *stage) { s.permit("pollvote", 2) },

	"leader.3": func(s *stage) {
		s.list("st", 2, 3)
		s.playing(3, 1.999)
		s.emit("mod", "assignLeader", object{"name": "mona"})
	},
	"moveMedia.4":       func(s *stage) { s.list("mm", 3, 8) },
	"queue.24":          func(s *stage) { s.edit(func(ch *Channel) { ch.options.AllowDupes = true }) },
	"setPlaylistMeta.1": func(s *stage) { s.playing(8, 7) },
	"playNext.4":        func(s *stage) { s.list("lo", 1, 24) },
	"playNext.5":        func(s *stage) { s.temp(24) },

	"/smute.1": func(s *stage) { s.enter("anon") },
	"/mute.2":  func(s *stage) { s.exit("anon") },
	"/kick.1":  func(s *stage) { s.edit(func(ch *Channel) { ch.motd = "<h1>Hi</h1>" }) },
	"/ban.1":   func(s *stage) { s.edit(func(ch *Channel) { ch.lastBan, ch.options.MaxDurationPerUser = 17, 100 }) },
	"/ipban.1": func(s *stage) {
		s.Do(s.channel, func(*Channel) {
			for i := range 7 {
				s.seen["carol"] = append(s.seen["carol"], fmt.Sprintf("127.0.7.%d", i))
			}
		})
	},
	"moderation.1":     func(s *stage) { s.rank(1, "rosey") },
	"/clear.1":         func(s *stage) { s.rank(2, "rosey"); s.edit(func(ch *Channel) { ch.bans = nil }) },
	"setChannelRank.1": func(s *stage) { s.rank(3, "rosey") },
	"setMotd.1":        func(s *stage) { s.rank(1, "alice", "greta") },
	"setChannelCSS.1":  func(s *stage) { s.edit(func(ch *Channel) { ch.css, ch.js = "", "" }) },
	"setOptions.1":     func(s *stage) { s.edit(func(ch *Channel) { ch.css, ch.js = "", "" }) },
	"emotes.2":         func(s *stage) { s.rank(2, "rosey") },
	"setOptions.4":     func(s *stage) { s.rank(1, "rosey") },
	"initACP.1":        func(s *stage) { s.rank(2, "rosey") },
	"announcement.1":   func(s *stage) { s.exit("user3") },
	"chat-flood.1":     func(s *stage) { s.flood(antiflood{4, 1, 4}, true) },
	"inbound-rate.1":   func(s *stage) { s.edit(func(ch *Channel) { ch.options.NewUserLinkDelay = 0 }) },
	"channel-password.1": func(s *stage) {
		s.edit(func(ch *Channel) { ch.options.Password, ch.buffer = "sesame", nil })
	},
	"block-anonymous-users.1": func(s *stage) {
		s.edit(func(ch *Channel) { ch.options.Password, ch.options.BlockAnonymousUsers = "", true })
		s.enter("user2")
	},
	"new-user-chat-delay.1": func(s *stage) {
		s.flood(antiflood{4, 1, 4}, false)
		s.edit(func(ch *Channel) { ch.options.NewUserDelay, ch.options.NewUserLinkDelay = 1200, 0 })
	},
	"setChannelRank.4": func(s *stage) {
		s.exit("bot")
		s.conns["bot"] = s.conns["admin"]
		delete(s.conns, "admin")
	},
	"permission-chat-raised.1": func(s *stage) { s.permit("chat", 2) },
	"queue.26": func(s *stage) {
		s.Do(s.channel, func(*Channel) {
			s.cfg.List = func(string) ([]Media, error) { _, err := sceneYouTube("abcdefghijk"); return nil, err }
		})
	},
	"connections.1": func(s *stage) {
		s.Do(s.channel, func(*Channel) {
			s.cfg.Connects, s.cfg.Sockets = Limit{Burst: 5, PerSecond: 1e-6}, 10
			clear(s.connects)
		})
	},
}

// cues are what happened unseen in a scene, before the nth frame of its kind.
var cues = map[string]func(*stage){
	"queue.18 bot out queue 7":       func(s *stage) { s.rested() },
	"playNext.3 mod in setCurrent 1": func(s *stage) { s.emit("owner", "jumpTo", 12) },
	"natural-end.1 bot in playlist 1": func(s *stage) {
		s.emit("owner", "clearPlaylist")
	},
	"natural-end.1 bot in mediaUpdate 1": func(s *stage) { s.advance(4) },
	"natural-end.1 bot in delete 1":      func(s *stage) { s.advance(3) },
	"natural-end.1 bot in mediaUpdate 3": func(s *stage) { s.advance(3) },
	"/clean.1 mod in queue 1": func(s *stage) {
		s.emit("bot", "queue", object{"id": "mine__00060", "type": "yt", "pos": "end", "temp": true})
	},
	"voteskip.4 mod in voteskip 1":  func(s *stage) { s.emit("guest", "voteskip") },
	"voteskip.4 mod in userLeave 1": func(s *stage) { s.exit("guest") },
	"newPoll.4 bot in newPoll 1":    func(s *stage) { s.open("bot", "Open again") },
	"newPoll.4 bot in newPoll 2":    func(s *stage) { s.open("bot", "Open again") },
	"newPoll.4 bot in newPoll 3":    func(s *stage) { s.open("bot", "Open again") },
	"newPoll.4 bot in newPoll 4":    func(s *stage) { s.open("bot", "Open again") },
	"newPoll.8 user in closePoll 1": func(s *stage) { s.later(3 * time.Second) },
	"newPoll.9 mod in updatePoll 1": func(s *stage) { s.emit("gilda", "vote", object{"option": 0}) },
	"newPoll.9 mod in userLeave 1":  func(s *stage) { s.exit("gilda") },
	"newPoll.9 mod in updatePoll 2": func(s *stage) { s.emit("user", "vote", object{"option": 1}) },
	"newPoll.9 mod in userLeave 2":  func(s *stage) { s.exit("user") },
	"newPoll.9 mod in closePoll 2":  func(s *stage) { s.emit("bot", "closePoll") },
	"/poll.1 bot in closePoll 3":    func(s *stage) { s.emit("bot", "closePoll") },
	"newPoll.11 mod in newPoll 1":   func(s *stage) { s.open("mod", "By mona", "b") },
	"newPoll.11 mod in closePoll 1": func(s *stage) { s.emit("mod", "closePoll") },
	"vote.1 mod in newPoll 1":       func(s *stage) { s.open("mod", "Mods only", "b") },
	"vote.1 mod in closePoll 1":     func(s *stage) { s.emit("mod", "closePoll") },
	"leader.3 mod in mediaUpdate 2": func(s *stage) { s.advance(5) },
	"setPlaylistMeta.1 user in queue 1": func(s *stage) {
		s.emit("mod", "queue", object{"id": "pm____00100", "type": "yt", "pos": "end", "temp": true})
	},
	"setPlaylistMeta.1 user in delete 1":    func(s *stage) { s.emit("mod", "delete", 16) },
	"setPlaylistMeta.1 user in moveVideo 1": func(s *stage) { s.emit("mod", "moveMedia", object{"from": 8, "after": "append"}) },
	"setPlaylistMeta.1 user in playlist 1":  func(s *stage) { s.emit("mod", "shufflePlaylist") },
	"new-user-chat-delay.1 mod in channelOpts 1": func(s *stage) {
		s.emit("mod", "setOptions", object{"new_user_chat_delay": 0, "new_user_chat_link_delay": 1200})
	},
	"announcement.1 site in acp-gbanlist 1":         func(s *stage) { s.emit("site", "initACP") },
	"connections.1 c7 in rank 1":                    (*stage).reconnects,
	"connections.1 c8 in rank 1":                    (*stage).reconnects,
	"connections.1 c9 in rank 1":                    (*stage).reconnects,
	"connections.1 c10 in rank 1":                   (*stage).reconnects,
	"connections.1 c11 in rank 1":                   (*stage).reconnects,
	"connections.1 c12 in kick 1":                   (*stage).reconnects,
	"afk-timeout.1 user in setUserMeta 1":           func(s *stage) { s.later(time.Hour) },
	"the-server-is-stopped.1 user in $disconnect 1": func(s *stage) { s.Stop() },
}

// reconnects gives the address room for one more connection.
func (s *stage) reconnects() { s.Do(s.channel, func(*Channel) { clear(s.connects) }) }

func (s *stage) permit(what string, rank float64) {
	s.edit(func(ch *Channel) {
		ch.permission = maps.Clone(ch.permission)
		ch.permission[what] = rank
	})
}

func (s *stage) temp(uid int) {
	s.edit(func(ch *Channel) { ch.list.items[ch.list.index(uid)].temp = true })
}

func (s *stage) open(conn, title string, more ...string) {
	s.emit(conn, "newPoll", object{"title": title, "opts": append([]string{"a"}, more...), "obscured": false})
}

func (s *stage) flood(params antiflood, on bool) {
	s.edit(func(ch *Channel) { ch.options.ChatAntiflood, ch.options.ChatAntifloodParams = on, params })
}

// rested gives everybody the burst of the queue back.
func (s *stage) rested() {
	s.Do(s.channel, func(*Channel) {
		for c := range s.sessions {
			c.queueLimit = limiter{}
		}
	})
}
