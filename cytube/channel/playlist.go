package channel

import (
	"maps"
	"slices"

	"github.com/rosey-bot/rosey/event"
)

// setPlaylist replaces the playlist. Within a session the difference becomes events:
// the server clears a playlist by an empty one. A reconnect may bring new uids for
// the same items, so that lists of two sessions do not compare.
func (s *State) setPlaylist(f *fold) error {
	list, err := read[[]wireItem](f.args)
	if err != nil {
		return err
	}
	before, after := s.playlist, make(map[int]media, len(list))
	for _, w := range list {
		uid, m, err := w.item()
		if err != nil {
			return err
		}
		after[uid] = m
		if _, had := before[uid]; s.complete && !had {
			s.queued(f, uid, m)
		}
	}
	if s.complete {
		for _, uid := range slices.Sorted(maps.Keys(before)) {
			if _, has := after[uid]; !has {
				s.removed(f, uid, before[uid])
			}
		}
	}
	s.playlist, s.complete = after, true
	return nil
}

func (s *State) setCurrent(f *fold) error {
	uid, err := read[int](f.args)
	if err == nil {
		s.current = uid
	}
	return err
}

// changeMedia records the media that play, with who queued them. While joining, the
// media that played before are no change.
func (s *State) changeMedia(f *fold) error {
	w, err := read[*wireMedia](f.args)
	if err != nil {
		return err
	}
	m, err := w.media()
	if err != nil {
		return err
	}
	if item := s.playlist[s.current]; item.kind == m.kind && item.id == m.id {
		m.by = item.by
	}
	url := mediaURL(m.kind, m.id)
	key := mediaKey(m.kind, url)
	same := s.playing == key
	s.playing = key
	if same && s.joining {
		return nil
	}
	f.emit(event.SubjectMediaChange, event.MediaChange{
		Title: m.title, URL: url, Type: m.kind, Duration: m.seconds, Channel: s.channel, QueuedBy: m.by,
	})
	return nil
}

func (s *State) queue(f *fold) error {
	q, err := read[wireQueue](f.args)
	if err != nil {
		return err
	}
	uid, m, err := q.Item.item()
	if err != nil {
		return err
	}
	s.playlist[uid] = m
	s.queued(f, uid, m)
	return nil
}

func (s *State) queued(f *fold, uid int, m media) {
	f.emit(event.SubjectMediaQueue, event.MediaQueue{
		UID: uid, Title: m.title, URL: mediaURL(m.kind, m.id), Type: m.kind, Duration: m.seconds, Channel: s.channel, QueuedBy: m.by,
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
	m := s.playlist[*d.UID]
	delete(s.playlist, *d.UID)
	s.removed(f, *d.UID, m)
	return nil
}

func (s *State) removed(f *fold, uid int, m media) {
	f.emit(event.SubjectMediaDelete, event.MediaDelete{
		UID: uid, Title: m.title, URL: mediaURL(m.kind, m.id), Type: m.kind, Duration: m.seconds, Channel: s.channel, QueuedBy: m.by,
	})
}
