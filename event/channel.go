package event

import "encoding/json"

// Subjects of events that are heard in a channel, beside those of the contract's first
// version.
const (
	SubjectMediaMove    = "cytube.media.move"
	SubjectMediaTemp    = "cytube.media.temp"
	SubjectMediaShuffle = "cytube.media.shuffle"
	SubjectMediaClear   = "cytube.media.clear"
	SubjectMediaLock    = "cytube.media.lock"
	SubjectMediaLeader  = "cytube.media.leader"
	SubjectMediaStop    = "cytube.media.stop"
	SubjectMediaVote    = "cytube.media.vote"

	SubjectMediaPosition = "cytube.media.position"

	SubjectPollOpen   = "cytube.poll.open"
	SubjectPollUpdate = "cytube.poll.update"
	SubjectPollClose  = "cytube.poll.close"

	SubjectUserAFK     = "cytube.user.afk"
	SubjectUserCount   = "cytube.user.count"
	SubjectUserAliases = "cytube.user.aliases"

	SubjectMOTD         = "cytube.channel.motd"
	SubjectCSS          = "cytube.channel.css"
	SubjectJS           = "cytube.channel.js"
	SubjectOptions      = "cytube.channel.options"
	SubjectPermissions  = "cytube.channel.permissions"
	SubjectEmote        = "cytube.channel.emote"
	SubjectFilter       = "cytube.channel.filter"
	SubjectAnnouncement = "cytube.channel.announcement"
	SubjectDrinks       = "cytube.channel.drinks"
	SubjectBans         = "cytube.channel.bans"
	SubjectRanks        = "cytube.channel.ranks"

	SubjectState = "cytube.state" // a part of the channel as it was found

	SubjectUnknown = "cytube.unknown" // a frame that the bot does not know
)

// The actions of a Definition.
const (
	DefinitionAdd    = "add"
	DefinitionUpdate = "update"
	DefinitionRename = "rename"
	DefinitionRemove = "remove"
)

// MediaMove is the payload of cytube.media.move: an item has another place on the
// playlist. After is the uid of the item before it, absent for the first place.
type MediaMove struct {
	UID     int    `json:"uid" contract:"required"`
	After   *int   `json:"after"`
	Title   string `json:"title" contract:"required" mark:"text"`
	URL     string `json:"url" contract:"required" mark:"text"`
	Type    string `json:"type" contract:"required"`
	Channel string `json:"channel" contract:"nonempty"`
	Time    int64  `json:"time" contract:"required,nonnegative"` // ms
	Extra   `json:"-"`
}

// MediaTemp is the payload of cytube.media.temp: an item stays on the playlist when it
// was played, or no longer does.
type MediaTemp struct {
	UID     int    `json:"uid" contract:"required"`
	Temp    bool   `json:"temp" contract:"required"`
	Title   string `json:"title" contract:"required" mark:"text"`
	URL     string `json:"url" contract:"required" mark:"text"`
	Type    string `json:"type" contract:"required"`
	Channel string `json:"channel" contract:"nonempty"`
	Time    int64  `json:"time" contract:"required,nonnegative"` // ms
	Extra   `json:"-"`
}

// MediaShuffle is the payload of cytube.media.shuffle: the items have new uids, in a new
// order. Was has the old uid of each.
type MediaShuffle struct {
	UIDs    []int  `json:"uids" contract:"required"`
	Was     []int  `json:"was" contract:"required"`
	Channel string `json:"channel" contract:"nonempty"`
	Time    int64  `json:"time" contract:"required,nonnegative"` // ms
	Extra   `json:"-"`
}

// Count is the payload of cytube.media.clear, which has the number of items that were
// removed, of cytube.channel.drinks, and of cytube.user.count, which has how many are
// there, guests without a name too.
type Count struct {
	Count   int    `json:"count" contract:"required"`
	Channel string `json:"channel" contract:"nonempty"`
	Time    int64  `json:"time" contract:"required,nonnegative"` // ms
	Extra   `json:"-"`
}

// MediaLock is the payload of cytube.media.lock.
type MediaLock struct {
	Locked  bool   `json:"locked" contract:"required"`
	Channel string `json:"channel" contract:"nonempty"`
	Time    int64  `json:"time" contract:"required,nonnegative"` // ms
	Extra   `json:"-"`
}

