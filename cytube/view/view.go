package view

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"strings"

	"github.com/rosey-bot/rosey/event"
)

// View is a channel at one moment, as far as it is known: a nil slice, map or pointer is
// a part that is not known. Its JSON names are those of the parts.
type View struct {
	Channel string `json:"channel"`
	Epoch   int64  `json:"epoch,omitempty"`    // in which the uids were given, see event.Connection
	NextUID int    `json:"next_uid,omitempty"` // above all uids that were given in the epoch

	Playlist    []Item                     `json:"playlist"`
	Playing     *Playing                   `json:"playing"` // nil while nothing plays
	Users       []User                     `json:"users"`   // by name; guests without one are not among them
	Count       *int                       `json:"count"`   // who is there, guests without a name too
	MOTD        *string                    `json:"motd"`
	CSS         *string                    `json:"css"`
	JS          *string                    `json:"js"`
	Options     map[string]json.RawMessage `json:"options"`
	Permissions map[string]json.RawMessage `json:"permissions"`
	Emotes      []Definition               `json:"emotes"`            // see Ordered
	Filters     []Definition               `json:"filters"`           // see Ordered
	Ordered     []string                   `json:"ordered,omitempty"` // of the parts emotes and filters, those that are in the channel's order
	Bans        []event.Ban                `json:"bans"`
	Ranks       []event.RankOf             `json:"ranks"` // of all who have one, also of those who are not here
	Lock        *bool                      `json:"lock"`
	Leader      string                     `json:"leader"` // who sets the position of the players, "" while the server does
	Poll        *Poll                      `json:"poll"`   // that is open, nil if none is
	Votes       *Votes                     `json:"votes"`  // to skip what plays, nil if nobody voted

	pages map[string][]json.RawMessage // of a cytube.state that is not whole yet
}

// Item is an item of the playlist.
type Item struct {
	UID      int    `json:"uid"`
	Title    string `json:"title"`
	URL      string `json:"url"`
	Type     string `json:"type"`
	Duration int    `json:"duration"` // seconds
	QueuedBy string `json:"queued_by"`
	Temp     bool   `json:"temp"`
}

// Playing is what plays.
type Playing struct {
	UID      *int    `json:"uid,omitempty"` // of its item on the playlist, where an event says it
	Title    string  `json:"title"`
	URL      string  `json:"url"`
	Type     string  `json:"type"`
	Duration int     `json:"duration"` // seconds
	QueuedBy string  `json:"queued_by"`
	Position float64 `json:"position"` // in seconds, at At
	Paused   bool    `json:"paused"`
	At       int64   `json:"at"` // ms
}

// PositionAt returns the position in seconds at a time in ms.
func (p Playing) PositionAt(ms int64) float64 {
	if p.Paused || ms < p.At {
		return p.Position
	}
	position := p.Position + float64(ms-p.At)/1000
	if p.Duration > 0 {
		position = min(position, float64(p.Duration))
	}
	return position
}

// Votes are those to skip what plays.
type Votes struct {
	Count int `json:"count"`
	Need  int `json:"need"`
}

// User is a user who is in the channel.
type User struct {
	Name string `json:"name"`
	Rank int    `json:"rank"` // as in the contract: 0 guest, 1 user, 2 moderator, 3 admin and up
	AFK  bool   `json:"afk,omitempty"`
	Mute string `json:"mute,omitempty"` // event.ActionMute or event.ActionShadowMute
}

// Poll is a poll that is open.
type Poll struct {
	Poll    string   `json:"poll"` // where the event that opened it is stored
	Title   string   `json:"title"`
	Options []string `json:"options"`
	Counts  []int    `json:"counts"`
	Hidden  bool     `json:"hidden"`
	By      string   `json:"by"`
	Opened  int64    `json:"opened"` // ms
}

// New returns the view of a channel of which nothing is known.
func New(channel string) *View { return &View{Channel: channel} }

// field returns the pointer to a part.
func (v *View) field(part string) any {
	switch part {
	case PartPlaylist:
		return &v.Playlist
	case PartUsers:
		return &v.Users
	case PartMOTD:
		return &v.MOTD
	case PartCSS:
		return &v.CSS
	case PartJS:
		return &v.JS
	case PartOptions:
		return &v.Options
	case PartPermissions:
		return &v.Permissions
	case PartEmotes:
		return &v.Emotes
	case PartFilters:
		return &v.Filters
	case PartBans:
		return &v.Bans
	case PartRanks:
		return &v.Ranks
	case PartLock:
		return &v.Lock
	case PartLeader:
		return &v.Leader
	case PartPoll:
		return &v.Poll
	}
	return nil
}

// Part returns a part as JSON, null if it is not known.
func (v *View) Part(part string) json.RawMessage {
	field := v.field(part)
	if field == nil {
		return json.RawMessage("null")
	}
	return marshal(reflect.ValueOf(field).Elem().Interface())
}

// setPart sets a part from JSON.
func (v *View) setPart(part string, value json.RawMessage) error {
	field := v.field(part)
	if field == nil {
		return nil // of a later release
	}
	fresh := reflect.New(reflect.TypeOf(field).Elem())
	if err := json.Unmarshal(value, fresh.Interface()); err != nil {
		return err
	}
	reflect.ValueOf(field).Elem().Set(fresh.Elem())
	return nil
}

// differs returns the parts that are not the same in two views, sorted.
func (v *View) differs(w *View) (parts []string) {
	for _, part := range Parts() {
		if !bytes.Equal(v.Part(part), w.Part(part)) {
			parts = append(parts, part)
		}
	}
	return parts
}

// user returns the place of a user, or where the user would stand.
func (v *View) user(name string) (int, bool) {
	return slices.BinarySearchFunc(v.Users, strings.ToLower(name), func(u User, key string) int {
		return strings.Compare(strings.ToLower(u.Name), key)
	})
}

func (v *View) item(uid int) int {
	return slices.IndexFunc(v.Playlist, func(i Item) bool { return i.UID == uid })
}

// marshal encodes a value that always has a JSON form.
func marshal(v any) json.RawMessage {
	raw, _ := json.Marshal(v) //nolint:errchkjson // views hold nothing that fails
	return raw
}

// Empty reports whether nothing is known of the channel.
func (v *View) Empty() bool {
	return v.Playing == nil && v.Count == nil && len(v.differs(New(v.Channel))) == 0
}
