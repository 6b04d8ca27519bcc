package cytubetest

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"
)

// Media is something to watch.
type Media struct {
	ID      string // what the site of its type knows it by, or its URL
	Type    string // yt, vi, dm, …
	Title   string
	Seconds int // 0 for live media
}

// playlist is a channel's list of media and what is played of it.
type playlist struct {
	open    bool
	items   []*item
	current *item
	leader  *session
	nextUID int

	position float64 // seconds into the current item; negative while it waits to begin
	paused   bool
	moved    time.Time
	ticks    int
}

type item struct {
	media Media
	uid   int
	temp  bool
	by    string
}

// leadIn is the time that players get to load an item, leadOut the time an item
// stays after its end, both in seconds; updateEvery is the time between
// mediaUpdates in ticks.
const (
	leadIn      = 3
	leadOut     = 2
	updateEvery = 5
)

var mediaLink = map[string]string{
	"yt": "https://youtu.be/", "vi": "https://vimeo.com/", "dm": "https://dailymotion.com/video/",
	"tw": "https://twitch.tv/", "gd": "https://docs.google.com/file/d/", "li": "https://livestream.com/",
	"tc": "https://clips.twitch.tv/", "sb": "https://streamable.com/",
	"sc": "", "rt": "", "fi": "", "cm": "", "hl": "", "cu": "", "yp": "", "bc": "", "od": "", "nv": "", "pt": "",
}

// makeUpMedia is the Lookup of a site without one.
func makeUpMedia(kind, id string) (Media, error) {
	if id == "" {
		return Media{}, errors.New("the media has no id")
	}
	return Media{ID: id, Type: kind, Title: mediaLink[kind] + id, Seconds: 180}, nil
}

func (m Media) pack() map[string]any {
	return map[string]any{
		"id": m.ID, "title": m.Title, "seconds": m.Seconds, "duration": clock(m.Seconds), "type": m.Type,
		"meta": map[string]any{},
	}
}

func (i *item) pack() map[string]any {
	return map[string]any{"media": i.media.pack(), "uid": i.uid, "temp": i.temp, "queueby": i.by}
}

// clock prints seconds as CyTube does: 03:20, 01:02:03, and --:-- for live media.
func clock(seconds int) string {
	switch {
	case seconds == 0:
		return "--:--"
	case seconds < 3600:
		return fmt.Sprintf("%02d:%02d", seconds/60, seconds%60)
	}
	return fmt.Sprintf("%02d:%02d:%02d", seconds/3600, seconds/60%60, seconds%60)
}

func (l *playlist) meta() map[string]any {
	sum := 0
	for _, i := range l.items {
		sum += i.media.Seconds
	}
	total := "00:00"
	if sum > 0 {
		total = clock(sum)
	}
	return map[string]any{"count": len(l.items), "rawTime": sum, "time": total}
}

func (l *playlist) index(uid int) int {
	return slices.IndexFunc(l.items, func(i *item) bool { return i.uid == uid })
}

func (l *playlist) pack() []any {
	list := []any{}
	for _, i := range l.items {
		list = append(list, i.pack())
	}
	return list
}

func (ch *room) sendPlaylist(c *session) {
	c.emit("setPlaylistMeta", ch.list.meta())
	c.emit("playlist", ch.list.pack())
	if ch.list.current != nil {
		c.emit("setCurrent", ch.list.current.uid)
	}
}

func (ch *room) sendCurrent(c *session) {
	if ch.list.current != nil {
		c.emit("setCurrent", ch.list.current.uid)
		c.emit("changeMedia", ch.list.update())
	}
}

// update is the payload of changeMedia.
func (l *playlist) update() map[string]any {
	u := l.current.media.pack()
	u["currentTime"], u["paused"] = l.seconds(), l.paused
	return u
}

func (l *playlist) seconds() float64 { return math.Round(l.position*1000) / 1000 }

// addMedia puts media at the end of the playlist or after the current item, and
// plays it when it is the only one.
// A refusal is an error in the words of the real server.
type refusal string

func (r refusal) Error() string { return string(r) }

