package playlist

import (
	"maps"
	"slices"

	"github.com/rosey-bot/rosey/cytube/view"
)

// revert is the undoing of one change.
type revert struct {
	Before int64          `json:"before"` // ms, a time at which it was not yet made
	All    bool           `json:"all"`    // every item was removed
	Gone   []int          `json:"gone"`   // uids of the items that were removed
	Added  []added        `json:"added"`  // the items that were added
	Order  bool           `json:"order"`  // the order changed
	Plays  bool           `json:"plays"`  // something else began to play
	Held   []int          `json:"held"`   // uids of temporary items that are kept from leaving when something else plays
	Temp   []int          `json:"temp"`   // uids of those that became temporary, or no longer are
	Batch  []string       `json:"batch"`  // the steps that were asked for last
	Failed []string       `json:"failed"` // steps that could not be done
	Lost   map[string]int `json:"lost"`   // items that cannot come back, by media
}

// added is an item that a change added.
type added struct {
	UID  int    `json:"uid"`
	URL  string `json:"url" mark:"text"`
	Type string `json:"type"`
}

// without returns a playlist without items that were added: the one of that uid or, as a shuffle gives other
// uids, the last of the same media.
func without(list []view.Item, all []added) []view.Item {
	list = slices.Clone(list)
	for _, a := range all {
		at := -1
		for n, i := range list {
			if i.URL == a.URL && i.Type == a.Type {
				if at = n; i.UID == a.UID {
					break
				}
			}
		}
		if at >= 0 {
			list = slices.Delete(list, at, at+1)
		}
	}
	return list
}

type media struct{ url, kind string }

func mediaOf(i view.Item) media { return media{i.URL, i.Type} }

func (m media) key() string { return m.kind + " " + m.url }

// gone reports whether an item was removed by the change.
func (u *revert) gone(i view.Item) bool { return u.All || slices.Contains(u.Gone, i.UID) }

// merge returns the playlist as it is to be: as it is now, without what the change added, and with what
// it removed where that was, after the item that was before it. What others did since stays.
func (u *revert) merge(before, now []view.Item) []view.Item {
	want := without(now, u.Added)
	kept := map[media]int{}
	for _, i := range before {
		if !u.gone(i) {
			kept[mediaOf(i)]++
		}
	}
	// What is here beyond what was left then has come back already, and is put in its place.
	back := map[media][]view.Item{}
	want = slices.DeleteFunc(want, func(i view.Item) bool {
		m := mediaOf(i)
		if kept[m] > 0 {
			kept[m]--
			return false
		}
		if !slices.ContainsFunc(before, func(b view.Item) bool { return mediaOf(b) == m && u.gone(b) }) {
			return false
		}
		back[m] = append(back[m], i)
		return true
	})
	lost := map[string]int{}
	maps.Copy(lost, u.Lost)
	at := 0 // after the item before
	for _, b := range before {
		m := mediaOf(b)
		if !u.gone(b) {
			if n := slices.IndexFunc(want, func(i view.Item) bool { return i.UID == b.UID && mediaOf(i) == m }); n >= 0 {
				at = n + 1
			}
			continue
		}
		if here := back[m]; len(here) > 0 {
			b.UID, back[m] = here[0].UID, here[1:]
		} else if lost[m.key()] > 0 {
			lost[m.key()]--
			continue
		}
		want = slices.Insert(want, at, b)
		at++
	}
	if u.Order {
		want = reorder(before, want)
	}
	for n, i := range want {
		if at := slices.IndexFunc(before, func(b view.Item) bool { return b.UID == i.UID && mediaOf(b) == mediaOf(i) }); at >= 0 && slices.Contains(u.Temp, i.UID) {
			want[n].Temp = before[at].Temp
		}
	}
	return want
}

// reorder puts items into the order that they had, and others after those that are before
// them now.
func reorder(before, now []view.Item) (want []view.Item) {
	left := map[media][]view.Item{}
	for _, i := range now {
		left[mediaOf(i)] = append(left[mediaOf(i)], i)
	}
	for _, b := range before {
		if here := left[mediaOf(b)]; len(here) > 0 {
			want, left[mediaOf(b)] = append(want, here[0]), here[1:]
		}
	}
	at := 0
	for _, i := range now {
		if n := slices.IndexFunc(want, func(w view.Item) bool { return w.UID == i.UID }); n >= 0 {
			at = n + 1
			continue
		}
		want = slices.Insert(want, at, i)
		at++
	}
	return want
}
