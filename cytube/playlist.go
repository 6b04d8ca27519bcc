package cytube

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/rosey-bot/rosey/event"
)

type media struct {
	id, kind, title, by string
	seconds             int
}

func (m media) key() string { return m.kind + " " + m.id }

func (m *wireMedia) media() (media, error) {
	if m == nil {
		return media{}, missing(field{"media", true})
	}
	err := missing(field{"id", m.ID == nil}, field{"title", m.Title == nil}, field{"type", m.Type == nil})
	if err != nil {
		return media{}, err
	}
	seconds, err := whole("seconds", m.Seconds, 0)
	return media{id: *m.ID, kind: *m.Type, title: *m.Title, seconds: int(seconds)}, err
}

func (i *wireItem) item() (uid int, m media, err error) {
	if i == nil || i.UID == nil {
		return 0, media{}, missing(field{"uid", true})
	}
	m, err = i.Media.media()
	m.by = i.QueueBy
	return *i.UID, m, err
}

// setPlaylist replaces the playlist. Within a session the difference is what
// happened to it: a cleared playlist comes as an empty one. Over a reconnect uids
// do not compare.
func (r *room) setPlaylist(args []json.RawMessage) ([]fact, error) {
	list, err := read[[]wireItem](args)
	if err != nil {
		return nil, err
	}
	before, after := r.playlist, make(map[int]media, len(list))
	var facts []fact
	for _, i := range list {
		uid, m, err := i.item()
		if err != nil {
			return nil, err
		}
		after[uid] = m
		if _, had := before[uid]; r.complete && !had {
			f, err := r.queued(uid, m)
			if err != nil {
				return nil, err
			}
			facts = append(facts, f...)
		}
	}
	if r.complete {
		for _, uid := range slices.Sorted(maps.Keys(before)) {
			if _, has := after[uid]; !has {
				f, err := r.removed(uid, before[uid])
				if err != nil {
					return nil, err
				}
				facts = append(facts, f...)
			}
		}
	}
	r.playlist, r.complete = after, true
	return facts, nil
}

func (r *room) setCurrent(args []json.RawMessage) ([]fact, error) {
	uid, err := read[int](args)
	if err == nil {
		r.current = uid
	}
	return nil, err
}

// changeMedia finds out who queued the media, and does not take the news that a
// join brings for a change.
func (r *room) changeMedia(args []json.RawMessage) ([]fact, error) {
	w, err := read[*wireMedia](args)
	if err != nil {
		return nil, err
	}
	m, err := w.media()
	if err != nil {
		return nil, err
	}
	if item := r.playlist[r.current]; item.key() == m.key() {
		m.by = item.by
	}
	url := mediaURL(m.kind, m.id)
	same := r.playing == playingKey(m.kind, url)
	r.playing = playingKey(m.kind, url)
	if same && r.joining {
		return nil, nil
	}
	return one(event.SubjectMediaChange, event.MediaChange{
		Title: m.title, URL: url, Type: m.kind, Duration: m.seconds, Channel: r.channel, QueuedBy: m.by,
	}, nil)
}

func playingKey(kind, url string) string { return kind + " " + url }

func (r *room) queue(args []json.RawMessage) ([]fact, error) {
	q, err := read[wireQueue](args)
	if err != nil {
		return nil, err
	}
	uid, m, err := q.Item.item()
	if err != nil {
		return nil, err
	}
	r.playlist[uid] = m
	return r.queued(uid, m)
}

func (r *room) queued(uid int, m media) ([]fact, error) {
	return one(event.SubjectMediaQueue, event.MediaQueue{
		UID: uid, Title: m.title, URL: mediaURL(m.kind, m.id), Type: m.kind, Duration: m.seconds, Channel: r.channel, QueuedBy: m.by,
	}, nil)
}

func (r *room) remove(args []json.RawMessage) ([]fact, error) {
	d, err := read[wireDelete](args)
	if err == nil {
		err = missing(field{"uid", d.UID == nil})
	}
	if err != nil {
		return nil, err
	}
	m := r.playlist[*d.UID]
	delete(r.playlist, *d.UID)
	return r.removed(*d.UID, m)
}

func (r *room) removed(uid int, m media) ([]fact, error) {
	return one(event.SubjectMediaDelete, event.MediaDelete{
		UID: uid, Title: m.title, URL: mediaURL(m.kind, m.id), Type: m.kind, Duration: m.seconds, Channel: r.channel, QueuedBy: m.by,
	}, nil)
}
