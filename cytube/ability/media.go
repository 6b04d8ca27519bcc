package ability

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/rosey-bot/rosey/cytube/channel"
	"github.com/rosey-bot/rosey/cytube/medialink"
	"github.com/rosey-bot/rosey/event"
)

// link returns the media that a send asks for.
func link(p event.SendMediaQueue) (medialink.Link, error) {
	if p.URL != "" {
		return medialink.Parse(p.URL)
	}
	l := medialink.Link{Type: p.Type, ID: p.ID}
	return l, l.Check()
}

// queueNeeds are the permissions that types need besides playlistadd.
var queueNeeds = map[string][]string{
	"yp": {"playlistaddlist"}, "tw": {"playlistaddlive"}, "li": {"playlistaddlive"}, "rt": {"playlistaddlive"}, "hl": {"playlistaddlive"},
	"cu": {"playlistaddlive", "playlistaddcustom"}, "fi": {"playlistaddrawfile"}, "cm": {"playlistaddrawfile"},
}

var queue = rule[event.SendMediaQueue]{
	options: options{queues: true, slow: true, needs: []string{"playlistadd"}},
	check: func(c *Call, p event.SendMediaQueue) *Outcome {
		l, err := link(p)
		if err != nil {
			return refuseError(err)
		}
		needs := slices.Clone(queueNeeds[l.Type])
		if p.Position == event.PositionNext {
			needs = append(needs, "playlistnext")
		}
		return c.needs(needs...)
	},
	frames: func(c *Call, p event.SendMediaQueue) []Frame {
		l, _ := link(p)
		c.asked = []string{l.ID}
		arg := map[string]any{"id": l.ID, "type": l.Type, "pos": cmp.Or(p.Position, event.PositionEnd), "temp": p.Temp}
		if p.Title != "" && (l.Type == "cu" || l.Type == "fi") {
			arg["title"] = p.Title
		}
		if p.Duration > 0 && l.Type == "hl" {
			arg["duration"] = p.Duration
		}
		return []Frame{{"queue", []any{arg}}}
	},
	seen: func(c *Call, p event.SendMediaQueue, e channel.Event) bool {
		q, ok := as[event.MediaQueue](e.Envelope, event.SubjectMediaQueue)
		return ok && c.byBot(q.QueuedBy) && isMedia(p, q.Type, q.URL)
	},
	since: func(c *Call, p event.SendMediaQueue) *Outcome {
		for _, item := range c.State.Items() {
			if c.byBot(item.By) && item.UID > c.Past.LastUID && isMedia(p, item.Type, channel.MediaURL(item.Type, item.ID)) {
				return c.Past.queued(item.UID)
			}
		}
		return nil
	},
}

// isMedia reports whether an item is what a send asks for. The server gives custom embeds an
// ID of its own, and makes items of other types of a list.
func isMedia(p event.SendMediaQueue, kind, page string) bool {
	l, _ := link(p)
	switch l.Type {
	case "yp":
		return kind == "yt"
	case "cu", "cm":
		return kind == l.Type
	}
	return kind == l.Type && page == channel.MediaURL(l.Type, l.ID)
}

// queued returns the outcome of a send whose item is on the playlist, with the event that
// says so if there is one.
func (p *Past) queued(uid int) *Outcome {
	o := p.last(func(e event.Envelope) bool {
		q, ok := as[event.MediaQueue](e, event.SubjectMediaQueue)
		return ok && q.UID == uid
	})
	return cmp.Or(o, &Outcome{Status: event.DeliveryDone})
}

// has refuses an item that is not on the playlist.
func (c *Call) has(uid int) *Outcome {
	if _, ok := c.State.Item(uid); ok {
		return nil
	}
	return refuse(event.RecordNotFound, "there is no item %d on the playlist", uid)
}

var deleteItem = rule[event.SendItem]{
	options: options{needs: []string{"playlistdelete"}},
	check:   func(c *Call, p event.SendItem) *Outcome { return c.has(p.UID) },
	so:      func(c *Call, p event.SendItem) bool { return c.Past != nil && c.has(p.UID) != nil },
	frames:  func(_ *Call, p event.SendItem) []Frame { return []Frame{{"delete", []any{p.UID}}} },
	seen: func(_ *Call, p event.SendItem, e channel.Event) bool {
		d, ok := as[event.MediaDelete](e.Envelope, event.SubjectMediaDelete)
		return ok && d.UID == p.UID
	},
}

