package localserver

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"time"
)

// playlist is a channel's list of media and the state of the player.
type playlist struct {
	open    bool
	items   []*item
	current *item
	nextUID int

	// What setPlaylistMeta tells. It is counted, as on the real server, and stays too high when a move loses an item.
	count, seconds int

	leader   *Session
	stopped  bool    // whether the server's clock is off: somebody leads, or has led
	position float64 // seconds into the current item; negative while it waits to begin
	paused   bool
	moved    time.Time
	ticks    int

	jobs []job // lookups and changes that wait for a lookup before them
	busy bool  // whether a lookup is under way
}

type item struct {
	media Media
	uid   int
	temp  bool
	by    string
}

func (i *item) pack() object {
	return object{"media": i.media.pack(), "uid": i.uid, "temp": i.temp, "queueby": i.by}
}

func (l *playlist) meta() object {
	total := "00:00"
	if l.seconds > 0 {
		total = clock(l.seconds)
	}
	return object{"count": l.count, "rawTime": l.seconds, "time": total}
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

// job is a change of the playlist. Jobs are done one at a time, in the order of their requests.
type job struct {
	lookup func() // called without the lock; may be nil
	then   func()
}

// enqueue does a job after those before it: at once, when none waits and there is nothing to look up.
func (ch *Channel) enqueue(j job) {
	if l := &ch.list; l.busy || j.lookup != nil {
		l.jobs = append(l.jobs, j)
		if !l.busy {
			l.busy = true
			ch.srv.ticking.Go(ch.work)
		}
		return
	}
	j.then()
}

// work does the jobs that wait. The lock is not held.
func (ch *Channel) work() {
	for {
		ch.srv.mu.Lock()
		if len(ch.list.jobs) == 0 {
			ch.list.busy = false
			ch.srv.notify()
			ch.srv.mu.Unlock()
			return
		}
		j := ch.list.jobs[0]
		ch.list.jobs = ch.list.jobs[1:]
		ch.srv.mu.Unlock()
		if j.lookup != nil {
			j.lookup()
		}
		ch.srv.mu.Lock()
		j.then()
		ch.srv.mu.Unlock()
	}
}

// inTurn makes a handler of an event wait for the lookups before it.
func inTurn[T any](ch *Channel, act func(T), v T) { ch.enqueue(job{then: func() { act(v) }}) }

func (ch *Channel) sendMetaOfList() { ch.broadcast("setPlaylistMeta", ch.list.meta()) }

// sendList sends the playlist to a client, as far as it may see it.
func (ch *Channel) sendList(c *Session) {
	c.Emit("setPlaylistMeta", ch.list.meta())
	if ch.may(c, "seeplaylist") {
		c.Emit("playlist", ch.list.pack())
		if ch.list.current != nil {
			c.Emit("setCurrent", ch.list.current.uid)
		}
	}
}

// listEvery is the least time between two requests of the playlist from a client.
const listEvery = time.Minute

func (ch *Channel) requestPlaylist(c *Session) {
	if time.Since(c.listed) < listEvery {
		c.Emit("errorMsg", object{
			"msg":  "Get Playlist URLs is limited to 1 usage every 60 seconds.  Please try again later.",
			"code": "REQ_PLAYLIST_LIMIT_REACHED",
		})
		return
	}
	c.listed = time.Now()
	ch.sendList(c)
}

// A refusal is an error in the real server's words.
type refusal string

func (r refusal) Error() string { return string(r) }

// AddMedia puts media at the end of the playlist, in the name of a user, and returns its uid. The first item is played.
func (ch *Channel) AddMedia(m Media, by string) (uid int, err error) {
	ch.addAll([]Media{m}, addition{name: by, fail: func(refused error) { err = refused }})
	return ch.list.nextUID - 1, err
}

// Item is an item of a playlist.
type Item struct {
	Media
	UID     int
	By      string // who queued it
	Temp    bool
	Playing bool
}

// Playlist returns the items of the playlist.
func (ch *Channel) Playlist() (items []Item) {
	for _, i := range ch.list.items {
		items = append(items, Item{i.media, i.uid, i.by, i.temp, i == ch.list.current})
	}
	return items
}

// Locked reports whether the playlist is locked.
func (ch *Channel) Locked() bool { return !ch.list.open }

func (ch *Channel) deleteMedia(_ *Session, uid int) {
	inTurn(ch, func(uid int) { ch.RemoveMedia(uid) }, uid)
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
	l.count--
	l.seconds -= gone.media.Seconds
	ch.broadcastTo("seeplaylist", "delete", object{"uid": uid})
	ch.sendMetaOfList()
	if l.current == gone {
		l.current = nil
		if len(l.items) > 0 {
			ch.play(l.items[at%len(l.items)])
		}
	}
	return true
}

// removeMatching removes the items of which a text matches.
func (ch *Channel) removeMatching(c *Session, command, pattern string, of func(*item) string) {
	if pattern == "" {
		c.fail("No target given for " + command + ".  Usage: /clean <username> or /cleantitle <title>")
		return
	}
	target, err := regexp.Compile("(?i)" + pattern)
	if err != nil {
		c.fail("Invalid target: " + pattern)
		return
	}
	for _, i := range slices.Clone(ch.list.items) {
		if target.MatchString(of(i)) {
			ch.RemoveMedia(i.uid)
		}
	}
}

type tempChange struct {
	UID  int  `json:"uid"`
	Temp bool `json:"temp"`
}

func (ch *Channel) setTemp(_ *Session, data tempChange) {
	at := ch.list.index(data.UID)
	if at < 0 {
		return
	}
	i := ch.list.items[at]
	i.temp = data.Temp
	ch.broadcast("setTemp", data)
	if !i.temp && !isLive(i.media.Type) {
		ch.library[i.media.ID] = i.media
	}
}

type mediaMove struct {
	From  int `json:"from"`
	After any `json:"after"` // a uid, also in digits, "prepend" or "append"
}

func (ch *Channel) moveMedia(_ *Session, data mediaMove) { inTurn(ch, ch.move, data) }

func (ch *Channel) move(data mediaMove) {
	l := &ch.list
	from := l.index(data.From)
	after := fmt.Sprint(data.After)
	if from < 0 || after == fmt.Sprint(data.From) {
		return
	}
	moved := l.items[from]
	l.items = slices.Delete(l.items, from, from+1)
	at, ok := map[string]int{"prepend": 0, "append": len(l.items)}[after]
	if !ok {
		at = 1 + slices.IndexFunc(l.items, func(i *item) bool { return fmt.Sprint(i.uid) == after })
		if at == 0 {
			return // the real server loses the item, too, and says nothing
		}
	}
	l.items = slices.Insert(l.items, at, moved)
	ch.broadcast("moveVideo", data)
}

func (ch *Channel) clearPlaylist(*Session) {
	l := &ch.list
	l.items, l.current, l.count, l.seconds = nil, nil, 0, 0
	ch.broadcast("playlist", []any{})
	ch.sendMetaOfList()
}

// shufflePlaylist mixes the items, which get new uids. The current one goes first and keeps its position.
func (ch *Channel) shufflePlaylist(*Session) {
	l := &ch.list
	rand.Shuffle(len(l.items), func(a, b int) { l.items[a], l.items[b] = l.items[b], l.items[a] })
	for _, i := range l.items {
		i.uid = l.nextUID
		l.nextUID++
	}
	if at := slices.Index(l.items, l.current); at > 0 {
		l.items = slices.Insert(slices.Delete(l.items, at, at+1), 0, l.current)
	}
	ch.broadcastTo("seeplaylist", "playlist", l.pack())
	if l.current != nil {
		ch.sendChange()
	}
}

func (ch *Channel) togglePlaylistLock(*Session) {
	ch.list.open = !ch.list.open
	ch.broadcast("setPlaylistLocked", !ch.list.open)
}
