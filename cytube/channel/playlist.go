package channel

import (
	"encoding/json"
	"slices"
	"strconv"

	"github.com/rosey-bot/rosey/event"
)

// playlist is the items in their order.
type playlist []media

// index returns the place of an item, -1 if it is not there.
func (p playlist) index(uid int) int {
	return slices.IndexFunc(p, func(m media) bool { return m.uid == uid })
}

// item returns an item, an unknown one if it is not there.
func (p playlist) item(uid int) media {
	if i := p.index(uid); i >= 0 {
		return p[i]
	}
	return media{uid: uid}
}

// insert returns the playlist with an item behind another, the uid of which or prepend or
// append the server names.
func (p playlist) insert(m media, after json.RawMessage) playlist {
	at := len(p)
	if uid, ok := afterUID(after); ok {
		if i := p.index(uid); i >= 0 {
			at = i + 1
		}
	} else if string(after) == `"prepend"` {
		at = 0
	}
	return slices.Insert(slices.Clone(p), at, m)
}

func (p playlist) without(uid int) playlist {
	return slices.DeleteFunc(slices.Clone(p), func(m media) bool { return m.uid == uid })
}

// afterUID reads a uid, which the server sends as a number or as digits.
func afterUID(after json.RawMessage) (int, bool) {
	text := string(after)
	if unquoted, err := strconv.Unquote(text); err == nil {
		text = unquoted
	}
	uid, err := strconv.Atoi(text)
	return uid, err == nil
}

// before returns the uid of the item before another, nil if there is none.
func (p playlist) before(uid int) *int {
	if i := p.index(uid); i > 0 {
		return &p[i-1].uid
	}
	return nil
}

// shuffled returns the old uids of a playlist's items in its order, if it has the items of
// p under new uids.
func (p playlist) shuffled(q playlist) (was []int, ok bool) {
	if len(p) != len(q) || len(p) == 0 {
		return nil, false
	}
	rest := slices.Clone(p)
	for _, m := range q {
		i := slices.IndexFunc(rest, func(o media) bool { return o.kind == m.kind && o.id == m.id && o.by == m.by && o.temp == m.temp })
		if i < 0 || p.index(m.uid) >= 0 {
			return nil, false
		}
		was = append(was, rest[i].uid)
		rest = slices.Delete(rest, i, i+1)
	}
	return was, true
}

// setPlaylist replaces the playlist. Within a session the difference becomes events: the
// server clears a playlist by an empty one and shuffles one by new uids. A reconnect may
// bring new uids for the same items, so that lists of two sessions do not compare.
func (s *State) setPlaylist(f *fold) error {
	wire, err := read[[]wireItem](f.args)
	if err != nil {
		return err
	}
	list := make(playlist, 0, len(wire))
	for _, w := range wire {
		if m, err := w.item(); err == nil { // nothing can refer to an item without a uid
			list = append(list, m)
		}
	}
	before := s.playlist
	s.playlist = list
	if !s.complete {
		if s.complete = true; len(list) == 0 {
			s.stopped(f)
		}
		return nil
	}
	if was, ok := before.shuffled(list); ok {
		uids := make([]int, 0, len(list))
		for _, m := range list {
			uids = append(uids, m.uid)
		}
		s.goesOn = true
		f.emit(event.SubjectMediaShuffle, event.MediaShuffle{UIDs: uids, Was: was, Channel: s.channel, Time: f.ms()})
		return nil
	}
	if len(list) == 0 && len(before) > 0 {
		f.emit(event.SubjectMediaClear, event.Count{Count: len(before), Channel: s.channel, Time: f.ms()})
		s.stopped(f)
		return nil
	}
	for _, m := range list {
		if before.index(m.uid) < 0 {
			s.queued(f, m)
		}
	}
	for _, m := range before {
		if list.index(m.uid) < 0 {
			s.removed(f, m)
		}
	}
	return nil
}

func (s *State) queue(f *fold) error {
	q, err := read[wireQueue](f.args)
	if err != nil {
		return err
	}
	m, err := q.Item.item()
	if err != nil {
		return err
	}
	s.playlist = s.playlist.without(m.uid).insert(m, q.After)
	s.queued(f, m)
	return nil
}

func (s *State) queued(f *fold, m media) {
	f.emit(event.SubjectMediaQueue, event.MediaQueue{
		UID: m.uid, Title: m.title, URL: m.url(), Type: m.kind, Duration: m.seconds, Channel: s.channel, QueuedBy: m.by,
		Extra: event.Extra{"temp": marshal(m.temp), "after": marshal(s.playlist.before(m.uid))},
	})
}

func (s *State) remove(f *fold) error {
	d, err := read[wireDelete](f.args)
	if err == nil {
		err = missing(field{"uid", d.UID == nil})
	}
	if err != nil {
		return err
	}
	m := s.playlist.item(*d.UID)
	s.playlist = s.playlist.without(m.uid)
	s.removed(f, m)
	if s.complete && len(s.playlist) == 0 {
		s.stopped(f)
	}
	return nil
}

func (s *State) removed(f *fold, m media) {
	f.emit(event.SubjectMediaDelete, event.MediaDelete{
		UID: m.uid, Title: m.title, URL: m.url(), Type: m.kind, Duration: m.seconds, Channel: s.channel, QueuedBy: m.by,
	})
}

// move moves an item. Where the item behind which it goes is not on the playlist, the
// server loses it, and says nothing.
func (s *State) move(f *fold) error {
	w, err := read[wireMove](f.args)
	if err == nil {
		err = missing(field{"from", w.From == nil})
	}
	if err != nil {
		return err
	}
	m := s.playlist.item(*w.From)
	if s.playlist.index(m.uid) >= 0 {
		s.playlist = s.playlist.without(m.uid).insert(m, w.After)
	}
	after := s.playlist.before(m.uid)
	if uid, ok := afterUID(w.After); ok {
		after = &uid // also where the bot does not see the playlist
	}
	f.emit(event.SubjectMediaMove, event.MediaMove{
		UID: m.uid, After: after, Title: m.title, URL: m.url(), Type: m.kind, Channel: s.channel, Time: f.ms(),
	})
	return nil
}

// setTemp comes also where nothing changes.
func (s *State) setTemp(f *fold) error {
	w, err := read[wireTemp](f.args)
	if err == nil {
		err = missing(field{"uid", w.UID == nil}, field{"temp", w.Temp == nil})
	}
	if err != nil {
		return err
	}
	m := s.playlist.item(*w.UID)
	if i := s.playlist.index(m.uid); i >= 0 {
		if m.temp == *w.Temp {
			return nil
		}
		s.playlist = slices.Clone(s.playlist)
		s.playlist[i].temp = *w.Temp
	}
	f.emit(event.SubjectMediaTemp, event.MediaTemp{
		UID: m.uid, Temp: *w.Temp, Title: m.title, URL: m.url(), Type: m.kind, Channel: s.channel, Time: f.ms(),
	})
	return nil
}
