package cytubetest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// handler is what the server does about an event from a client.
type handler struct {
	shape []field // what the event's first argument must look like; nil for anything
	act   func(*session, json.RawMessage)
}

// field is a key of an event's argument: its name and JavaScript types.
type field struct{ name, types string }

// handlers are the events that the server acts on. It ignores others, and those
// of a channel outside of one, as the real server does.
var handlers = map[string]handler{
	"joinChannel":     {act: (*session).joinChannel},
	"channelPassword": {act: (*session).channelPassword},
	"login":           {act: (*session).login},

	"chatMsg": inChannel((*room).chat, field{"msg", "string"}, field{"meta", "object,optional"}),
	"pm": inChannel((*room).pm,
		field{"msg", "string"}, field{"to", "string"}, field{"meta", "object,optional"}),

	"queue": inChannel((*room).queue, field{"id", "string,boolean"}, field{"type", "string"}, field{"pos", "string"},
		field{"title", "string,boolean,optional"}, field{"duration", "number,optional"}, field{"temp", "boolean,optional"}),
	"setTemp":            inChannel((*room).setTemp, field{"uid", "number"}, field{"temp", "boolean"}),
	"moveMedia":          inChannel((*room).moveMedia, field{"from", "number"}, field{"after", "string,number"}),
	"delete":             inChannel((*room).deleteMedia),
	"jumpTo":             inChannel((*room).jumpTo),
	"playNext":           inChannel((*room).playNext),
	"playerReady":        inChannel((*room).playerReady),
	"requestPlaylist":    inChannel((*room).requestPlaylist),
	"clearPlaylist":      inChannel((*room).clearPlaylist),
	"shufflePlaylist":    inChannel((*room).shufflePlaylist),
	"togglePlaylistLock": inChannel((*room).togglePlaylistLock),
	"mediaUpdate": inChannel((*room).mediaUpdate, field{"id", "string"}, field{"currentTime", "number"},
		field{"paused", "boolean,optional"}, field{"type", "string,optional"}),
	"assignLeader": inChannel((*room).assignLeader, field{"name", "string"}),

	"unban":          inChannel((*room).unban, field{"id", "number"}, field{"name", "string"}),
	"setChannelRank": inChannel((*room).setChannelRank, field{"name", "string"}, field{"rank", "number"}),
}

func inChannel(act func(*room, *session, json.RawMessage), shape ...field) handler {
	return handler{shape: shape, act: func(c *session, arg json.RawMessage) {
		if c.channel != nil {
			act(c.channel, c, arg)
		}
	}}
}

// handle acts on an event. An argument of the wrong shape is reported to the
// client in the words of the real server.
func (c *session) handle(name string, arg json.RawMessage) {
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
	return ""
}

// jsType is what the real server calls the type of a JSON value.
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
