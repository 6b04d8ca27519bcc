package event

import (
	"encoding/json"
	"errors"
)

// Subjects of what is asked of a channel beside speaking (contract: Asked of the
// channel). Each ends in one cytube.delivery.
const (
	SubjectSendMediaQueue      = "cytube.send.media.queue"
	SubjectSendMediaDelete     = "cytube.send.media.delete"
	SubjectSendMediaJump       = "cytube.send.media.jump"
	SubjectSendMediaTemp       = "cytube.send.media.temp"
	SubjectSendMediaMove       = "cytube.send.media.move"
	SubjectSendMediaSkip       = "cytube.send.media.skip"
	SubjectSendMediaShuffle    = "cytube.send.media.shuffle"
	SubjectSendMediaClear      = "cytube.send.media.clear"
	SubjectSendMediaVote       = "cytube.send.media.vote"
	SubjectSendMediaLock       = "cytube.send.media.lock"
	SubjectSendMediaLeader     = "cytube.send.media.leader"
	SubjectSendMediaSaveList   = "cytube.send.media.save_list"
	SubjectSendMediaQueueList  = "cytube.send.media.queue_list"
	SubjectSendMediaDeleteList = "cytube.send.media.delete_list"

	SubjectSendPollOpen  = "cytube.send.poll.open"
	SubjectSendPollClose = "cytube.send.poll.close"
	SubjectSendPollVote  = "cytube.send.poll.vote"

	SubjectSendKick       = "cytube.send.moderation.kick"
	SubjectSendBan        = "cytube.send.moderation.ban"
	SubjectSendBanAddress = "cytube.send.moderation.ban_address"
	SubjectSendUnban      = "cytube.send.moderation.unban"
	SubjectSendMute       = "cytube.send.moderation.mute"
	SubjectSendShadowMute = "cytube.send.moderation.shadow_mute"
	SubjectSendUnmute     = "cytube.send.moderation.unmute"
	SubjectSendRank       = "cytube.send.moderation.rank"
	SubjectSendClear      = "cytube.send.moderation.clear"

	SubjectSendMOTD          = "cytube.send.channel.motd"
	SubjectSendCSS           = "cytube.send.channel.css"
	SubjectSendJS            = "cytube.send.channel.js"
	SubjectSendOptions       = "cytube.send.channel.options"
	SubjectSendPermissions   = "cytube.send.channel.permissions"
	SubjectSendChannelEmote  = "cytube.send.channel.emote"
	SubjectSendChannelEmotes = "cytube.send.channel.emotes"
	SubjectSendFilter        = "cytube.send.channel.filter"
	SubjectSendFilters       = "cytube.send.channel.filters"

	SubjectSendAFK = "cytube.send.user.afk"
)

// The positions of a SendMediaQueue and a SendQueueList.
const (
	PositionEnd  = "end"
	PositionNext = "next"
)

// The places of a SendMediaMove beside a uid.
const (
	PlaceFirst ID = "first"
	PlaceLast  ID = "last"
)

// SendMediaQueue is the payload of cytube.send.media.queue: an item is to be put on the
// playlist, by its URL or by its type and ID.
type SendMediaQueue struct {
	URL      string  `json:"url,omitempty" mark:"text"`
	Type     string  `json:"type,omitempty"`           // the server's name of a site, such as yt
	ID       string  `json:"id,omitempty" mark:"text"` // on that site
	Position string  `json:"position,omitempty" contract:"oneof=end|next"`
	Temp     bool    `json:"temp,omitempty"`                            // it leaves the playlist when it was played
	Title    string  `json:"title,omitempty" mark:"text"`               // of types cu and fi
	Duration float64 `json:"duration,omitempty" contract:"nonnegative"` // in seconds, of type hl

	Channel string `json:"channel,omitempty"`
	For     string `json:"for,omitempty" mark:"person"` // on whose wish
	Reason  string `json:"reason,omitempty" mark:"text"`
	Extra   `json:"-"`
}

func (s *SendMediaQueue) check() (string, error) {
	switch {
	case s.URL == "" && (s.Type == "" || s.ID == ""):
		return "url", errors.New("is required where there is no type and id")
	case s.URL != "" && s.Type+s.ID != "":
		return "url", errors.New("does not go together with type and id")
	}
	return "", nil
}

// SendItem is the payload of cytube.send.media.delete and .jump.
type SendItem struct {
	UID     int    `json:"uid" contract:"required,nonnegative"`
	Channel string `json:"channel,omitempty"`
	For     string `json:"for,omitempty" mark:"person"` // on whose wish
	Reason  string `json:"reason,omitempty" mark:"text"`
	Extra   `json:"-"`
}

