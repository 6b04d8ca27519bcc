package localserver

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// handler handles an event from a client.
type handler struct {
	shape []field // what the event's first argument must look like; nil for anything
	act   func(*Session, json.RawMessage)
}

// field is a key of an event's argument: its name and JavaScript types.
type field struct{ name, types string }

// handlers are the events that the server handles. It ignores others, and those of a channel outside of one, as the real
// server does.
var handlers = map[string]handler{
	"joinChannel":     {act: (*Session).joinChannel},
	"channelPassword": {act: (*Session).channelPassword},
	"login":           {act: (*Session).login},

	"chatMsg": on("chat", (*Channel).chat, field{"msg", "string"}, field{"meta", "object,optional"}),
	"pm":      on("", (*Channel).pm, field{"msg", "string"}, field{"to", "string"}, field{"meta", "object,optional"}),

	"queue": on("playlistadd", (*Channel).queue, field{"id", "string,boolean"}, field{"type", "string"}, field{"pos", "string"},
		field{"title", "string,boolean,optional"}, field{"duration", "number,optional"}, field{"temp", "boolean,optional"}),
	"setTemp":            on("settemp", (*Channel).setTemp, field{"uid", "number"}, field{"temp", "boolean"}),
	"moveMedia":          on("playlistmove", (*Channel).moveMedia, field{"from", "number"}, field{"after", "string,number"}),
	"delete":             on("playlistdelete", func(ch *Channel, _ *Session, uid int) { ch.RemoveMedia(uid) }),
	"jumpTo":             on("playlistjump", (*Channel).jumpTo),
	"playNext":           on("playlistjump", withoutArg(func(ch *Channel, _ *Session) { ch.PlayNext() })),
	"playerReady":        on("", withoutArg((*Channel).sendCurrent)),
	"requestPlaylist":    on("", withoutArg((*Channel).sendPlaylist)),
	"clearPlaylist":      on("playlistclear", withoutArg((*Channel).clearPlaylist)),
	"shufflePlaylist":    on("playlistshuffle", withoutArg((*Channel).shufflePlaylist)),
	"togglePlaylistLock": on("playlistlock", withoutArg((*Channel).togglePlaylistLock)),
	"mediaUpdate": on("", (*Channel).mediaUpdate, field{"id", "string"}, field{"currentTime", "number"},
		field{"paused", "boolean,optional"}, field{"type", "string,optional"}),
	"assignLeader": on("", (*Channel).assignLeader, field{"name", "string"}),

	"unban":          on("ban", (*Channel).unban, field{"id", "number"}, field{"name", "string"}),
	"setChannelRank": on("", (*Channel).setChannelRank, field{"name", "string"}, field{"rank", "number"}),
}

// anything is an argument that is not looked at.
type anything struct{}

func withoutArg(act func(*Channel, *Session)) func(*Channel, *Session, anything) {
	return func(ch *Channel, c *Session, _ anything) { act(ch, c) }
}

// on handles an event in a channel, from clients that have a permission, with its argument decoded. It ignores one that
// cannot be decoded.
func on[T any](permission string, act func(*Channel, *Session, T), shape ...field) handler {
	return handler{shape: shape, act: func(c *Session, arg json.RawMessage) {
		ch := c.channel
		if ch == nil || permission != "" && !ch.may(c, permission) {
			return
		}
		var v T
		if _, ignored := any(v).(anything); ignored || json.Unmarshal(arg, &v) == nil {
			act(ch, c, v)
		}
	}}
}

// handle handles an event. An argument of the wrong shape is reported to the client in the real server's words.
func (c *Session) handle(name string, arg json.RawMessage) {
	h, ok := handlers[name]
	if !ok {
		return
	}
	if complaint := check(arg, h.shape); complaint != "" {
		if c.channel != nil {
			c.fail("Unexpected error for message " + name + ": " + complaint)
		}
		return
	}
	h.act(c, arg)
}

func check(arg json.RawMessage, shape []field) string {
	if shape == nil {
		return ""
	}
	if t := jsType(arg); t != "object" {
		return "Expected type object, got " + t
	}
	var keys map[string]json.RawMessage
	_ = json.Unmarshal(arg, &keys) // an object, as has been seen
	for _, f := range shape {
		types := strings.Split(f.types, ",")
		value, ok := keys[f.name]
		if !ok {
			if !slices.Contains(types, "optional") {
				return fmt.Sprintf("Missing key: %s:%s", f.types, f.name)
			}
			continue
		}
		if t := jsType(value); !slices.Contains(types, t) {
			return fmt.Sprintf("Expected key %s to be of type %s, instead got %s", f.name, f.types, t)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		if !slices.ContainsFunc(shape, func(f field) bool { return f.name == key }) {
			return "Extra key: " + key
		}
	}
	return ""
}

// jsType returns what the real server calls the type of a JSON value.
func jsType(raw json.RawMessage) string {
	if len(raw) == 0 {
		return "undefined"
	}
	switch raw[0] {
	case '"':
		return "string"
	case 't', 'f':
		return "boolean"
	case '{':
		return "object"
	case '[':
		return "array"
	case 'n':
		return "null"
	}
	return "number"
}
