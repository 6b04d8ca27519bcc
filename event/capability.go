package event

import (
	"maps"
	"slices"
	"strings"
)

// Capabilities are what a plugin may do beside handling its commands and publishing its own
// events: an operator grants them, and the server holds the plugin to them.
//
//	chat                   speak in the channel
//	pm                     send private messages
//	AREA.ABILITY, AREA.*   ask that of the channel, as cytube.send.AREA.ABILITY
//	read:SUBJECT           read events of that pattern
//	read:public            read the public events that its registration names
//	storage                keep records in collections of its own
//	storage:COLLECTION     read and write a collection, whoever has it
//	storage:COLLECTION:read
//	request:PLUGIN         make requests to another plugin; request:* to all
type Capabilities []string

// The capabilities that have no argument.
const (
	CapabilityChat    = "chat"
	CapabilityPM      = "pm"
	CapabilityPublic  = "read:public"
	CapabilityStorage = "storage"
)

// The kinds of capabilities with an argument: the part before the first colon.
const (
	KindRead    = "read"
	KindStorage = "storage"
	KindRequest = "request"
)

// BaseCapabilities are those of a plugin with credentials of its own to which nobody granted
// anything.
func BaseCapabilities() Capabilities {
	return Capabilities{CapabilityChat, CapabilityPM, CapabilityPublic, "request:*", CapabilityStorage}
}

// abilities are what can be asked of a channel, as AREA.ABILITY, in plain words.
var abilities = map[string]string{
	"media.queue": "add to the playlist", "media.delete": "take items off the playlist", "media.jump": "jump to an item of the playlist",
	"media.temp": "make items of the playlist temporary", "media.move": "reorder the playlist", "media.skip": "skip what plays",
	"media.shuffle": "shuffle the playlist", "media.clear": "clear the playlist", "media.vote": "vote to skip", "media.lock": "lock and open the playlist",
	"media.leader": "choose the leader", "media.save_list": "save playlists", "media.queue_list": "add saved playlists", "media.delete_list": "delete saved playlists",
	"poll.open": "open polls", "poll.close": "close polls", "poll.vote": "vote in polls",
	"moderation.kick": "kick users", "moderation.ban": "ban users", "moderation.ban_address": "ban users with their addresses", "moderation.unban": "lift bans",
	"moderation.mute": "mute users", "moderation.shadow_mute": "mute users without their knowledge", "moderation.unmute": "lift mutes",
	"moderation.rank": "change the ranks of users", "moderation.clear": "clear the chat",
	"channel.motd": "change the message of the day", "channel.css": "change the channel's CSS", "channel.js": "change the channel's JavaScript, which runs in everybody's browser",
	"channel.options": "change the channel's options", "channel.permissions": "change the channel's permissions", "channel.emote": "change an emote",
	"channel.emotes": "replace all emotes", "channel.filter": "change a chat filter", "channel.filters": "replace all chat filters",
	"user.afk": "mark the bot as away",
}

// areas are the areas of abilities, in plain words.
var areas = map[string]string{
	"media": "change the playlist in any way", "poll": "open, close and vote in polls", "moderation": "kick, ban and mute users, and change their ranks",
	"channel": "change everything of the channel: its options, permissions, emotes, filters, CSS and JavaScript", "user": "mark the bot as away",
}

// Abilities lists what can be asked of a channel, as AREA.ABILITY.
func Abilities() []string { return slices.Sorted(maps.Keys(abilities)) }

// aliases are other words for capabilities.
var aliases = map[string]string{
	"playlist": "media.*", "playlist.add": "media.queue", "emote": CapabilityChat,
	"read:chat": "read:" + SubjectChat, "read:pm": "read:" + SubjectPM, "read:users": "read:cytube.user.>", "read:media": "read:cytube.media.>",
}

// ParseCapability returns a capability in its usual form: playlist.* is media.*, moderation is
// moderation.*, and read:chat is read:cytube.chat. It leaves the subject of read: to the
// caller, and returns an INVALID_INPUT error for what is no capability.
func ParseCapability(text string) (string, error) {
	c := strings.TrimSpace(text)
	if to, ok := aliases[c]; ok {
		c = to
	}
	if ability, ok := strings.CutPrefix(c, "playlist."); ok {
		c = "media." + ability
	}
	if _, ok := areas[c]; ok {
		c += ".*"
	}
	kind, of, argued := strings.Cut(c, ":")
	area, ability, _ := strings.Cut(c, ".")
	_, isArea := areas[area]
	_, isAbility := abilities[c]
	switch {
	case c == CapabilityChat, c == CapabilityPM, c == CapabilityStorage, isAbility, isArea && ability == "*":
	case argued && kind == KindRead && of != "":
	case argued && kind == KindStorage && ValidName(strings.TrimSuffix(of, ":read")):
	case argued && kind == KindRequest && (of == "*" || ValidName(of)):
	default:
		return "", Errorf(InvalidInput, "%q is not a capability: write for example chat, pm, playlist.add, moderation.kick, moderation.*, read:chat, read:%s, storage, storage:quotes or request:trivia",
			text, SubjectUserJoin).With("field", "capabilities")
	}
	return c, nil
}