// SendMediaTemp is the payload of cytube.send.media.temp.
type SendMediaTemp struct {
	UID     int    `json:"uid" contract:"required,nonnegative"`
	Temp    bool   `json:"temp" contract:"required"`
	Channel string `json:"channel,omitempty"`
	For     string `json:"for,omitempty" mark:"person"` // on whose wish
	Reason  string `json:"reason,omitempty" mark:"text"`
	Extra   `json:"-"`
}

// SendMediaMove is the payload of cytube.send.media.move: After is the uid of the item
// after which the other goes, PlaceFirst or PlaceLast.
type SendMediaMove struct {
	UID     int    `json:"uid" contract:"required,nonnegative"`
	After   ID     `json:"after" contract:"required"`
	Channel string `json:"channel,omitempty"`
	For     string `json:"for,omitempty" mark:"person"` // on whose wish
	Reason  string `json:"reason,omitempty" mark:"text"`
	Extra   `json:"-"`
}

func (s *SendMediaMove) check() (string, error) {
	if uid, ok := s.After.Int(); ok && uid >= 0 || s.After == PlaceFirst || s.After == PlaceLast {
		return "", nil
	}
	return "after", errors.New("must be a uid, first or last")
}

// SendBare is the payload of what needs no argument: cytube.send.media.skip, .shuffle,
// .clear and .vote, cytube.send.poll.close and cytube.send.moderation.clear.
type SendBare struct {
	Channel string `json:"channel,omitempty"`
	For     string `json:"for,omitempty" mark:"person"` // on whose wish
	Reason  string `json:"reason,omitempty" mark:"text"`
	Extra   `json:"-"`
}

// SendMediaLock is the payload of cytube.send.media.lock.
type SendMediaLock struct {
	Locked  bool   `json:"locked" contract:"required"`
	Channel string `json:"channel,omitempty"`
	For     string `json:"for,omitempty" mark:"person"` // on whose wish
	Reason  string `json:"reason,omitempty" mark:"text"`
	Extra   `json:"-"`
}

// SendMediaLeader is the payload of cytube.send.media.leader: User is to set the position
// of the players, the server if that is "".
type SendMediaLeader struct {
	User    string `json:"user" contract:"required" mark:"person"`
	Channel string `json:"channel,omitempty"`
	For     string `json:"for,omitempty" mark:"person"` // on whose wish
	Reason  string `json:"reason,omitempty" mark:"text"`
	Extra   `json:"-"`
}

// SendList is the payload of cytube.send.media.save_list and .delete_list: the bot's
// account saves the playlist under a name, or deletes a saved one.
type SendList struct {
	Name    string `json:"name" contract:"nonempty" mark:"text"`
	Channel string `json:"channel,omitempty"`
	For     string `json:"for,omitempty" mark:"person"` // on whose wish
	Reason  string `json:"reason,omitempty" mark:"text"`
	Extra   `json:"-"`
}

// SendQueueList is the payload of cytube.send.media.queue_list: the items of a saved
// playlist are to be put on the playlist.
type SendQueueList struct {
	Name     string `json:"name" contract:"nonempty" mark:"text"`
	Position string `json:"position,omitempty" contract:"oneof=end|next"`
	Temp     bool   `json:"temp,omitempty"`
	Channel  string `json:"channel,omitempty"`
	For      string `json:"for,omitempty" mark:"person"` // on whose wish
	Reason   string `json:"reason,omitempty" mark:"text"`
	Extra    `json:"-"`
}

// SendPollOpen is the payload of cytube.send.poll.open.
type SendPollOpen struct {
	Title       string   `json:"title" contract:"nonempty" mark:"text"`
	Options     []string `json:"options" contract:"required" mark:"text"`
	Hidden      bool     `json:"hidden,omitempty"`                         // the counts, until the poll is closed
	Timeout     int      `json:"timeout,omitempty" contract:"nonnegative"` // in seconds, none if 0
	RetainVotes bool     `json:"retain_votes,omitempty"`                   // also of those who leave
	Channel     string   `json:"channel,omitempty"`
	For         string   `json:"for,omitempty" mark:"person"` // on whose wish
	Reason      string   `json:"reason,omitempty" mark:"text"`
	Extra       `json:"-"`
}

// SendPollVote is the payload of cytube.send.poll.vote: Option counts from 0.
type SendPollVote struct {
	Option  int    `json:"option" contract:"required,nonnegative"`
	Channel string `json:"channel,omitempty"`
	For     string `json:"for,omitempty" mark:"person"` // on whose wish
	Reason  string `json:"reason,omitempty" mark:"text"`
	Extra   `json:"-"`
}