// begins reports whether an event says that other media play, or none.
func begins(e event.Envelope) bool {
	return e.Subject == event.SubjectMediaChange || e.Subject == event.SubjectMediaStop
}

// played returns the outcome of a send that something else was to play, if that is so.
func (c *Call) played() *Outcome { return c.Past.last(begins) }

var jump = rule[event.SendItem]{
	options: options{needs: []string{"playlistjump"}},
	check:   func(c *Call, p event.SendItem) *Outcome { return c.has(p.UID) },
	frames:  func(_ *Call, p event.SendItem) []Frame { return []Frame{{"jumpTo", []any{p.UID}}} },
	seen: func(c *Call, p event.SendItem, e channel.Event) bool {
		uid, _ := c.State.Playing()
		return e.Subject == event.SubjectMediaChange && uid == p.UID
	},
	since: func(c *Call, p event.SendItem) *Outcome {
		o := c.played()
		if uid, ok := c.State.Playing(); o == nil || ok && uid == p.UID {
			return o
		}
		return &Outcome{Status: event.DeliveryUnconfirmed, Reason: "something else plays since it was written"}
	},
}

var skip = rule[event.SendBare]{
	options: options{needs: []string{"playlistjump"}},
	check: func(c *Call, _ event.SendBare) *Outcome {
		if _, ok := c.State.Playing(); !ok {
			return refuse(event.RecordNotFound, "nothing plays")
		}
		return nil
	},
	frames: func(*Call, event.SendBare) []Frame { return []Frame{{Name: "playNext"}} },
	seen:   func(_ *Call, _ event.SendBare, e channel.Event) bool { return begins(e.Envelope) },
	since:  func(c *Call, _ event.SendBare) *Outcome { return c.played() },
}

var temp = rule[event.SendMediaTemp]{
	options: options{needs: []string{"settemp"}},
	check:   func(c *Call, p event.SendMediaTemp) *Outcome { return c.has(p.UID) },
	so: func(c *Call, p event.SendMediaTemp) bool {
		item, ok := c.State.Item(p.UID)
		return ok && item.Temp == p.Temp
	},
	frames: func(_ *Call, p event.SendMediaTemp) []Frame {
		return []Frame{{"setTemp", []any{map[string]any{"uid": p.UID, "temp": p.Temp}}}}
	},
	seen: func(_ *Call, p event.SendMediaTemp, e channel.Event) bool {
		t, ok := as[event.MediaTemp](e.Envelope, event.SubjectMediaTemp)
		return ok && t.UID == p.UID && t.Temp == p.Temp
	},
}

// after returns the uid after which an item goes, -1 for the first place.
func after(c *Call, p event.SendMediaMove) int {
	items := c.State.Items()
	switch uid, ok := p.After.Int(); {
	case ok:
		return int(uid)
	case p.After == event.PlaceLast && len(items) > 0:
		if last := items[len(items)-1].UID; last != p.UID {
			return last
		}
		return c.State.Before(p.UID)
	}
	return -1
}

var move = rule[event.SendMediaMove]{
	options: options{needs: []string{"playlistmove"}},
	check: func(c *Call, p event.SendMediaMove) *Outcome {
		if o := c.has(p.UID); o != nil {
			return o
		}
		to, named := p.After.Int()
		switch {
		case named && int(to) == p.UID:
			return refuse(event.InvalidInput, "item %d cannot be moved after itself", p.UID)
		case named:
			return c.has(int(to)) // else the server would lose the item
		}
		return nil
	},
	so: func(c *Call, p event.SendMediaMove) bool {
		return c.has(p.UID) == nil && c.State.Before(p.UID) == after(c, p)
	},
	frames: func(_ *Call, p event.SendMediaMove) []Frame {
		to := any("prepend")
		if uid, ok := p.After.Int(); ok {
			to = uid
		} else if p.After == event.PlaceLast {
			to = "append"
		}
		return []Frame{{"moveMedia", []any{map[string]any{"from": p.UID, "after": to}}}}
	},
	seen: func(_ *Call, p event.SendMediaMove, e channel.Event) bool {
		m, ok := as[event.MediaMove](e.Envelope, event.SubjectMediaMove)
		return ok && m.UID == p.UID
	},
}

// isNew reports whether all of the playlist came after the send.
func (c *Call) isNew() bool {
	return c.Past.LastUID >= 0 && !slices.ContainsFunc(c.State.Items(), func(i channel.Item) bool { return i.UID <= c.Past.LastUID })
}