// Describe says in plain words what a capability lets a plugin do.
func Describe(capability string) string {
	kind, of, argued := strings.Cut(capability, ":")
	area, isArea := strings.CutSuffix(capability, ".*")
	switch {
	case capability == CapabilityChat:
		return "speak in the channel"
	case capability == CapabilityPM:
		return "send private messages"
	case capability == CapabilityStorage:
		return "keep records in collections of its own"
	case capability == CapabilityPublic:
		return "read what happens in the channel, but private messages, as far as its registration names it"
	case capability == "read:>":
		return "read all events, private messages too"
	case capability == "read:"+SubjectChat:
		return "read the chat"
	case capability == "read:"+SubjectPM:
		return "read private messages to the bot"
	case argued && kind == KindRead:
		return "read events of " + of
	case argued && kind == KindStorage && strings.HasSuffix(of, ":read"):
		return "read the collection " + strings.TrimSuffix(of, ":read")
	case argued && kind == KindStorage:
		return "read and write the collection " + of
	case capability == "request:*":
		return "make requests to other plugins"
	case argued && kind == KindRequest:
		return "make requests to the plugin " + of
	case isArea && areas[area] != "":
		return areas[area]
	case abilities[capability] != "":
		return abilities[capability]
	}
	return capability
}

// Has reports whether a capability is among them.
func (c Capabilities) Has(capability string) bool { return slices.Contains(c, capability) }

// can reports whether they allow an ability.
func (c Capabilities) can(ability string) bool {
	area, _, _ := strings.Cut(ability, ".")
	return c.Has(ability) || c.Has(area+".*")
}

// Lacking lists those of asked, in their usual form, that they do not have.
func (c Capabilities) Lacking(asked []string) (list []string) {
	for _, text := range asked {
		if one, err := ParseCapability(text); err == nil && !c.can(one) {
			list = append(list, one)
		}
	}
	return list
}

// Sends lists the subjects of what they allow to ask of a channel, such as
// cytube.send.media.skip.
func (c Capabilities) Sends() (subjects []string) {
	var usual Capabilities
	for _, text := range c {
		if one, err := ParseCapability(text); err == nil {
			usual = append(usual, one)
		}
	}
	for _, ability := range Abilities() {
		if usual.can(ability) {
			subjects = append(subjects, sendPrefix+ability)
		}
	}
	return subjects
}

// What the subjects of sends and of requests for abilities begin with.
const (
	sendPrefix      = "cytube.send."
	channelRequests = "plugin.channel.request."
)

// Allow returns a PERMISSION_DENIED error, which says what would allow it, if they do not
// allow to publish on a subject, or to make a request on it. What they say nothing of, such as
// the plugin's own events, is allowed.
func (c Capabilities) Allow(plugin, subject string) error {
	needed := ""
	if said, ok := strings.CutPrefix(subject, sendPrefix); ok {
		switch said {
		case "chat", "emote":
			needed = CapabilityChat
		default:
			needed = said // pm, or an ability
		}
	} else if ability, ok := strings.CutPrefix(subject, channelRequests); ok && strings.Contains(ability, ".") {
		needed = ability // the bot does in the channel what is asked there
	} else if strings.HasPrefix(subject, "database.") {
		needed = CapabilityStorage
	} else if to, ok := requestTo(subject); ok {
		needed = KindRequest + ":" + to
	}
	if needed == "" || c.can(needed) || needed == CapabilityStorage && c.stores() || strings.HasPrefix(needed, KindRequest+":") && c.Has("request:*") {
		return nil
	}
	return Errorf(PermissionDenied, "plugin %s may not %s: rosey plugin grant %s %s lets it", plugin, Describe(needed), plugin, needed).With("capability", needed)
}

// requestTo returns the plugin that a request goes to.
func requestTo(subject string) (plugin string, ok bool) {
	tokens := strings.Split(subject, ".")
	if len(tokens) < 3 || tokens[0] != "plugin" || tokens[2] != "request" {
		return "", false
	}
	return tokens[1], true
}

// stores reports whether they allow the use of any collection.
func (c Capabilities) stores() bool {
	return slices.ContainsFunc(c, func(one string) bool {
		return one == CapabilityStorage || strings.HasPrefix(one, KindStorage+":")
	})
}

// Stores reports whether they name a collection for reading, or for writing, too.
func (c Capabilities) Stores(collection string, write bool) bool {
	name := KindStorage + ":" + collection
	return c.Has(name) || !write && c.Has(name+":read")
}

// Reads lists the patterns of events that they name for reading.
func (c Capabilities) Reads() (patterns []string) {
	for _, one := range c {
		if pattern, ok := strings.CutPrefix(one, KindRead+":"); ok && one != CapabilityPublic {
			patterns = append(patterns, pattern)
		}
	}
	return patterns
}

// Subjects returns the subjects that they allow to publish on, in the form of a server's
// permissions, and those of requests that they do not allow.
func (c Capabilities) Subjects() (allow, deny []string) {
	add := func(capability string, subjects ...string) {
		if c.Has(capability) {
			allow = append(allow, subjects...)
		}
	}
	add(CapabilityChat, SubjectSendChat, SubjectSendEmote)
	add(CapabilityPM, SubjectSendPM)
	for area := range areas {
		all := area + ".*"
		if c.Has(all) {
			allow = append(allow, sendPrefix+all, channelRequests+all)
			continue
		}
		asks := false
		for ability := range abilities {
			if strings.HasPrefix(ability, area+".") && c.Has(ability) {
				allow, asks = append(allow, sendPrefix+ability, channelRequests+ability), true
			}
		}
		if !asks {
			deny = append(deny, channelRequests+all)
		}
	}
	add("request:*", RequestSubject("*"), RequestSubject("*", ">"))
	for _, one := range c {
		if to, ok := strings.CutPrefix(one, KindRequest+":"); ok && to != "*" {
			allow = append(allow, RequestSubject(to), RequestSubject(to, ">"))
		}
	}
	if c.stores() {
		allow = append(allow, AllDatabase)
	}
	slices.Sort(allow)
	slices.Sort(deny)
	return allow, deny
}
