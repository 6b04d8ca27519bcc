package localserver

import "encoding/json"

// handler handles an event from a client: the check of its argument comes first, then the permission, then the effect.
type handler struct {
	shape []field // what the event's first argument must look like; nil for anything
	act   func(*Session, request)
}

type request struct {
	name string
	arg  json.RawMessage // the first argument; nil if there is none
	ack  *uint64         // the ID of the acknowledgement that the client asks for, which only newPoll answers
}

// field is a key of an event's argument: its name and JavaScript types.
type field struct{ name, types string }

func text(name string) field    { return field{name, "string"} }
func number(name string) field  { return field{name, "number"} }
func boolean(name string) field { return field{name, "boolean"} }
func (f field) optional() field { return field{f.name, f.types + ",optional"} }

// handlers are the events that the server handles: what each needs and does. It ignores others, and those of a channel
// outside of one, as the real server does. Where a permission is named, clients without it are ignored, or kicked where
// the entry is made by kicks.
var handlers = map[string]handler{
	"joinChannel":     {act: func(c *Session, r request) { c.joinChannel(r.arg) }},
	"channelPassword": {act: func(c *Session, r request) { c.channelPassword(r.arg) }},
	"login":           {act: func(c *Session, r request) { c.login(r.arg) }},

	"chatMsg": on("chat", (*Channel).chat, text("msg"), field{"meta", "object,optional"}),
	"pm":      on("", (*Channel).pm, text("msg"), text("to"), field{"meta", "object,optional"}),

	"queue": on("playlistadd", (*Channel).queue, field{"id", "string,boolean"}, text("type"), text("pos"),
		field{"title", "string,boolean,optional"}, number("duration").optional(), boolean("temp").optional()),
	"setTemp":            on("settemp", (*Channel).setTemp, number("uid"), boolean("temp")),
	"moveMedia":          on("playlistmove", (*Channel).moveMedia, number("from"), field{"after", "string,number"}),
	"delete":             on("playlistdelete", (*Channel).deleteMedia),
	"jumpTo":             on("playlistjump", (*Channel).jumpTo),
	"playNext":           on("playlistjump", withoutArg((*Channel).playNextBy)),
	"playerReady":        on("", withoutArg((*Channel).sendCurrent)),
	"requestPlaylist":    on("", withoutArg((*Channel).requestPlaylist)),
	"clearPlaylist":      on("playlistclear", withoutArg((*Channel).clearPlaylist)),
	"shufflePlaylist":    on("playlistshuffle", withoutArg((*Channel).shufflePlaylist)),
	"togglePlaylistLock": on("playlistlock", withoutArg((*Channel).togglePlaylistLock)),
	"mediaUpdate": on("", (*Channel).mediaUpdate, text("id"), number("currentTime"), boolean("paused").optional(),
		text("type").optional()),
	"assignLeader": kicks("Attempted assignLeader without sufficient permission", "leaderctl", (*Channel).assignLeader, text("name")),

	"searchMedia":    on("", (*Channel).searchMedia, field{"source", "string,optional"}, text("query")),
	"uncache":        on("deletefromchannellib", (*Channel).uncache, text("id")),
	"listPlaylists":  on("", withoutArg((*Channel).listPlaylists)),
	"clonePlaylist":  on("", (*Channel).clonePlaylist, text("name")),
	"deletePlaylist": on("", (*Channel).deletePlaylist, text("name")),
	"queuePlaylist": on("playlistaddlist", (*Channel).queuePlaylist, text("name"), text("pos"),
		boolean("temp").optional()),

	"voteskip": on("voteskip", withoutArg((*Channel).voteskip)),
	"newPoll": onRequest("pollctl", (*Channel).newPoll, text("title"), number("timeout").optional(), boolean("obscured"),
		boolean("retainVotes").optional(), field{"opts", "array"}),
	"vote":      on("pollvote", (*Channel).vote, number("option")),
	"closePoll": on("pollctl", withoutArg(func(ch *Channel, _ *Session) { ch.closePoll() })),

	"requestBanlist":      on("ban", withoutArg((*Channel).sendBanlist)),
	"unban":               on("ban", (*Channel).unban, number("id"), text("name")),
	"setChannelRank":      on("", (*Channel).setChannelRank, text("name"), number("rank")),
	"requestChannelRanks": on(admin, withoutArg((*Channel).sendChannelRanks)),
	"readChanLog": kicks("Attempted readChanLog with insufficient permission", admin,
		withoutArg((*Channel).sendLog)),

	"setMotd":       kicks("Attempted setMotd with insufficient permission", "motdedit", (*Channel).setMOTD, text("motd")),
	"setChannelCSS": kicks("Attempted setChannelCSS as non-admin", admin, (*Channel).setCSS, text("css")),
	"setChannelJS":  kicks("Attempted setChannelJS as non-admin", admin, (*Channel).setJS, text("js")),
	"setOptions":    kicks("Attempted setOptions as a non-moderator", moderator, (*Channel).setOptions),
	"setPermissions": kicks("Attempted setPermissions as a non-admin", admin,
		(*Channel).setPermissions),

	"updateEmote":  on("emoteedit", (*Channel).updateEmote),
	"renameEmote":  on("emoteedit", (*Channel).renameEmote),
	"removeEmote":  on("emoteedit", (*Channel).removeEmote),
	"moveEmote":    on("emoteedit", (*Channel).moveEmote),
	"importEmotes": on("emoteimport", (*Channel).importEmotes),

	"addFilter":          on("filteredit", (*Channel).addFilter),
	"updateFilter":       on("filteredit", (*Channel).updateFilter),
	"removeFilter":       on("filteredit", (*Channel).removeFilter),
	"moveFilter":         on("filteredit", (*Channel).moveFilter),
	"importFilters":      on("filterimport", (*Channel).importFilters),
	"requestChatFilters": on("filteredit", withoutArg((*Channel).sendFilters)),

	"initACP":            {act: (*Session).administer},
	"acp-announce":       {act: (*Session).announce},
	"acp-announce-clear": {act: (*Session).clearAnnouncement},
	"borrow-rank":        {act: (*Session).borrowRank},
}