// MediaLeader is the payload of cytube.media.leader: who sets the position of the
// players, "" if that is the server.
type MediaLeader struct {
	User    string `json:"user" contract:"required" mark:"person"`
	Channel string `json:"channel" contract:"nonempty"`
	Time    int64  `json:"time" contract:"required,nonnegative"` // ms
	Extra   `json:"-"`
}

// MediaStop is the payload of cytube.media.stop: nothing plays any more.
type MediaStop struct {
	Title   string `json:"title" contract:"required" mark:"text"`
	URL     string `json:"url" contract:"required" mark:"text"`
	Type    string `json:"type" contract:"required"`
	Channel string `json:"channel" contract:"nonempty"`
	Time    int64  `json:"time" contract:"required,nonnegative"` // ms
	Extra   `json:"-"`
}

// The kinds of a MediaPosition.
const (
	PositionPause  = "pause"
	PositionResume = "resume"
	PositionSeek   = "seek"
)

// MediaPosition is the payload of cytube.media.position: what plays was paused or goes on,
// or is elsewhere than time alone brought it to.
type MediaPosition struct {
	Position float64 `json:"position" contract:"required,nonnegative"` // seconds
	Paused   bool    `json:"paused" contract:"required"`
	Kind     string  `json:"kind" contract:"nonempty,oneof=pause|resume|seek"`
	Channel  string  `json:"channel" contract:"nonempty"`
	Time     int64   `json:"time" contract:"required,nonnegative"` // ms
	Extra    `json:"-"`
}

// MediaVote is the payload of cytube.media.vote: votes to skip what plays.
type MediaVote struct {
	Count   int    `json:"count" contract:"required,nonnegative"`
	Need    int    `json:"need" contract:"required,nonnegative"`
	Passed  bool   `json:"passed" contract:"required"`
	Channel string `json:"channel" contract:"nonempty"`
	Time    int64  `json:"time" contract:"required,nonnegative"` // ms
	Extra   `json:"-"`
}

// Poll is the payload of cytube.poll.open, .update and .close. Poll refers to the event
// that says that it was opened, and is "" in that and where none was stored. Counts are
// all 0 where they are hidden from the bot.
type Poll struct {
	Poll    string   `json:"poll" contract:"required"` // STREAM:SEQ
	Title   string   `json:"title" contract:"required" mark:"text"`
	Options []string `json:"options" contract:"required" mark:"text"`
	Counts  []int    `json:"counts" contract:"required"`
	Hidden  bool     `json:"hidden" contract:"required"`
	By      string   `json:"by" contract:"required" mark:"person"`
	Channel string   `json:"channel" contract:"nonempty"`
	Time    int64    `json:"time" contract:"required,nonnegative"` // ms
	Extra   `json:"-"`
}

// UserAFK is the payload of cytube.user.afk.
type UserAFK struct {
	User    string `json:"user" contract:"nonempty" mark:"person"`
	AFK     bool   `json:"afk" contract:"required"`
	Channel string `json:"channel" contract:"nonempty"`
	Time    int64  `json:"time" contract:"required,nonnegative"` // ms
	Extra   `json:"-"`
}

// UserAliases is the payload of cytube.user.aliases: other names that were seen from the
// addresses of a user who joined, as the server tells moderators.
type UserAliases struct {
	User    string   `json:"user" contract:"nonempty" mark:"person"`
	Aliases []string `json:"aliases" contract:"required" mark:"person"`
	Channel string   `json:"channel" contract:"nonempty"`
	Time    int64    `json:"time" contract:"required,nonnegative"` // ms
	Extra   `json:"-"`
}

// Ban is an entry of a channel's list of bans. Of a banned address it does not say which.
type Ban struct {
	ID      int    `json:"id"`
	Name    string `json:"name" mark:"person"`
	Address bool   `json:"address"` // an address of theirs is banned, not the name
	Reason  string `json:"reason" mark:"text"`
	By      string `json:"by" mark:"person"`
}