var shuffle = rule[event.SendBare]{
	options: options{needs: []string{"playlistshuffle"}},
	check: func(c *Call, _ event.SendBare) *Outcome {
		if len(c.State.Items()) == 0 {
			return refuse(event.RecordNotFound, "the playlist is empty")
		}
		return nil
	},
	frames: func(*Call, event.SendBare) []Frame { return []Frame{{Name: "shufflePlaylist"}} },
	seen:   func(_ *Call, _ event.SendBare, e channel.Event) bool { return e.Subject == event.SubjectMediaShuffle },
	since: func(c *Call, _ event.SendBare) *Outcome {
		if c.isNew() {
			return &Outcome{Status: event.DeliveryDone}
		}
		return nil
	},
}

var clearList = rule[event.SendBare]{
	options: options{needs: []string{"playlistclear"}},
	so:      func(c *Call, _ event.SendBare) bool { return len(c.State.Items()) == 0 },
	frames:  func(*Call, event.SendBare) []Frame { return []Frame{{Name: "clearPlaylist"}} },
	seen:    func(_ *Call, _ event.SendBare, e channel.Event) bool { return e.Subject == event.SubjectMediaClear },
	since: func(c *Call, _ event.SendBare) *Outcome {
		if c.isNew() { // what is there was queued after it
			return &Outcome{Status: event.DeliveryDone}
		}
		return nil
	},
}

var vote = rule[event.SendBare]{
	options: options{needs: []string{"voteskip"}},
	check: func(c *Call, _ event.SendBare) *Outcome {
		if string(c.State.Values(event.SubjectOptions)["allow_voteskip"]) == "false" {
			return refuse(event.PermissionDenied, "the channel has no votes to skip")
		}
		if _, ok := c.State.Playing(); !ok {
			return refuse(event.RecordNotFound, "nothing plays")
		}
		return nil
	},
	so:     func(c *Call, _ event.SendBare) bool { return c.State.Voted() },
	frames: func(*Call, event.SendBare) []Frame { return []Frame{{Name: "voteskip"}} },
	seen: func(c *Call, _ event.SendBare, e channel.Event) bool {
		if e.Subject != event.SubjectMediaVote {
			return false
		}
		c.State.NoteVote()
		return true
	},
	shown: func(_ *Call, _ event.SendBare, f channel.Frame) bool { return f.Name == "voteskip" },
	since: func(c *Call, _ event.SendBare) *Outcome { return c.played() },
}

var lock = rule[event.SendMediaLock]{
	options: options{needs: []string{"playlistlock"}},
	so:      func(c *Call, p event.SendMediaLock) bool { return c.State.Locked() == p.Locked },
	frames:  func(*Call, event.SendMediaLock) []Frame { return []Frame{{Name: "togglePlaylistLock"}} },
	seen: func(_ *Call, p event.SendMediaLock, e channel.Event) bool {
		l, ok := as[event.MediaLock](e.Envelope, event.SubjectMediaLock)
		return ok && l.Locked == p.Locked
	},
}

var leader = rule[event.SendMediaLeader]{
	options: options{needs: []string{"leaderctl"}},
	check: func(c *Call, p event.SendMediaLeader) *Outcome {
		if p.User == "" {
			return nil
		}
		return c.here(p.User) // an unknown name would stop the server's clock
	},
	so: func(c *Call, p event.SendMediaLeader) bool { return channel.SameName(c.State.Leader(), p.User) },
	frames: func(c *Call, p event.SendMediaLeader) []Frame {
		return []Frame{{"assignLeader", []any{map[string]any{"name": c.spelled(p.User)}}}}
	},
	seen: func(_ *Call, p event.SendMediaLeader, e channel.Event) bool {
		l, ok := as[event.MediaLeader](e.Envelope, event.SubjectMediaLeader)
		return ok && channel.SameName(l.User, p.User)
	},
}

// spelled returns a name as the server spells it.
func (c *Call) spelled(name string) string {
	if u, ok := c.State.User(name); ok {
		return u.Name
	}
	return name
}

// here refuses a user who is not in the channel.
func (c *Call) here(name string) *Outcome {
	if _, ok := c.State.User(name); ok {
		return nil
	}
	return refuse(event.RecordNotFound, "%s is not in the channel", fmt.Sprintf("%.40s", name))
}
