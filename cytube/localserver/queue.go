package localserver

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rosey-bot/rosey/internal/markup"
)

type queueRequest struct {
	ID       any
	Type     string
	Pos      string
	Temp     bool
	Title    any
	Duration *float64
}

// queue handles the queue event: what needs no lookup is refused at once, the rest when its turn has come.
func (ch *Channel) queue(c *Session, data queueRequest) {
	next := data.Pos == "next"
	if data.ID == true || !next && data.Pos != "end" || next && !ch.may(c, "playlistnext") {
		return
	}
	id, link := fmt.Sprint(data.ID), mediaLink(data.Type, fmt.Sprint(data.ID))
	fail := func(err error) {
		c.Emit("queueFail", object{"msg": err.Error(), "link": link, "id": data.ID})
	}
	if err := ch.mayQueue(c, data.Type); err != nil {
		fail(err)
		return
	}
	a := addition{
		by: c, next: next, temp: data.Temp || !ch.may(c, "addnontemp"), maxLength: ch.maxLength(c), fail: fail,
		warn: func(text string) { c.Emit("queueWarn", object{"msg": text, "link": link}) },
	}
	if title, ok := data.Title.(string); ok && (data.Type == "cu" || data.Type == "fi") {
		a.title = title
	}
	if data.Duration != nil && isLive(data.Type) {
		a.seconds = int(*data.Duration)
	}
	var found []Media
	var err error
	ch.enqueue(job{
		lookup: func() { found, err = ch.srv.cfg.find(data.Type, id) },
		then: func() {
			if err != nil {
				fail(refusal(markup.Escape(err.Error())))
				return
			}
			ch.addAll(found, a)
		},
	})
}

// mayQueue returns why a client may not queue media of a type now.
func (ch *Channel) mayQueue(c *Session, kind string) error {
	limit := Flood{Burst: 3, Sustained: 1}
	if c.rank() >= 2 {
		limit = Flood{Burst: 10, Sustained: 2}
	}
	switch {
	case kind == "yp" && !ch.may(c, "playlistaddlist"):
		return refusal("You don't have permission to add playlists")
	case isLive(kind) && !ch.may(c, "playlistaddlive"):
		return refusal("You don't have permission to add live media")
	case kind == "cu" && !ch.may(c, "playlistaddcustom"):
		return refusal("You don't have permission to add custom embeds")
	case (kind == "fi" || kind == "cm") && !ch.may(c, "playlistaddrawfile"):
		return refusal("You don't have permission to add raw video files")
	case !c.queueLimit.take(time.Now(), limit):
		return refusal("You are adding videos too quickly")
	}
	return nil
}

// maxLength returns how many seconds media of a client may have; 0 is no limit.
func (ch *Channel) maxLength(c *Session) int {
	if ch.may(c, "exceedmaxlength") {
		return 0
	}
	return int(ch.options.MaxLength)
}

// addition is how media are put on a playlist.
type addition struct {
	by        *Session // nil for nobody who is there
	name      string   // in whose name; by's if empty
	next      bool     // after the item that plays, in place of the end
	temp      bool
	title     string // in place of the media's own, unless empty
	seconds   int    // in place of the media's own, unless 0
	maxLength int
	fail      func(error)
	warn      func(string)
}

// addAll puts media on the playlist in their order, and starts to play when it was empty.
func (ch *Channel) addAll(list []Media, a addition) {
	if a.next {
		slices.Reverse(list) // each comes right after the item that plays
		if last := len(list) - 1; last > 0 && len(ch.list.items) == 0 {
			list = append(list[last:], list[:last]...)
		}
	}
	start := len(ch.list.items) == 0
	for _, m := range list {
		if _, err := ch.add(m, a); err != nil {
			a.fail(err)
		}
	}
	if start && ch.list.current != nil {
		ch.play(ch.list.current)
	}
}

// add puts a piece of media on the playlist; the first one becomes the current item, which the caller starts.
func (ch *Channel) add(m Media, a addition) (uid int, err error) {
	l := &ch.list
	if a.seconds > 0 {
		m.Seconds = a.seconds
	}
	old := slices.IndexFunc(l.items, func(i *item) bool { return i.media.ID == m.ID })
	duplicate := old >= 0 && !ch.options.AllowDupes
	switch {
	case a.maxLength > 0 && m.Seconds > a.maxLength:
		return 0, refusal(fmt.Sprintf("Video exceeds the maximum length set by the channel admin: %d seconds", a.maxLength))
	case duplicate && (!a.next || l.items[old] == l.current):
		return 0, refusal("This item is already on the playlist")
	}
	if err := ch.checkShare(m, a); err != nil {
		return 0, err
	}
	if countries, ok := m.Meta["restricted"].([]string); ok && a.warn != nil {
		a.warn("Video is blocked in the following countries: " + strings.Join(countries, ","))
	}
	if a.title != "" {
		m.Title = a.title
	}
	i := &item{media: m, uid: l.nextUID, temp: a.temp, by: a.name}
	if a.by != nil {
		i.by = a.by.name
	}
	l.nextUID++
	var replaced *item
	if duplicate {
		replaced = l.items[old]
		i.temp = replaced.temp
	}
	ch.insert(i, a.next, replaced)
	return i.uid, nil
}

// checkShare refuses media that would give a user more than a user's share of the playlist.
func (ch *Channel) checkShare(m Media, a addition) error {
	if a.by == nil {
		return nil
	}
	items, seconds := 0, m.Seconds
	for _, i := range ch.list.items {
		if a.by.is(i.by) || i.by == a.by.name {
			items++
			seconds += i.media.Seconds
		}
	}
	o := ch.options
	switch {
	case o.MaxPerUser > 0 && float64(items) >= o.MaxPerUser && !ch.may(a.by, "exceedmaxitems"):
		return refusal("Channel limit exceeded: maximum number of videos per user")
	case o.MaxDurationPerUser > 0 && float64(seconds) >= o.MaxDurationPerUser && !ch.may(a.by, "exceedmaxdurationperuser"):
		return refusal("Channel limit exceeded: maximum total playlist time per user")
	}
	return nil
}

// insert puts an item in its place, which an older one of the same media leaves.
func (ch *Channel) insert(i *item, next bool, replaced *item) {
	l := &ch.list
	at := len(l.items)
	if next && l.current != nil {
		at = l.index(l.current.uid) + 1
	}
	var after any = "prepend"
	if at > 0 {
		after = l.items[at-1].uid
	}
	l.items = slices.Insert(l.items, at, i)
	if replaced != nil {
		ch.RemoveMedia(replaced.uid)
	}
	l.count++
	l.seconds += i.media.Seconds
	ch.broadcastTo("seeplaylist", "queue", object{"item": i.pack(), "after": after})
	ch.sendMetaOfList()
	if !i.temp && !isLive(i.media.Type) {
		ch.library[i.media.ID] = i.media
	}
	if len(l.items) == 1 {
		l.current = i
	}
}
