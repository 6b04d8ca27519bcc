package cytubetest

import (
	"encoding/json"
	"html"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// mayList tells whether a client may do something to the playlist, which may be
// open to more people than a locked one is.
func (ch *room) mayList(c *session, what string) bool {
	return ch.list.open && ch.may(c, "o"+what) || ch.may(c, what)
}

// queue answers the queue event.
func (ch *room) queue(c *session, arg json.RawMessage) {
	var data struct {
		ID       any     `json:"id"`
		Type     string  `json:"type"`
		Pos      string  `json:"pos"`
		Temp     bool    `json:"temp"`
		Title    any     `json:"title"`
		Duration float64 `json:"duration"`
	}
	_ = json.Unmarshal(arg, &data)
	id, isText := data.ID.(string)
	next := data.Pos == "next"
	if !isText || !next && data.Pos != "end" || !ch.mayList(c, "playlistadd") || next && !ch.mayList(c, "playlistnext") {
		return
	}
	prefix, known := mediaLink[data.Type]
	fail := func(text, link string) {
		c.emit("queueFail", map[string]any{"msg": text, "link": link, "id": id})
	}
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
	if _, err := ch.addMedia(media, c.name, next, data.Temp || !ch.may(c, "addnontemp")); err != nil {
		fail(err.Error(), prefix+id)
	}
}

func (ch *room) deleteMedia(c *session, arg json.RawMessage) {
	var uid int
	if ch.mayList(c, "playlistdelete") && json.Unmarshal(arg, &uid) == nil {
		ch.removeMedia(uid)
	}
}

func (ch *room) setTemp(c *session, arg json.RawMessage) {
	var data struct {
		UID  int  `json:"uid"`
		Temp bool `json:"temp"`
	}
	if !ch.may(c, "settemp") || json.Unmarshal(arg, &data) != nil {
		return
	}
	if at := ch.list.index(data.UID); at >= 0 {
		ch.list.items[at].temp = data.Temp
		ch.broadcast("setTemp", data)
	}
}

func (ch *room) moveMedia(c *session, arg json.RawMessage) {
	var data struct {
		From  int `json:"from"`
		After any `json:"after"`
	}
	l := &ch.list
	if !ch.mayList(c, "playlistmove") || json.Unmarshal(arg, &data) != nil {
		return
	}
	from := l.index(data.From)
	if from < 0 {
		return
	}
	moved := l.items[from]
	rest := slices.Delete(slices.Clone(l.items), from, from+1)
	at := -1
	switch after := data.After.(type) {
	case float64:
		if before := slices.IndexFunc(rest, func(i *item) bool { return i.uid == int(after) }); before >= 0 {
			at = before + 1
		}
	case string:
		if where, ok := map[string]int{"prepend": 0, "append": len(rest)}[after]; ok {
			at = where
		}
	}
	if at < 0 {
		return
	}
	l.items = slices.Insert(rest, at, moved)
	ch.broadcast("moveVideo", map[string]any{"from": data.From, "after": data.After})
}

func (ch *room) jumpTo(c *session, arg json.RawMessage) {
	var uid int
	if !ch.mayList(c, "playlistjump") || json.Unmarshal(arg, &uid) != nil {
		return
	}
	if at := ch.list.index(uid); at >= 0 {
		old := ch.list.current
		ch.play(ch.list.items[at])
		if old != nil && old.temp && old != ch.list.current {
			ch.removeMedia(old.uid)
		}
	}
}

func (ch *room) playNext(c *session, _ json.RawMessage) {
	if ch.mayList(c, "playlistjump") {
		ch.advance()
	}
}

func (ch *room) playerReady(c *session, _ json.RawMessage) { ch.sendCurrent(c) }

func (ch *room) requestPlaylist(c *session, _ json.RawMessage) { ch.sendPlaylist(c) }

func (ch *room) clearPlaylist(c *session, _ json.RawMessage) {
	if ch.may(c, "playlistclear") {
		ch.list.items, ch.list.current = nil, nil
		ch.broadcast("playlist", []any{})
		ch.broadcast("setPlaylistMeta", ch.list.meta())
	}
}

// shufflePlaylist mixes the items, which get new uids, but for the current one,
// which stays first and is started again.
func (ch *room) shufflePlaylist(c *session, _ json.RawMessage) {
	if !ch.may(c, "playlistshuffle") {
		return
	}
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

func (ch *room) togglePlaylistLock(c *session, _ json.RawMessage) {
	if ch.may(c, "playlistlock") {
		ch.list.open = !ch.list.open
		ch.broadcast("setPlaylistLocked", !ch.list.open)
	}
}

// mediaUpdate is the leader's way to tell where everybody's player should be.
func (ch *room) mediaUpdate(c *session, arg json.RawMessage) {
	var data struct {
		ID          string  `json:"id"`
		CurrentTime float64 `json:"currentTime"`
		Paused      bool    `json:"paused"`
	}
	l := &ch.list
	if l.leader != c || l.current == nil || json.Unmarshal(arg, &data) != nil || l.current.media.ID != data.ID {
		return
	}
	l.position, l.paused = data.CurrentTime, data.Paused
	ch.sendPosition()
}

func (ch *room) assignLeader(c *session, arg json.RawMessage) {
	var data struct {
		Name string `json:"name"`
	}
	if !ch.may(c, "leaderctl") {
		c.kick("Attempted assignLeader without sufficient permission")
		return
	}
	if json.Unmarshal(arg, &data) == nil && !ch.appoint(strings.TrimSpace(data.Name)) {
		c.fail("Unable to assign leader: could not find user " + data.Name)
	}
}