// ChannelBans is the payload of cytube.channel.bans: the channel's list of bans.
type ChannelBans struct {
	Values  []Ban  `json:"values" contract:"required"`
	Channel string `json:"channel" contract:"nonempty"`
	Time    int64  `json:"time" contract:"required,nonnegative"` // ms
	Extra   `json:"-"`
}

// RankOf is an entry of a channel's list of ranks.
type RankOf struct {
	Name string  `json:"name" mark:"person"`
	Rank float64 `json:"rank"`
}

// ChannelRanks is the payload of cytube.channel.ranks: who has a rank in the channel.
type ChannelRanks struct {
	Values  []RankOf `json:"values" contract:"required"`
	Channel string   `json:"channel" contract:"nonempty"`
	Time    int64    `json:"time" contract:"required,nonnegative"` // ms
	Extra   `json:"-"`
}

// State is the payload of cytube.state: a part of the channel as it was found, where the
// events before do not add up to that. The value of a long list comes in pages; Hash is of
// the whole. Emotes and filters of releases before they were Ordered are by name.
type State struct {
	Part    string          `json:"part" contract:"nonempty"`
	Value   json.RawMessage `json:"value"` // null: the part cannot be seen
	Page    int             `json:"page" contract:"required,nonnegative"`
	Pages   int             `json:"pages" contract:"required,nonnegative"`
	Hash    string          `json:"hash" contract:"required"`
	Ordered bool            `json:"ordered,omitempty"` // emotes or filters, in the channel's order
	Channel string          `json:"channel" contract:"nonempty"`
	Time    int64           `json:"time" contract:"required,nonnegative"` // ms
	Extra   `json:"-"`
}

// stateFields are the marked fields of a State's value, by what the parts have.
var stateFields = []Field{
	{Name: "value.name", Mark: MarkPerson}, {Name: "value.queued_by", Mark: MarkPerson}, {Name: "value.by", Mark: MarkPerson},
	{Name: "value.reason", Mark: MarkText}, {Name: "value.title", Mark: MarkText},
}

// ChannelText is the payload of cytube.channel.motd, .css and .js.
type ChannelText struct {
	Value   string `json:"value" contract:"required" mark:"text"`
	Channel string `json:"channel" contract:"nonempty"`
	Time    int64  `json:"time" contract:"required,nonnegative"` // ms
	Extra   `json:"-"`
}

// ChannelValues is the payload of cytube.channel.options and .permissions: all values,
// and the old and the new one of each that changed. Of the channel's password it says
// only whether there is one.
type ChannelValues struct {
	Values  map[string]json.RawMessage   `json:"values" contract:"required"`
	Changed map[string][]json.RawMessage `json:"changed" contract:"required"`
	Channel string                       `json:"channel" contract:"nonempty"`
	Time    int64                        `json:"time" contract:"required,nonnegative"` // ms
	Extra   `json:"-"`
}

// Definition is the payload of cytube.channel.emote and .filter. Was is the old name of
// what was renamed. Extra has the definition as the server sends it.
type Definition struct {
	Action  string `json:"action" contract:"nonempty,oneof=add|update|rename|remove"`
	Name    string `json:"name" contract:"required" mark:"text"`
	Was     string `json:"was" contract:"required" mark:"text"`
	Channel string `json:"channel" contract:"nonempty"`
	Time    int64  `json:"time" contract:"required,nonnegative"` // ms
	Extra   `json:"-"`
}

// Announcement is the payload of cytube.channel.announcement: a notice of the site's.
type Announcement struct {
	Title   string `json:"title" contract:"required" mark:"text"`
	Text    string `json:"text" contract:"required" mark:"text"`
	By      string `json:"by" contract:"required" mark:"person"`
	Channel string `json:"channel" contract:"nonempty"`
	Time    int64  `json:"time" contract:"required,nonnegative"` // ms
	Extra   `json:"-"`
}

// Unknown is the payload of cytube.unknown: a frame that the bot does not know, by its
// name and the length of its arguments.
type Unknown struct {
	Name    string `json:"name" contract:"required"`
	Bytes   int    `json:"bytes" contract:"required,nonnegative"`
	Channel string `json:"channel" contract:"nonempty"`
	Time    int64  `json:"time" contract:"required,nonnegative"` // ms
	Extra   `json:"-"`
}