// anything is an argument that is not looked at.
type anything struct{}

func withoutArg(act func(*Channel, *Session)) func(*Channel, *Session, anything) {
	return func(ch *Channel, c *Session, _ anything) { act(ch, c) }
}

// on handles an event in a channel, from clients that have a permission, with its argument decoded. It ignores null and
// what cannot be decoded.
func on[T any](permission string, act func(*Channel, *Session, T), shape ...field) handler {
	return onRequest(permission, func(ch *Channel, c *Session, v T, _ request) { act(ch, c, v) }, shape...)
}

// kicks is on for an event that clients without the permission are kicked for.
func kicks[T any](reason, permission string, act func(*Channel, *Session, T), shape ...field) handler {
	h := on(permission, act, shape...)
	permitted := h.act
	h.act = func(c *Session, r request) {
		switch {
		case c.channel != nil && !c.channel.may(c, permission) && decodes[T](r.arg):
			c.Kick(reason)
		default:
			permitted(c, r)
		}
	}
	return h
}

// onRequest is on for an effect that needs the whole request.
func onRequest[T any](permission string, act func(*Channel, *Session, T, request), shape ...field) handler {
	return handler{shape: shape, act: func(c *Session, r request) {
		ch := c.channel
		if ch == nil || permission != "" && !ch.may(c, permission) || !decodes[T](r.arg) {
			return
		}
		var v T
		_ = json.Unmarshal(r.arg, &v) // as has been seen
		act(ch, c, v, r)
	}}
}

func decodes[T any](arg json.RawMessage) bool {
	var v T
	if _, ignored := any(v).(anything); ignored {
		return true
	}
	return jsType(arg) != "null" && json.Unmarshal(arg, &v) == nil
}

// handle handles an event. An argument of the wrong shape is reported to the client in the real server's words.
func (c *Session) handle(r request) {
	h, ok := handlers[r.name]
	if !ok {
		return
	}
	if complaint := check(r.arg, h.shape); complaint != "" {
		if c.channel != nil {
			c.fail("Unexpected error for message " + r.name + ": " + complaint)
		}
		return
	}
	h.act(c, r)
}
