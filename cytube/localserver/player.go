package localserver

import (
	"encoding/json"
	"math"
	"strconv"
	"time"
)

const (
	leadIn      = 3 // seconds that players get to load an item
	leadOut     = 2 // seconds that an item stays after its end
	updateEvery = 5 // ticks between mediaUpdates
)

// update is the payload of changeMedia.
func (l *playlist) update() object {
	u := l.current.media.pack()
	u["currentTime"], u["paused"] = l.time(), l.paused
	return u
}

// time is how many seconds of the current item were played.
func (l *playlist) time() float64 { return math.Round(l.position*1000) / 1000 }

func (ch *Channel) sendCurrent(c *Session) {
	if ch.list.current != nil {
		c.Emit("setCurrent", ch.list.current.uid)
		c.Emit("changeMedia", ch.list.update())
	}
}

// play begins an item, with a lead-in for the players to load it unless somebody leads.
func (ch *Channel) play(i *item) {
	l := &ch.list
	l.current, l.position, l.paused, l.moved, l.ticks = i, 0, false, time.Now(), 0
	l.stopped = l.leader != nil
	if l.leader == nil && i.media.Seconds > 0 {
		l.position, l.paused = -leadIn, true
	}
	ch.sendChange()
}

// sendChange tells everybody what plays now. Drinks and votes begin anew with it.
func (ch *Channel) sendChange() {
	ch.broadcast("setCurrent", ch.list.current.uid)
	ch.broadcast("changeMedia", ch.list.update())
	ch.drinks = 0
	ch.broadcast("drinkCount", 0)
	ch.resetSkipVotes()
}

// tick advances the current item to that time.
func (ch *Channel) tickPlayer(now time.Time) {
	l := &ch.list
	if l.current == nil || l.stopped || l.current.media.Seconds == 0 {
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
	ch.broadcast("mediaUpdate", object{"currentTime": ch.list.time(), "paused": ch.list.paused})
}

func (ch *Channel) playNextBy(*Session) { ch.PlayNext() }

// PlayNext plays the item after the current one, which is removed when it is temporary.
func (ch *Channel) PlayNext() {
	l := &ch.list
	switch {
	case l.current == nil:
	case l.current.temp:
		ch.RemoveMedia(l.current.uid)
	case len(l.items) > 0:
		ch.play(l.items[(l.index(l.current.uid)+1)%len(l.items)])
	}
}

// jumpTo plays an item, which a client names by its uid or the digits of it. A temporary item that it leaves is removed.
func (ch *Channel) jumpTo(_ *Session, which json.RawMessage) {
	digits := string(which)
	if jsType(which) == "string" {
		_ = json.Unmarshal(which, &digits) // a string, as has been seen
	}
	uid, err := strconv.Atoi(digits)
	at := ch.list.index(uid)
	if err != nil || at < 0 {
		return
	}
	old, chosen := ch.list.current, ch.list.items[at]
	ch.list.current = chosen
	if old != nil && old.temp && old != chosen {
		ch.RemoveMedia(old.uid)
	}
	ch.play(chosen)
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

// assignLeader makes a user the leader, or nobody when the name is empty. When there is no such user the old leader is
// removed all the same, and the server's clock stays off.
func (ch *Channel) assignLeader(c *Session, data struct{ Name string }) {
	l := &ch.list
	if old := l.leader; old != nil {
		l.leader = nil
		old.setLeader(false)
		ch.broadcast("setUserRank", object{"name": old.name, "rank": old.rank()})
	}
	if data.Name == "" {
		ch.resume()
		return
	}
	u := ch.User(data.Name)
	if u == nil || u.name != data.Name {
		c.fail("Unable to assign leader: could not find user " + data.Name)
		return
	}
	l.leader, l.stopped = u, true
	u.setLeader(true)
	ch.broadcast("setLeader", u.name)
	if u.rank() == 1.5 {
		ch.broadcast("setUserRank", object{"name": u.name, "rank": 1.5})
	}
}

// resume lets the server lead again.
func (ch *Channel) resume() {
	l := &ch.list
	ch.broadcast("setLeader", "")
	l.paused, l.stopped, l.moved = false, false, time.Now()
	if l.current != nil {
		ch.sendPosition()
	}
}

func (c *Session) setLeader(leader bool) {
	before := c.rank()
	c.leader = leader
	if c.rank() != before {
		c.Emit("rank", c.rank())
	}
}