// SendModeration is the payload of cytube.send.moderation.kick, .ban, .unban, .mute,
// .shadow_mute and .unmute. The server shows Reason to who is kicked, and keeps it with a
// ban.
type SendModeration struct {
	User    string `json:"user" contract:"nonempty" mark:"person"`
	Channel string `json:"channel,omitempty"`
	For     string `json:"for,omitempty" mark:"person"` // on whose wish
	Reason  string `json:"reason,omitempty" mark:"text"`
	Extra   `json:"-"`
}

// SendBanAddress is the payload of cytube.send.moderation.ban_address: a user and every
// address the user was seen from. Range bans the network of each address, "range", or a
// wider one, "wrange".
type SendBanAddress struct {
	User    string `json:"user" contract:"nonempty" mark:"person"`
	Range   string `json:"range,omitempty" contract:"oneof=range|wrange"`
	Channel string `json:"channel,omitempty"`
	For     string `json:"for,omitempty" mark:"person"` // on whose wish
	Reason  string `json:"reason,omitempty" mark:"text"`
	Extra   `json:"-"`
}

// SendRank is the payload of cytube.send.moderation.rank.
type SendRank struct {
	User    string  `json:"user" contract:"nonempty" mark:"person"`
	Rank    float64 `json:"rank" contract:"required,nonnegative"`
	Channel string  `json:"channel,omitempty"`
	For     string  `json:"for,omitempty" mark:"person"` // on whose wish
	Reason  string  `json:"reason,omitempty" mark:"text"`
	Extra   `json:"-"`
}

// SendText is the payload of cytube.send.channel.motd, .css and .js.
type SendText struct {
	Value   string `json:"value" contract:"required" mark:"text"`
	Channel string `json:"channel,omitempty"`
	For     string `json:"for,omitempty" mark:"person"` // on whose wish
	Reason  string `json:"reason,omitempty" mark:"text"`
	Extra   `json:"-"`
}

// SendValues is the payload of cytube.send.channel.options and .permissions: only what is
// to change, as the server names it.
type SendValues struct {
	Values  map[string]json.RawMessage `json:"values" contract:"required"`
	Channel string                     `json:"channel,omitempty"`
	For     string                     `json:"for,omitempty" mark:"person"` // on whose wish
	Reason  string                     `json:"reason,omitempty" mark:"text"`
	Extra   `json:"-"`
}

func (s *SendValues) check() (string, error) {
	if len(s.Values) == 0 {
		return "values", errors.New("must name what is to change")
	}
	if raw, has := s.Values["password"]; has && string(raw) != `""` {
		return "values.password", errors.New("must be \"\", for none: a password would stay in the stored events; set it in the channel's settings on the site")
	}
	return "", nil
}

// SendDefinition is the payload of cytube.send.channel.emote and .filter. Was is the
// present name of an emote that is to be renamed. Extra has the rest of the definition as
// in a Definition: image of an emote; source, flags, replace, active and filterlinks of a
// filter.
type SendDefinition struct {
	Action  string `json:"action" contract:"nonempty,oneof=add|update|rename|remove"`
	Name    string `json:"name" contract:"nonempty" mark:"text"`
	Was     string `json:"was,omitempty" mark:"text"`
	Channel string `json:"channel,omitempty"`
	For     string `json:"for,omitempty" mark:"person"` // on whose wish
	Reason  string `json:"reason,omitempty" mark:"text"`
	Extra   `json:"-"`
}

func (s *SendDefinition) check() (string, error) {
	if s.Action == DefinitionRename && s.Was == "" {
		return "was", errors.New("is required for a rename")
	}
	return "", nil
}

// SendDefinitions is the payload of cytube.send.channel.emotes and .filters: all emotes or
// filters, as the server has them, replace those that there are.
type SendDefinitions struct {
	Values  []json.RawMessage `json:"values" contract:"required"`
	Channel string            `json:"channel,omitempty"`
	For     string            `json:"for,omitempty" mark:"person"` // on whose wish
	Reason  string            `json:"reason,omitempty" mark:"text"`
	Extra   `json:"-"`
}

// SendAFK is the payload of cytube.send.user.afk.
type SendAFK struct {
	AFK     bool   `json:"afk" contract:"required"`
	Channel string `json:"channel,omitempty"`
	For     string `json:"for,omitempty" mark:"person"` // on whose wish
	Reason  string `json:"reason,omitempty" mark:"text"`
	Extra   `json:"-"`
}
