package channel

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/rosey-bot/rosey/cytube/view"
	"github.com/rosey-bot/rosey/event"
)

// View returns the channel as people see it. Once what is held back is flushed, the events
// that Apply returned, folded into the view of Restore, are the same.
func (s *State) View() *view.View {
	v := view.New(s.channel)
	v.Epoch, v.NextUID = s.epoch, s.nextUID
	if s.whole {
		v.Playlist = make([]view.Item, 0, len(s.playlist))
		for _, m := range s.playlist {
			v.Playlist = append(v.Playlist, m.toView())
		}
	}
	if m := s.playing; m != (media{}) {
		v.Playing = &view.Playing{
			Title: m.title, URL: m.url(), Type: m.kind, Duration: m.seconds, QueuedBy: m.by,
			Position: s.clock.said.Position, Paused: s.clock.said.Paused, At: s.clock.saidAt,
		}
		if m.uid != noUID {
			v.Playing.UID = &m.uid
		}
	}
	if s.listed {
		v.Users = make([]view.User, 0, len(s.users))
		for _, key := range slices.Sorted(maps.Keys(s.users)) {
			u := s.users[key]
			v.Users = append(v.Users, view.User{Name: u.name, Rank: contractRank(u.rank), AFK: u.afk, Mute: u.mute})
		}
	}
	v.Count, v.Lock, v.Leader = s.count.stored, s.locked, s.leader
	if s.votes.Count > 0 {
		v.Votes = &view.Votes{Count: s.votes.Count, Need: s.votes.Need}
	}
	s.settings.show(v)
	v.Bans, v.Ranks = s.lists.bans, s.lists.ranks
	if p := s.poll; p != nil {
		v.Poll = &view.Poll{Poll: p.Poll.Poll, Title: p.Title, Options: p.Options, Counts: p.Counts, Hidden: p.Hidden, By: p.By, Opened: p.opened}
	}
	return v
}

// show sets the parts of a view that are settings.
func (s *settings) show(v *view.View) {
	text := func(subject string) *string {
		if value, known := s.texts[subject]; known {
			return &value
		}
		return nil
	}
	v.MOTD, v.CSS, v.JS = text(event.SubjectMOTD), text(event.SubjectCSS), text(event.SubjectJS)
	v.Options, v.Permissions = s.values[event.SubjectOptions], s.values[event.SubjectPermissions]
	emotes, filters := s.defined[event.SubjectEmote], s.defined[event.SubjectFilter]
	v.Emotes, v.Filters = emotes.show(), filters.show()
	for part, d := range map[string]*definitions{view.PartEmotes: emotes, view.PartFilters: filters} {
		v.SetOrdered(part, d.ordered)
	}
}

// show returns the definitions, nil if they are not known to be all.
func (d *definitions) show() []view.Definition {
	if !d.listed {
		return nil
	}
	return append([]view.Definition{}, d.list...)
}

// Restore sets the state to the view of the stored events, before the first frame. Where
// frames differ from it, Apply returns events.
func (s *State) Restore(v *view.View) {
	s.epoch, s.nextUID = v.Epoch, v.NextUID
	if v.Playlist != nil {
		s.whole, s.playlist = true, make(playlist, 0, len(v.Playlist))
		for _, i := range v.Playlist {
			s.playlist = append(s.playlist, media{uid: i.UID, page: i.URL, kind: i.Type, title: i.Title, by: i.QueuedBy, seconds: i.Duration, temp: i.Temp})
		}
	}
	if p := v.Playing; p != nil {
		s.playing = media{uid: noUID, page: p.URL, kind: p.Type, title: p.Title, by: p.QueuedBy, seconds: p.Duration}
		if p.UID != nil {
			s.playing.uid = *p.UID
		}
		s.clock = clock{position: p.Position, at: time.UnixMilli(p.At), said: event.MediaPosition{Position: p.Position, Paused: p.Paused}, saidAt: p.At}
	}
	s.listed = v.Users != nil
	for _, u := range v.Users {
		s.users[strings.ToLower(u.Name)] = user{
			name: u.Name, rank: float64(u.Rank), afk: u.AFK, mute: u.Mute, shadowKnown: u.Mute == event.ActionShadowMute,
		}
	}
	s.count.value, s.count.stored, s.locked, s.leader = v.Count, v.Count, v.Lock, v.Leader
	if v.Votes != nil {
		s.votes = wireVote{Count: v.Votes.Count, Need: v.Votes.Need}
	}
	s.settings.restore(v)
	s.lists.bans, s.lists.ranks = v.Bans, v.Ranks
	if p := v.Poll; p != nil {
		s.poll = &poll{opened: p.Opened, Poll: event.Poll{
			Poll: p.Poll, Title: p.Title, Options: p.Options, Counts: p.Counts, Hidden: p.Hidden, By: p.By, Channel: s.channel,
			Extra: event.Extra{"opened": marshal(p.Opened)},
		}}
	}
}

func (s *settings) restore(v *view.View) {
	for subject, value := range map[string]*string{event.SubjectMOTD: v.MOTD, event.SubjectCSS: v.CSS, event.SubjectJS: v.JS} {
		if value != nil {
			s.texts[subject] = *value
		}
	}
	for subject, values := range map[string]map[string]json.RawMessage{event.SubjectOptions: v.Options, event.SubjectPermissions: v.Permissions} {
		if values != nil {
			s.values[subject] = values
		}
	}
	for subject, list := range map[string][]view.Definition{event.SubjectEmote: v.Emotes, event.SubjectFilter: v.Filters} {
		s.defined[subject] = &definitions{list: slices.Clone(list), listed: list != nil, ordered: v.IsOrdered(partOf[subject])}
	}
}

// emitPart records a part as it is, where no event says what changed.
func (s *State) emitPart(f *fold, part string) {
	for _, p := range s.View().States(part, f.ms()) {
		if s.epoch != 0 && part == view.PartPlaylist {
			p.Extra = event.Extra{"epoch": marshal(s.epoch)}
		}
		f.emit(event.SubjectState, p)
	}
}

// Epoch returns in which epoch uids were given: a time in ms, 0 if none is known.
func (s *State) Epoch() int64 { return s.epoch }
