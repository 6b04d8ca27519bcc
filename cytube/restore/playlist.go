package restore

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/rosey-bot/rosey/cytube/channel"
	"github.com/rosey-bot/rosey/cytube/medialink"
	"github.com/rosey-bot/rosey/cytube/view"
	"github.com/rosey-bot/rosey/event"
)

// arrangement is how a playlist becomes what it was. Items that are to be queued have uids
// that the server has not given.
type arrangement struct {
	remove []view.Item    // that are there and were not
	queue  []view.Item    // that were there and are not
	lost   map[int]string // uids of those that nobody can queue again, and why
	want   []view.Item    // the playlist then, by the uids of now and of queue
}

// same is what two items have in common that are the same media.
type same struct{ url, kind string }

func sameOf(i view.Item) same { return same{i.URL, i.Type} }

// playlist compares the playlist with what it was, item by item of the same media.
func (p *planner) playlist() arrangement {
	a := arrangement{lost: map[int]string{}}
	has := map[same][]view.Item{}
	for _, i := range p.now.Playlist {
		has[sameOf(i)] = append(has[sameOf(i)], i)
	}
	next := p.now.NextUID
	for _, i := range p.now.Playlist {
		next = max(next, i.UID+1)
	}
	for _, i := range p.then.Playlist {
		if there := has[sameOf(i)]; len(there) > 0 {
			i.UID, has[sameOf(i)] = there[0].UID, there[1:]
			a.want = append(a.want, i)
			continue
		}
		i.UID = next
		next++
		if _, err := LinkOf(i); err != nil {
			a.lost[i.UID] = err.Error()
		} else {
			a.want = append(a.want, i)
		}
		a.queue = append(a.queue, i)
	}
	for _, i := range p.now.Playlist {
		if slices.ContainsFunc(has[sameOf(i)], func(left view.Item) bool { return left.UID == i.UID }) {
			a.remove = append(a.remove, i)
		}
	}
	return a
}

// LinkOf returns the media of an item as the server takes them, or why it cannot take them
// again.
func LinkOf(i view.Item) (medialink.Link, error) {
	if i.Type == "cu" {
		return medialink.Link{}, event.Errorf(event.InvalidInput, "the server does not tell the address of a custom embed")
	}
	l, err := medialink.Parse(i.URL)
	if err != nil || l.Type != i.Type {
		l = medialink.Link{Type: i.Type, ID: i.URL}
	}
	if err := l.Check(); err != nil {
		return l, err
	}
	if channel.MediaURL(l.Type, l.ID) != i.URL {
		return l, event.Errorf(event.InvalidInput, "which media it is cannot be told from its address")
	}
	return l, nil
}

// arrange adds the steps of the playlist. Items are deleted from the end on, so that what
// plays is not changed more often than needed, and become temporary last: a temporary item
// goes when something else plays.
func (p *planner) arrange(a arrangement) {
	for _, i := range slices.Backward(a.remove) {
		p.add(view.Change{Part: view.PartPlaylist, Op: view.Removed, Key: i.URL, Old: marshal(i)}, event.SubjectSendMediaDelete, event.SendItem{UID: i.UID})
	}
	for _, i := range a.queue {
		p.queue(a, i)
	}
	p.moves(a)
	p.plays(a)
	for _, i := range a.want {
		if is := p.item(a, i.UID); is.Temp != i.Temp {
			stays := map[bool]json.RawMessage{true: marshal("temporary"), false: marshal("stays")}
			p.later(a, view.Change{Part: view.PartPlaylist, Op: view.Changed, Key: i.Title, Old: stays[is.Temp], New: stays[i.Temp]},
				event.SubjectSendMediaTemp, event.SendMediaTemp{UID: i.UID, Temp: i.Temp})
		}
	}
}

func (p *planner) queue(a arrangement, i view.Item) {
	c := view.Change{Part: view.PartPlaylist, Op: view.Added, Key: i.URL, New: marshal(i)}
	if why := a.lost[i.UID]; why != "" {
		p.steps = append(p.steps, Step{Change: c, Cannot: why})
		return
	}
	l, _ := LinkOf(i)
	p.add(c, event.SubjectSendMediaQueue, event.SendMediaQueue{
		Type: l.Type, ID: l.ID, Position: event.PositionEnd, Title: i.Title, Duration: float64(i.Duration),
	})
}

