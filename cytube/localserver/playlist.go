package localserver

import (
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

// playlist is a channel's list of media and the state of the player.
type playlist struct {
	open    bool
	items   []*item
	current *item
	leader  *Session
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

const (
	leadIn      = 3 // seconds that players get to load an item
	leadOut     = 2 // seconds that an item stays after its end
	updateEvery = 5 // ticks between mediaUpdates
)

var mediaLink = map[string]string{
	"yt": "https://youtu.be/", "vi": "https://vimeo.com/", "dm": "https://dailymotion.com/video/",
	"tw": "https://twitch.tv/", "gd": "https://docs.google.com/file/d/", "li": "https://livestream.com/",
	"tc": "https://clips.twitch.tv/", "sb": "https://streamable.com/",
	"sc": "", "rt": "", "fi": "", "cm": "", "hl": "", "cu": "", "yp": "", "bc": "", "od": "", "nv": "", "pt": "",
}

func (m Media) pack() object {
	return object{
		"id": m.ID, "title": m.Title, "seconds": m.Seconds, "duration": clock(m.Seconds), "type": m.Type, "meta": object{},
	}
}

func (i *item) pack() object {
	return object{"media": i.media.pack(), "uid": i.uid, "temp": i.temp, "queueby": i.by}
}

// clock formats seconds as CyTube does: 03:20, 01:02:03, and --:-- for live media.
func clock(seconds int) string {
	switch {
	case seconds == 0:
		return "--:--"
	case seconds < 3600:
		return fmt.Sprintf("%02d:%02d", seconds/60, seconds%60)
	}
	return fmt.Sprintf("%02d:%02d:%02d", seconds/3600, seconds/60%60, seconds%60)
}

func (l *playlist) meta() object {
	sum, total := 0, "00:00"
	for _, i := range l.items {
		sum += i.media.Seconds
	}
	if sum > 0 {
		total = clock(sum)
	}
	return object{"count": len(l.items), "rawTime": sum, "time": total}
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

// update is the payload of changeMedia.
func (l *playlist) update() object {
	u := l.current.media.pack()
	u["currentTime"], u["paused"] = l.seconds(), l.paused
	return u
}

func (l *playlist) seconds() float64 { return math.Round(l.position*1000) / 1000 }

func (ch *Channel) sendPlaylist(c *Session) {
	c.Emit("setPlaylistMeta", ch.list.meta())
	c.Emit("playlist", ch.list.pack())
	if ch.list.current != nil {
		c.Emit("setCurrent", ch.list.current.uid)
	}
}

func (ch *Channel) sendCurrent(c *Session) {
	if ch.list.current != nil {
		c.Emit("setCurrent", ch.list.current.uid)
		c.Emit("changeMedia", ch.list.update())
	}
}

// A refusal is an error in the real server's words.
type refusal string

func (r refusal) Error() string { return string(r) }

// AddMedia puts media at the end of the playlist, in the name of a user, and returns its uid. The first item is played.
func (ch *Channel) AddMedia(m Media, by string) (uid int, err error) {
	return ch.add(m, by, false, false)
}

// add puts media at the end of the playlist or after the current item.
func (ch *Channel) add(m Media, by string, next, temp bool) (uid int, err error) {
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
		ch.RemoveMedia(replaced.uid)
	}
	ch.broadcast("queue", object{"item": i.pack(), "after": after})
	ch.broadcast("setPlaylistMeta", l.meta())
	if len(l.items) == 1 {
		ch.play(i)
	}
	return i.uid, nil
}

// RemoveMedia takes an item out; when it was playing, the next one begins. It returns false when there is no such item.
func (ch *Channel) RemoveMedia(uid int) bool {
	l := &ch.list
	at := l.index(uid)
	if at < 0 {
		return false
	}
	gone := l.items[at]
	l.items = slices.Delete(l.items, at, at+1)
	ch.broadcast("delete", object{"uid": uid})
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
func (ch *Channel) play(i *item) {
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
			u.Emit("voteskip", object{"count": 0, "need": 0})
		}
	}
}

// tick advances the current item to that time.
func (ch *Channel) tick(now time.Time) {
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
		ch.PlayNext()
	case l.ticks%updateEvery == 0:
		ch.sendPosition()
	}
}

func (ch *Channel) sendPosition() {
	ch.broadcast("mediaUpdate", object{"currentTime": ch.list.seconds(), "paused": ch.list.paused})
}

// PlayNext plays the item after the current one, which is removed when it is temporary.
func (ch *Channel) PlayNext() {
	l := &ch.list
	switch {
	case l.current == nil:
	case l.current.temp:
		ch.RemoveMedia(l.current.uid)
	default:
		ch.play(l.items[(l.index(l.current.uid)+1)%len(l.items)])
	}
}

// appoint makes a user the leader, or nobody when the name is empty; false when there is no such user.
func (ch *Channel) appoint(name string) bool {
	l := &ch.list
	if old := l.leader; old != nil {
		l.leader = nil
		old.setLeader(false)
		ch.broadcast("setUserRank", object{"name": old.name, "rank": old.rank()})
	}
	if name == "" {
		ch.broadcast("setLeader", "")
		l.paused, l.moved = false, time.Now()
		return true
	}
	u := ch.User(name)
	if u == nil {
		return false
	}
	l.leader = u
	u.setLeader(true)
	ch.broadcast("setLeader", u.name)
	if u.rank() == 1.5 {
		ch.broadcast("setUserRank", object{"name": u.name, "rank": 1.5})
	}
	return true
}

func (c *Session) setLeader(leader bool) {
	before := c.rank()
	c.leader = leader
	if c.rank() != before {
		c.Emit("rank", c.rank())
	}
}
