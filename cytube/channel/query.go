package channel

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/rosey-bot/rosey/cytube/view"
	"github.com/rosey-bot/rosey/event"
)

// Item is an item of the playlist.
type Item struct {
	UID             int
	Type, ID, Title string
	By              string // who queued it
	Seconds         int
	Temp            bool
}

func (m media) toItem() Item {
	return Item{UID: m.uid, Type: m.kind, ID: m.id, Title: m.title, By: m.by, Seconds: m.seconds, Temp: m.temp}
}

// MediaURL returns the URL of the page of media, or the ID where no page is known.
func MediaURL(kind, id string) string { return mediaURL(kind, id) }

// Items returns the playlist.
func (s *State) Items() []Item {
	items := make([]Item, 0, len(s.playlist))
	for _, m := range s.playlist {
		items = append(items, m.toItem())
	}
	return items
}

// Item returns an item of the playlist; ok is false if it is not there.
func (s *State) Item(uid int) (item Item, ok bool) {
	if s.playlist.index(uid) < 0 {
		return Item{}, false
	}
	return s.playlist.item(uid).toItem(), true
}

// Before returns the uid of the item before another one, -1 for the first.
func (s *State) Before(uid int) int {
	if before := s.playlist.before(uid); before != nil {
		return *before
	}
	return -1
}

// LastUID returns the highest uid on the playlist, -1 if that is empty.
func (s *State) LastUID() int {
	last := -1
	for _, m := range s.playlist {
		last = max(last, m.uid)
	}
	return last
}

// Playing returns the uid of the item that plays; ok is false if nothing does.
func (s *State) Playing() (uid int, ok bool) { return s.current, s.playing != media{} }

// Permission returns the lowest rank that has a permission; ok is false if the server did
// not name it.
func (s *State) Permission(name string) (rank float64, ok bool) {
	raw, ok := s.settings.values[event.SubjectPermissions][name]
	return rank, ok && json.Unmarshal(raw, &rank) == nil
}

// May reports whether the bot has a permission. What the playlist's own permissions deny,
// those of an open playlist may grant.
func (s *State) May(name string) bool {
	return may(name, s.rank, s.locked != nil && !*s.locked, s.Permission)
}

func may(name string, rank float64, open bool, permission func(string) (float64, bool)) bool {
	if least, ok := permission(name); ok && rank >= least {
		return true
	}
	if !open || !strings.HasPrefix(name, "playlist") {
		return false
	}
	least, ok := permission("o" + name)
	return ok && rank >= least
}

// Rights are what a bot may do in a channel. The zero Rights are not known.
type Rights struct {
	rank        float64
	open        bool // the playlist
	permissions map[string]float64
}

// Rights returns the bot's rights.
func (s *State) Rights() Rights {
	r := Rights{rank: s.rank, open: s.locked != nil && !*s.locked, permissions: map[string]float64{}}
	for name := range s.settings.values[event.SubjectPermissions] {
		if least, ok := s.Permission(name); ok {
			r.permissions[name] = least
		}
	}
	return r
}

// Unknown reports whether the server has named no permission yet.
func (r Rights) Unknown() bool { return len(r.permissions) == 0 }

// Rank returns the bot's rank.
func (r Rights) Rank() float64 { return r.rank }

// Permission returns the lowest rank that has a permission; ok is false if the server did
// not name it.
func (r Rights) Permission(name string) (rank float64, ok bool) {
	rank, ok = r.permissions[name]
	return rank, ok
}

// May reports whether the bot has a permission, see State.May.
func (r Rights) May(name string) bool { return may(name, r.rank, r.open, r.Permission) }

// Locked reports whether the playlist is locked.
func (s *State) Locked() bool { return s.locked != nil && *s.locked }

// Leader returns who sets the position of the players, "" while the server does.
func (s *State) Leader() string { return s.leader }

// User is a user who is in the channel.
type User struct {
	Name string // as the server spells it
	Rank float64
	Mute string // event.ActionMute, event.ActionShadowMute or ""
	AFK  bool
}

// User returns a user; ok is false for one who is not in the channel.
func (s *State) User(name string) (u User, ok bool) {
	found, ok := s.users[strings.ToLower(name)]
	return User{found.name, found.rank, found.mute, found.afk}, ok
}

// Poll returns the open poll; ok is false if there is none. Its Poll field is not set.
func (s *State) Poll() (p event.Poll, ok bool) {
	if s.poll == nil {
		return event.Poll{}, false
	}
	from := &s.poll.Poll
	return event.Poll{
		Title: from.Title, Options: from.Options, Counts: from.Counts, Hidden: from.Hidden, By: from.By, Channel: from.Channel, Time: from.Time,
	}, true
}

// Text returns the value of which a subject says the changes, such as event.SubjectMOTD; ok
// is false if the server did not send it.
func (s *State) Text(subject string) (value string, ok bool) {
	value, ok = s.settings.texts[subject]
	return value, ok
}

// Values returns the options or permissions, of which a subject says the changes; nil if the
// server did not send them.
func (s *State) Values(subject string) map[string]json.RawMessage {
	return maps.Clone(s.settings.values[subject])
}

// Definition returns an emote or a filter, of which a subject says the changes, as the
// server sends it, nil if there is none of that name. known is false if the server did not
// send them.
func (s *State) Definition(subject, name string) (definition json.RawMessage, known bool) {
	all := s.settings.defined[subject]
	if d := view.Named(all.list, name); d != nil {
		definition = marshal(d)
	}
	return definition, all.listed
}

// Definitions returns the emotes or filters in their order. known is false if the server did
// not send them.
func (s *State) Definitions(subject string) (list []view.Definition, known bool) {
	all := s.settings.defined[subject]
	return slices.Clone(all.list), all.listed
}

// Decode decodes a frame's first argument into a pointer.
func (f Frame) Decode(into any) error {
	if len(f.Args) == 0 {
		return errNoArgument
	}
	return json.Unmarshal(f.Args[0], into)
}