// item returns an item as it is or, if it is to be queued, as it will be.
func (p *planner) item(a arrangement, uid int) view.Item {
	for _, i := range p.now.Playlist {
		if i.UID == uid {
			return i
		}
	}
	for _, i := range a.queue {
		if i.UID == uid {
			i.Temp = false
			return i
		}
	}
	return view.Item{}
}

// later adds a step that waits until all items have uids of the server's.
func (p *planner) later(a arrangement, c view.Change, subject string, payload any) {
	p.add(c, subject, payload)
	if len(a.queue) > len(a.lost) {
		p.steps[len(p.steps)-1].subject = ""
	}
}

// moves adds the steps that put the items in order: all but the longest run that is in order
// already, each after the one that it followed.
func (p *planner) moves(a arrangement) {
	place := map[int]int{} // where an item is to be
	for at, i := range a.want {
		place[i.UID] = at
	}
	var uids []int // as they are once the others are deleted and queued
	for _, i := range slices.Concat(p.now.Playlist, a.queue) {
		if _, wanted := place[i.UID]; wanted {
			uids = append(uids, i.UID)
		}
	}
	stays := longestRun(uids, place)
	for at, i := range a.want {
		if stays[i.UID] {
			continue
		}
		after := event.ID(event.PlaceFirst)
		if at > 0 {
			after = event.ID(fmt.Sprint(a.want[at-1].UID))
		}
		p.later(a, view.Change{
			Part: view.PartPlaylist, Op: view.Changed, Key: i.Title,
			Old: marshal(fmt.Sprintf("place %d", slices.Index(uids, i.UID)+1)), New: marshal(fmt.Sprintf("place %d", at+1)),
		}, event.SubjectSendMediaMove, event.SendMediaMove{UID: i.UID, After: after})
	}
}

// longestRun returns the uids of a longest sequence of those given that is in order of their
// places.
func longestRun(uids []int, place map[int]int) map[int]bool {
	var ends []int // ends[n] is the index of the last of the best run of n+1
	before := make([]int, len(uids))
	for i, uid := range uids {
		n, _ := slices.BinarySearchFunc(ends, place[uid], func(end, at int) int { return place[uids[end]] - at })
		before[i] = -1
		if n > 0 {
			before[i] = ends[n-1]
		}
		if n == len(ends) {
			ends = append(ends, i)
		} else {
			ends[n] = i
		}
	}
	run := map[int]bool{}
	if len(ends) > 0 {
		for i := ends[len(ends)-1]; i >= 0; i = before[i] {
			run[uids[i]] = true
		}
	}
	return run
}

// plays adds the step that plays what played.
func (p *planner) plays(a arrangement) {
	was, is := p.then.Playing, p.now.Playing
	if was == nil || is != nil && is.URL == was.URL && is.Type == was.Type {
		return
	}
	i := slices.IndexFunc(a.want, func(i view.Item) bool { return i.URL == was.URL && i.Type == was.Type })
	if i < 0 {
		return
	}
	c := view.Change{Part: view.PartPlaylist, Op: view.Changed, Key: keyPlays, Old: marshal("nothing"), New: marshal(was.Title)}
	if is != nil {
		c.Old = marshal(is.Title)
	}
	p.later(a, c, event.SubjectSendMediaJump, event.SendItem{UID: a.want[i].UID})
}

// keyPlays is the key of the change of what plays.
const keyPlays = "plays"

// leastPosition is how far an item had come that is not restored to its beginning.
const leastPosition = 3 * time.Second

// withPosition adds to the step that plays what played that it begins anew: there is no
// ability to set the position inside an item, which only a leader may.
func withPosition(steps []Step, then *view.View, at time.Time) []Step {
	i := slices.IndexFunc(steps, func(s Step) bool { return s.Part == view.PartPlaylist && s.Key == keyPlays })
	if i < 0 || then.Playing.Duration == 0 {
		return steps
	}
	was := time.Duration(then.Playing.PositionAt(at.UnixMilli()) * float64(time.Second)).Round(time.Second)
	if was < leastPosition {
		return steps
	}
	c := view.Change{Part: view.PartPlaylist, Op: view.Changed, Key: "position", Old: marshal("0s"), New: marshal(was.String())}
	return slices.Insert(steps, i+1, Step{Change: c, Cannot: "only a leader may set the position inside an item: it begins anew"})
}

// marshal encodes a value that always has a JSON form.
func marshal(v any) json.RawMessage {
	raw, _ := json.Marshal(v) //nolint:errchkjson // texts and items
	return raw
}
