package view

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/rosey-bot/rosey/event"
)

// Apply folds a stored event of the channel into the view. What says nothing about a part
// changes nothing, and neither does an event of another channel or a malformed one. Events
// of earlier releases, which have fewer fields, are understood.
func (v *View) Apply(e event.Envelope, ref event.Ref) {
	change, ok := changesBy[e.Subject]
	if !ok {
		return
	}
	var common struct {
		Channel string `json:"channel"`
		Epoch   int64  `json:"epoch"`
	}
	if json.Unmarshal(e.Data, &common) != nil || !strings.EqualFold(common.Channel, v.Channel) {
		return
	}
	if common.Epoch != 0 && common.Epoch != v.Epoch {
		v.Epoch, v.NextUID = common.Epoch, 0
		if e.Subject != event.SubjectState { // which replaces the playlist
			for _, i := range v.Playlist {
				v.NextUID = max(v.NextUID, i.UID+1)
			}
		}
	}
	change(v, stored{e, ref})
}

// Relevant reports whether an event of a subject can change a view.
func Relevant(subject string) bool { return changesBy[subject] != nil }

// stored is an event and where it is stored.
type stored struct {
	event.Envelope
	ref event.Ref
}

func (e stored) ms() int64 { return e.Timestamp.Round(time.Millisecond).UnixMilli() }

// on makes a change of one that takes the payload.
func on[P any](change func(*View, P, stored)) func(*View, stored) {
	return func(v *View, e stored) {
		if p, err := event.As[P](e.Envelope); err == nil {
			change(v, p, e)
		}
	}
}

// changesBy maps subjects to what their events change.
var changesBy = map[string]func(*View, stored){
	event.SubjectState:         on((*View).state),
	event.SubjectConnection:    func(*View, stored) {}, // for its epoch
	event.SubjectMediaQueue:    on((*View).queued),
	event.SubjectMediaDelete:   on(func(v *View, p event.MediaDelete, _ stored) { v.removeItem(p.UID) }),
	event.SubjectMediaMove:     on((*View).moved),
	event.SubjectMediaTemp:     on((*View).temp),
	event.SubjectMediaShuffle:  on((*View).shuffled),
	event.SubjectMediaClear:    func(v *View, _ stored) { v.Playlist = clearOf(v.Playlist) },
	event.SubjectMediaLock:     on(func(v *View, p event.MediaLock, _ stored) { v.Lock = &p.Locked }),
	event.SubjectMediaLeader:   on(func(v *View, p event.MediaLeader, _ stored) { v.Leader = p.User }),
	event.SubjectMediaChange:   on((*View).plays),
	event.SubjectMediaStop:     func(v *View, _ stored) { v.Playing, v.Votes = nil, nil },
	event.SubjectMediaVote:     on((*View).voted),
	event.SubjectMediaPosition: on((*View).positioned),

	event.SubjectUserJoin:  on((*View).joined),
	event.SubjectUserLeave: on((*View).left),
	event.SubjectUserRank:  on(func(v *View, p event.UserRank, _ stored) { v.edit(p.User, func(u *User) { u.Rank = p.Rank }) }),
	event.SubjectUserAFK:   on(func(v *View, p event.UserAFK, _ stored) { v.edit(p.User, func(u *User) { u.AFK = p.AFK }) }),
	event.SubjectUserCount: on(func(v *View, p event.Count, _ stored) { v.Count = &p.Count }),

	event.ModerationSubject(event.ActionMute):       muted(event.ActionMute),
	event.ModerationSubject(event.ActionShadowMute): muted(event.ActionShadowMute),
	event.ModerationSubject(event.ActionUnmute):     muted(""),
	event.ModerationSubject(event.ActionUnban):      on((*View).unbanned),

	event.SubjectPollOpen:   on((*View).poll),
	event.SubjectPollUpdate: on((*View).poll),
	event.SubjectPollClose:  func(v *View, _ stored) { v.Poll = nil },

	event.SubjectMOTD:        on(func(v *View, p event.ChannelText, _ stored) { v.MOTD = &p.Value }),
	event.SubjectCSS:         on(func(v *View, p event.ChannelText, _ stored) { v.CSS = &p.Value }),
	event.SubjectJS:          on(func(v *View, p event.ChannelText, _ stored) { v.JS = &p.Value }),
	event.SubjectOptions:     on(func(v *View, p event.ChannelValues, _ stored) { v.Options = p.Values }),
	event.SubjectPermissions: on(func(v *View, p event.ChannelValues, _ stored) { v.Permissions = p.Values }),
	event.SubjectEmote:       on(func(v *View, p event.Definition, _ stored) { redefine(&v.Emotes, p) }),
	event.SubjectFilter:      on(func(v *View, p event.Definition, _ stored) { redefine(&v.Filters, p) }),
	event.SubjectBans:        on(func(v *View, p event.ChannelBans, _ stored) { v.Bans = p.Values }),
	event.SubjectRanks:       on(func(v *View, p event.ChannelRanks, _ stored) { v.Ranks = p.Values }),
}

func clearOf(list []Item) []Item {
	if list == nil {
		return nil
	}
	return []Item{}
}

