package localserver

import (
	"maps"
	"strconv"
)

// muteRank is the least rank of those who see mutes.
const muteRank = 1.5

// What no permission of the channel gives, but a rank that cannot be changed.
const (
	moderator = "rank 2"
	admin     = "rank 3"
)

var fixedRank = map[string]float64{moderator: 2, admin: 3}

// may reports whether a client has a permission of the channel, also by that of an open playlist. Some permissions
// nobody has in an unregistered one.
func (ch *Channel) may(c *Session, what string) bool {
	least, ok := fixedRank[what]
	if !ok {
		least, ok = ch.permission[what]
	}
	if open, isList := ch.permission["o"+what]; isList && ch.list.open {
		least = min(least, open)
	}
	return ok && c.rank() >= least
}

// setPermissions changes the permissions that the channel has; values may be numbers or their digits.
func (ch *Channel) setPermissions(_ *Session, values map[string]any) {
	changed := maps.Clone(ch.permission)
	for name, value := range values {
		rank, ok := value.(float64)
		if digits, isText := value.(string); isText {
			parsed, err := strconv.ParseFloat(digits, 64)
			rank, ok = parsed, err == nil
		}
		if _, known := changed[name]; known && ok {
			changed[name] = rank
		}
	}
	ch.permission = changed
	if _, ok := values["seeplaylist"]; ok {
		for _, u := range ch.users {
			ch.sendList(u)
		}
	}
	ch.broadcast("setPermissions", ch.permission)
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
