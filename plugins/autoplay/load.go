package autoplay

import (
	"slices"

	"github.com/rosey-bot/rosey/cytube/view"
)

// Show is a programme that is put on the playlist.
type Show struct {
	What  string `json:"what" mark:"text"`
	Link  string `json:"link,omitempty" mark:"text"` // of what was found by its title
	By    string `json:"by" mark:"person"`
	Items []Item `json:"items"`
	Loose bool   `json:"loose"` // the bot cannot put the items in their places, or play them
}

// Item is an item of a Show.
type Item struct {
	URL     string `json:"url" mark:"text"`
	UID     int    `json:"uid"`     // on the playlist
	Queued  bool   `json:"queued"`  // it is, or was, on the playlist
	Settled bool   `json:"settled"` // it stood in its place, or is left out
	Tries   int    `json:"tries"`
}

// The steps of a show.
const (
	queueStep = "queue"
	moveStep  = "move"
	jumpStep  = "jump"
)

// step is what is to be asked of the channel next.
type step struct {
	What  string // "" when the show is loaded
	Item  int    // index of what is to be queued
	UID   int    // of what is moved or played
	After int    // uid of the item that it is moved after
}

// next returns the next step of loading a show onto a playlist, on which the item with index
// current plays, -1 if none does. The show's items stand together, in their order, after what
// played when the first came; what others put in front of those in place, or between them, is
// moved after them, but what people do to the show's own items stays. With cut, the first is played when all are in
// place.
func (s *Show) next(list []view.Item, current int, cut bool) step {
	at := func(uid int) int { return slices.IndexFunc(list, func(i view.Item) bool { return i.UID == uid }) }
	last := -1 // index on the list of the show's item before
	for n := range s.Items {
		i := &s.Items[n]
		if !i.Queued && !i.Settled {
			return step{What: queueStep, Item: n}
		}
		place := at(i.UID)
		if !i.Queued || place < 0 { // left out, played or removed
			i.Settled = true
			continue
		}
		before := last
		if s.Loose {
			i.Settled, last = true, place
			continue
		}
		if before < 0 { // the first of the show that is there
			if before = current; i.Settled || current < 0 || place == current {
				before = place - 1
			}
		}
		came := -1
		if last < 0 && i.Settled && current >= 0 && place > current { // in front of the show, after its first item
			came = slices.IndexFunc(list[current+1:place], func(other view.Item) bool { return other.UID > i.UID })
		}
		switch {
		case came >= 0:
			return step{What: moveStep, UID: list[current+1+came].UID, After: list[s.lastPlaced(list)].UID}
		case place == before+1:
			i.Settled, last = true, place
		case !i.Settled:
			return step{What: moveStep, UID: i.UID, After: list[before].UID}
		case place > before && !s.has(list[before+1].UID):
			return step{What: moveStep, UID: list[before+1].UID, After: list[s.lastPlaced(list)].UID}
		case place > before:
			last = place
		}
	}
	first := slices.IndexFunc(s.Items, func(i Item) bool { return i.Queued && at(i.UID) >= 0 })
	if cut && !s.Loose && first >= 0 && (current < 0 || !s.has(list[current].UID)) {
		return step{What: jumpStep, UID: s.Items[first].UID}
	}
	return step{}
}

// has reports whether an item of the playlist is of the show.
func (s *Show) has(uid int) bool {
	return slices.ContainsFunc(s.Items, func(i Item) bool { return i.Queued && i.UID == uid })
}

// lastPlaced returns the index on the list of the last item of the show that stands in its
// place.
func (s *Show) lastPlaced(list []view.Item) int {
	last := -1
	for n, i := range list {
		if slices.ContainsFunc(s.Items, func(of Item) bool { return of.Settled && of.Queued && of.UID == i.UID }) {
			last = n
		}
	}
	return last
}

// loaded returns how many items were put on the playlist.
func (s *Show) loaded() (n int) {
	for _, i := range s.Items {
		if i.Queued {
			n++
		}
	}
	return n
}
