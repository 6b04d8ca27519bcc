package localserver

import (
	"fmt"
	"html"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

type queueRequest struct {
	ID    any
	Type  string
	Pos   string
	Temp  bool
	Title any
}

// queue handles the queue event.
func (ch *Channel) queue(c *Session, data queueRequest) {
	id, isText := data.ID.(string)
	next := data.Pos == "next"
	if !isText || !next && data.Pos != "end" || next && !ch.may(c, "playlistnext") {
		return
	}
	prefix, known := mediaLink[data.Type]
	fail := func(text, link string) { c.Emit("queueFail", object{"msg": text, "link": link, "id": id}) }
	limit := Flood{Burst: 3, Sustained: 1}
	if c.rank() >= 2 {
		limit = Flood{Burst: 10, Sustained: 2}
	}
	switch {
	case !known:
		fail("Unknown media type &#39;"+html.EscapeString(data.Type)+"&#39;", "")
		return
	case (data.Type == "fi" || data.Type == "cm") && !ch.may(c, "playlistaddrawfile"):
		fail("You don't have permission to add raw video files", prefix+id)
		return
	case data.Type == "cu" && !ch.may(c, "playlistaddcustom"):
		fail("You don't have permission to add custom embeds", prefix+id)
		return
	case !c.queueLimit.take(time.Now(), limit):
		fail("You are adding videos too quickly", prefix+id)
		return
	}
	media, err := ch.srv.cfg.Lookup(data.Type, id)
	if err != nil {
		fail(html.EscapeString(err.Error()), prefix+id)
		return
	}
	if _, err := ch.add(media, c.name, next, data.Temp || !ch.may(c, "addnontemp")); err != nil {
		fail(err.Error(), prefix+id)
	}
}

type tempChange struct {
	UID  int  `json:"uid"`
	Temp bool `json:"temp"`
}

func (ch *Channel) setTemp(_ *Session, data tempChange) {
	if at := ch.list.index(data.UID); at >= 0 {
		ch.list.items[at].temp = data.Temp
		ch.broadcast("setTemp", data)
	}
}

type mediaMove struct {
	From  int
	After any
}

func (ch *Channel) moveMedia(_ *Session, data mediaMove) {
	l := &ch.list
	from := l.index(data.From)
	after := fmt.Sprint(data.After) // a uid, also in digits, "prepend" or "append"
	if from < 0 || after == fmt.Sprint(data.From) {
		return
	}
	moved := l.items[from]
	rest := slices.Delete(slices.Clone(l.items), from, from+1)
	l.items = rest
	at, ok := map[string]int{"prepend": 0, "append": len(rest)}[after]
	if !ok {
		at = 1 + slices.IndexFunc(rest, func(i *item) bool { return fmt.Sprint(i.uid) == after })
		if at == 0 {
			return // the real server loses the item, too, and says nothing
		}
	}
	l.items = slices.Insert(rest, at, moved)
	ch.broadcast("moveVideo", object{"from": data.From, "after": data.After})
}

func (ch *Channel) jumpTo(_ *Session, uid int) {
	at := ch.list.index(uid)
	if at < 0 {
		return
	}
	old := ch.list.current
	ch.play(ch.list.items[at])
	if old != nil && old.temp && old != ch.list.current {
		ch.RemoveMedia(old.uid)
	}
}

func (ch *Channel) clearPlaylist(*Session) {
	ch.list.items, ch.list.current = nil, nil
	ch.broadcast("playlist", []any{})
	ch.broadcast("setPlaylistMeta", ch.list.meta())
}

// shufflePlaylist mixes the items, which get new uids, but for the current one, which stays first and is started again.
func (ch *Channel) shufflePlaylist(*Session) {
	l := &ch.list
	rand.Shuffle(len(l.items), func(a, b int) { l.items[a], l.items[b] = l.items[b], l.items[a] })
	if at := slices.Index(l.items, l.current); at > 0 {
		l.items[0], l.items[at] = l.items[at], l.items[0]
	}
	for _, i := range l.items {
		i.uid = l.nextUID
		l.nextUID++
	}
	ch.broadcast("playlist", l.pack())
	if len(l.items) > 0 {
		ch.play(l.items[0])
	}
}

func (ch *Channel) togglePlaylistLock(*Session) {
	ch.list.open = !ch.list.open
	ch.broadcast("setPlaylistLocked", !ch.list.open)
}

type position struct {
	ID          string
	CurrentTime float64
	Paused      bool
}

// mediaUpdate is how the leader sets the position of everybody's player.
func (ch *Channel) mediaUpdate(c *Session, data position) {
	l := &ch.list
	if l.leader == c && l.current != nil && l.current.media.ID == data.ID {
		l.position, l.paused = data.CurrentTime, data.Paused
		ch.sendPosition()
	}
}

func (ch *Channel) assignLeader(c *Session, data struct{ Name string }) {
	if !ch.may(c, "leaderctl") {
		c.Kick("Attempted assignLeader without sufficient permission")
		return
	}
	if !ch.appoint(strings.TrimSpace(data.Name)) {
		c.fail("Unable to assign leader: could not find user " + data.Name)
	}
}
