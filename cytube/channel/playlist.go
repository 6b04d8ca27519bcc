package channel

import (
	"encoding/json"
	"slices"

	"github.com/rosey-bot/rosey/cytube/view"
	"github.com/rosey-bot/rosey/event"
)

// setPlaylist replaces the playlist. The difference becomes events: within a session the
// server clears a playlist by an empty one and shuffles one by new uids. A join may bring
// new uids for the same items; such lists do not compare.
func (s *State) setPlaylist(f *fold) error {
	wire, err := read[[]wireItem](f.args)
	if err != nil {
		return err
	}
	list, given := make(playlist, 0, len(wire)), make(map[int]bool, len(wire))
	for _, w := range wire {
		// Nothing can refer to an item without a uid, or to the second that has one.
		if m, err := w.item(); err == nil && !given[m.uid] {
			list, given[m.uid] = append(list, m), true
		}
	}
	first, before := !s.complete, s.playlist
	s.complete = true
	switch {
	case !s.whole || first && !before.continues(list, s.nextUID):
		s.beginEpoch(f, list)
		wasWhole := s.whole
		s.whole = true
		if s.playlist = list; !wasWhole || !slices.EqualFunc(before, list, media.equal) {
			s.emitPart(f, view.PartPlaylist)
		}
	case !first && s.shuffle(f, list):
	case !first && len(list) == 0 && len(before) > 0:
		s.playlist = list
		f.emit(event.SubjectMediaClear, event.Count{Count: len(before), Channel: s.channel, Time: f.ms()})
	default:
		s.listFound(f, list)
	}
	if len(list) == 0 {
		s.stopped(f)
	}
	return nil
}

// beginEpoch notes that uids are given anew.
func (s *State) beginEpoch(f *fold, list playlist) {
	s.epoch, s.nextUID = f.ms(), 0
	f.epoch = s.epoch
	for _, m := range list {
		s.nextUID = max(s.nextUID, m.uid+1)
	}
}

// shuffle records that the server shuffled the playlist, if it did.
func (s *State) shuffle(f *fold, list playlist) bool {
	was, lost, ok := s.playlist.shuffled(list)
	if !ok {
		return false
	}
	for _, m := range lost {
		s.removed(f, m, true)
	}
	uids := make([]int, 0, len(list))
	for _, m := range list {
		uids = append(uids, m.uid)
		s.nextUID = max(s.nextUID, m.uid+1)
	}
	if i := slices.Index(was, s.playing.uid); i >= 0 && s.playing != (media{}) {
		s.playing.uid = uids[i]
	}
	s.playlist, s.goesOn = list, true
	f.emit(event.SubjectMediaShuffle, event.MediaShuffle{UIDs: uids, Was: was, Channel: s.channel, Time: f.ms()})
	return true
}

// listFound records how a playlist differs from the one before: what was queued and removed
// without the bot seeing it. What that cannot say, as another order, is recorded whole.
func (s *State) listFound(f *fold, list playlist) {
	has := list.byUID()
	for _, m := range s.playlist {
		if now, there := has[m.uid]; !there || !now.same(m) {
			s.playlist = s.playlist.without(m.uid)
			s.removed(f, m, true)
		}
	}
	had := s.playlist.byUID()
	for i, m := range list {
		if _, there := had[m.uid]; there {
			continue
		}
		had[m.uid] = m
		after := json.RawMessage(`"prepend"`)
		if i > 0 {
			after = marshal(list[i-1].uid)
		}
		s.playlist = s.playlist.insert(m, after)
		s.queued(f, m, true)
	}
	same := slices.EqualFunc(s.playlist, list, media.equal)
	if s.playlist = list; !same {
		s.emitPart(f, view.PartPlaylist)
	}
}

// hidePlaylist notes that the bot is not told of the playlist any more, once its rank or
// the channel's permissions say so.
func (s *State) hidePlaylist(f *fold) {
	var least float64
	if raw := s.settings.values[event.SubjectPermissions]["seeplaylist"]; raw == nil || json.Unmarshal(raw, &least) != nil || s.rank >= least || !s.complete {
		return
	}
	s.complete, s.whole, s.playlist = false, false, nil
	s.emitPart(f, view.PartPlaylist)
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
	s.queued(f, m, false)
	return nil
}

// queued records a new item. Its uid says whether uids are given anew.
func (s *State) queued(f *fold, m media, found bool) {
	if s.epoch != 0 && m.uid < s.nextUID {
		s.beginEpoch(f, s.playlist)
	}
	s.nextUID = max(s.nextUID, m.uid+1)
	emit := f.emit
	if found {
		emit = f.emitFound
	}
	emit(event.SubjectMediaQueue, event.MediaQueue{
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
	s.removed(f, m, false)
	if s.whole && len(s.playlist) == 0 {
		s.stopped(f)
	}
	return nil
}

func (s *State) removed(f *fold, m media, found bool) {
	emit := f.emit
	if found {
		emit = f.emitFound
	}
	emit(event.SubjectMediaDelete, event.MediaDelete{
		UID: m.uid, Title: m.title, URL: m.url(), Type: m.kind, Duration: m.seconds, Channel: s.channel, QueuedBy: m.by,
	})
}

// move moves an item. Where the item after which it goes is not on the playlist, the
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
	var after *int
	if s.playlist.index(m.uid) >= 0 {
		s.playlist = s.playlist.without(m.uid).insert(m, w.After)
		after = s.playlist.before(m.uid)
	} else if uid, ok := afterUID(w.After); ok {
		after = &uid // the bot does not see the playlist
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