func (ch *room) addMedia(m Media, by string, next, temp bool) (uid int, err error) {
	l := &ch.list
	old := slices.IndexFunc(l.items, func(i *item) bool { return i.media.ID == m.ID && i.media.Type == m.Type })
	if old >= 0 && (!next || l.items[old] == l.current) {
		return 0, refusal("This item is already on the playlist")
	}
	i := &item{media: m, uid: l.nextUID, temp: temp, by: by}
	l.nextUID++
	at := len(l.items)
	if next && l.current != nil {
		at = l.index(l.current.uid) + 1
	}
	var after any = "prepend"
	if at > 0 {
		after = l.items[at-1].uid
	}
	var replaced *item
	if old >= 0 {
		replaced = l.items[old]
	}
	l.items = slices.Insert(l.items, at, i)
	if replaced != nil {
		i.temp = replaced.temp
		ch.removeMedia(replaced.uid)
	}
	ch.broadcast("queue", map[string]any{"item": i.pack(), "after": after})
	ch.broadcast("setPlaylistMeta", l.meta())
	if len(l.items) == 1 {
		ch.play(i)
	}
	return i.uid, nil
}

// removeMedia takes an item out; when it was playing, the next one begins.
func (ch *room) removeMedia(uid int) bool {
	l := &ch.list
	at := l.index(uid)
	if at < 0 {
		return false
	}
	gone := l.items[at]
	l.items = slices.Delete(l.items, at, at+1)
	ch.broadcast("delete", map[string]any{"uid": uid})
	ch.broadcast("setPlaylistMeta", l.meta())
	if l.current == gone {
		l.current = nil
		if len(l.items) > 0 {
			ch.play(l.items[at%len(l.items)])
		}
	}
	return true
}

// play begins an item, with a lead-in for the players to load it.
func (ch *room) play(i *item) {
	l := &ch.list
	l.current, l.position, l.paused, l.moved, l.ticks = i, 0, false, time.Now(), 0
	if l.leader == nil && i.media.Seconds > 0 {
		l.position, l.paused = -leadIn, true
	}
	ch.broadcast("setCurrent", i.uid)
	ch.broadcast("changeMedia", l.update())
	ch.broadcast("drinkCount", 0)
	for _, u := range ch.users {
		if ch.may(u, "viewvoteskip") {
			u.emit("voteskip", map[string]any{"count": 0, "need": 0})
		}
	}
}

// lead moves the current item on to that time.
func (ch *room) lead(now time.Time) {
	l := &ch.list
	if l.current == nil || l.leader != nil || l.current.media.Seconds == 0 {
		return
	}
	passed := now.Sub(l.moved).Seconds()
	l.moved = now
	if l.position < 0 && l.position+passed >= 0 {
		l.position, l.paused, l.ticks = 0, false, 0
		ch.sendPosition()
		return
	}
	l.position += passed
	l.ticks++
	switch {
	case l.position >= float64(l.current.media.Seconds+leadOut):
		ch.advance()
	case l.ticks%updateEvery == 0:
		ch.sendPosition()
	}
}

func (ch *room) sendPosition() {
	ch.broadcast("mediaUpdate", map[string]any{"currentTime": ch.list.seconds(), "paused": ch.list.paused})
}

// advance plays the item after the current one, which goes when it is temporary.
func (ch *room) advance() {
	l := &ch.list
	switch {
	case l.current == nil:
	case l.current.temp:
		ch.removeMedia(l.current.uid)
	default:
		ch.play(l.items[(l.index(l.current.uid)+1)%len(l.items)])
	}
}

// appoint makes a user the leader, or nobody when the name is empty; false when
// there is no such user.
func (ch *room) appoint(name string) bool {
	l := &ch.list
	if old := l.leader; old != nil {
		before := old.rank()
		l.leader, old.leader = nil, false
		if old.rank() != before {
			old.emit("rank", old.rank())
		}
		ch.broadcast("setUserRank", map[string]any{"name": old.name, "rank": old.rank()})
	}
	if name == "" {
		ch.broadcast("setLeader", "")
		l.paused, l.moved = false, time.Now()
		return true
	}
	u := ch.user(name)
	if u == nil {
		return false
	}
	before := u.rank()
	l.leader, u.leader = u, true
	if u.rank() != before {
		u.emit("rank", u.rank())
	}
	ch.broadcast("setLeader", u.name)
	if u.rank() == 1.5 {
		ch.broadcast("setUserRank", map[string]any{"name": u.name, "rank": 1.5})
	}
	return true
}