// queued inserts an item after another. Its after is null for the first place; earlier
// plans had 0 for that, which is also the first uid that a server gives.
func (v *View) queued(p event.MediaQueue, _ stored) {
	v.NextUID = max(v.NextUID, p.UID+1)
	if v.Playlist == nil {
		return
	}
	v.removeItem(p.UID)
	i := Item{UID: p.UID, Title: p.Title, URL: p.URL, Type: p.Type, Duration: p.Duration, QueuedBy: p.QueuedBy, Temp: string(p.Extra["temp"]) == "true"}
	raw, said := p.Extra["after"]
	if !said { // of an earlier release: at the end, most likely
		v.Playlist = append(v.Playlist, i)
		return
	}
	var after *int
	_ = json.Unmarshal(raw, &after)
	v.insert(i, after)
}

// insert puts an item after another one, at the beginning if that is nil, or at the end if
// the view does not have it.
func (v *View) insert(i Item, after *int) {
	at := 0
	if after != nil {
		if at = v.item(*after) + 1; at == 0 && *after != 0 {
			at = len(v.Playlist)
		}
	}
	v.Playlist = slices.Insert(v.Playlist, at, i)
}

func (v *View) removeItem(uid int) {
	if i := v.item(uid); i >= 0 {
		v.Playlist = slices.Delete(v.Playlist, i, i+1)
	}
}

func (v *View) moved(p event.MediaMove, _ stored) {
	if i := v.item(p.UID); i >= 0 {
		moved := v.Playlist[i]
		v.removeItem(p.UID)
		v.insert(moved, p.After)
	}
}

func (v *View) temp(p event.MediaTemp, _ stored) {
	if i := v.item(p.UID); i >= 0 {
		v.Playlist[i].Temp = p.Temp
	}
}

func (v *View) shuffled(p event.MediaShuffle, _ stored) {
	list := clearOf(v.Playlist)
	if now := v.Playing; now != nil && now.UID != nil {
		if n := slices.Index(p.Was, *now.UID); n >= 0 && n < len(p.UIDs) {
			playing := *now
			playing.UID = &p.UIDs[n]
			v.Playing = &playing
		}
	}
	for n, uid := range p.UIDs {
		v.NextUID = max(v.NextUID, uid+1)
		if n < len(p.Was) {
			if i := v.item(p.Was[n]); i >= 0 {
				item := v.Playlist[i]
				item.UID = uid
				list = append(list, item)
			}
		}
	}
	v.Playlist = list
}

func (v *View) plays(p event.MediaChange, e stored) {
	now := &Playing{Title: p.Title, URL: p.URL, Type: p.Type, Duration: p.Duration, QueuedBy: p.QueuedBy, At: e.ms()}
	_ = json.Unmarshal(p.Extra["uid"], &now.UID)
	_ = json.Unmarshal(p.Extra["position"], &now.Position)
	now.Paused = string(p.Extra["paused"]) == "true"
	v.Playing, v.Votes = now, nil
}

func (v *View) voted(p event.MediaVote, _ stored) {
	if v.Votes = nil; p.Count > 0 && !p.Passed {
		v.Votes = &Votes{p.Count, p.Need}
	}
}

func (v *View) positioned(p event.MediaPosition, e stored) {
	if v.Playing != nil {
		now := *v.Playing
		now.Position, now.Paused, now.At = p.Position, p.Paused, e.ms()
		v.Playing = &now
	}
}

func (v *View) joined(p event.UserJoin, _ stored) {
	if v.Users == nil {
		return
	}
	u := User{Name: p.User, Rank: p.Rank, AFK: string(p.Extra["afk"]) == "true"}
	_ = json.Unmarshal(p.Extra["mute"], &u.Mute)
	if i, here := v.user(p.User); here {
		v.Users[i] = u
	} else {
		v.Users = slices.Insert(v.Users, i, u)
	}
}

func (v *View) left(p event.UserLeave, _ stored) {
	if i, here := v.user(p.User); here {
		v.Users = slices.Delete(v.Users, i, i+1)
	}
}

// edit changes a user who is here.
func (v *View) edit(name string, change func(*User)) {
	if i, here := v.user(name); here {
		change(&v.Users[i])
	}
}

func muted(how string) func(*View, stored) {
	return on(func(v *View, p event.Moderation, _ stored) { v.edit(p.User, func(u *User) { u.Mute = how }) })
}

// unbanned removes the ban that the event has the id of. Those of earlier releases have
// none.
func (v *View) unbanned(p event.Moderation, _ stored) {
	var id int
	if json.Unmarshal(p.Extra["id"], &id) == nil && p.Extra["id"] != nil && v.Bans != nil {
		v.Bans = slices.DeleteFunc(v.Bans, func(b event.Ban) bool { return b.ID == id })
	}
}

func (v *View) poll(p event.Poll, e stored) {
	opened := Poll{Poll: p.Poll, Title: p.Title, Options: p.Options, Counts: p.Counts, Hidden: p.Hidden, By: p.By}
	if e.Subject == event.SubjectPollOpen {
		opened.Poll = e.ref.String()
	}
	_ = json.Unmarshal(p.Extra["opened"], &opened.Opened)
	v.Poll = &opened
}
