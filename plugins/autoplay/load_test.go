package autoplay

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/rosey-bot/rosey/cytube/view"
)

// list is a playlist as the server keeps it.
type list struct {
	items   []view.Item
	current int // uid, -1 if nothing plays
	next    int // uid
}

func (l *list) at(uid int) int {
	return slices.IndexFunc(l.items, func(i view.Item) bool { return i.UID == uid })
}

// queue puts an item on the list and returns its uid.
func (l *list) queue(place int) int {
	uid := l.next
	l.next++
	l.items = slices.Insert(l.items, place, view.Item{UID: uid})
	if len(l.items) == 1 {
		l.current = uid
	}
	return uid
}

func (l *list) move(uid, after int) {
	i := l.items[l.at(uid)]
	l.items = slices.Delete(l.items, l.at(uid), l.at(uid)+1)
	l.items = slices.Insert(l.items, l.at(after)+1, i)
}

// play ends what plays, which leaves the list if temp.
func (l *list) play(temp bool) {
	at := l.at(l.current)
	if at < 0 || at+1 >= len(l.items) {
		return
	}
	l.current = l.items[at+1].UID
	if temp {
		l.items = slices.Delete(l.items, at, at+1)
	}
}

// disturb does what people and time do to a playlist while a show loads.
func (l *list) disturb(t *rapid.T, s *Show) {
	switch rapid.SampledFrom([]string{"end", "next", "play", "remove"}).Draw(t, "disturbance") {
	case "end":
		l.queue(len(l.items))
	case "next":
		l.queue(l.at(l.current) + 1)
	case "play":
		l.play(rapid.Bool().Draw(t, "temp"))
	case "remove":
		if n := len(l.items); n > 0 {
			if i := rapid.IntRange(0, n-1).Draw(t, "item"); l.items[i].UID != l.current {
				l.items = slices.Delete(l.items, i, i+1)
			}
		}
	}
}

// apply does a step as the server does; some adds fail.
func (l *list) apply(t *rapid.T, s *Show, next step) {
	switch next.What {
	case queueStep:
		i := &s.Items[next.Item]
		if i.Tries++; rapid.IntRange(0, 3).Draw(t, "fails") == 0 {
			i.Settled = i.Tries == 3
			return
		}
		i.Queued, i.UID = true, l.queue(len(l.items))
	case moveStep:
		if next.UID == next.After || l.at(next.UID) < 0 || l.at(next.After) < 0 {
			t.Fatalf("%+v on %v", next, l.items)
		}
		l.move(next.UID, next.After)
	case jumpStep:
		l.current = next.UID
	}
}

// S10: Whatever people add, remove and skip while a programme loads, and whichever adds fail,
// it stands together and in order when it is loaded, what came meanwhile follows, and loading
// ends.
func TestNothingSlipsBetween(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		l := &list{current: -1}
		for range rapid.IntRange(0, 5).Draw(t, "before") {
			l.queue(len(l.items))
		}
		s := &Show{}
		for n := range rapid.IntRange(1, 8).Draw(t, "items") {
			s.Items = append(s.Items, Item{URL: fmt.Sprint(n)})
		}
		cut := rapid.Bool().Draw(t, "cut")
		disturbances := rapid.IntRange(0, 10).Draw(t, "disturbances")
		var next step
		for steps := 0; ; steps++ {
			if next = s.next(l.items, l.at(l.current), cut); next.What == "" {
				break
			}
			if steps > 200 {
				t.Fatalf("it does not end: %+v", next)
			}
			l.apply(t, s, next)
			if disturbances > 0 && rapid.Bool().Draw(t, "now") {
				disturbances--
				l.disturb(t, s)
			}
		}
		l.check(t, s, cut)
	})
}

// check fails unless the show's items stand together and in order.
func (l *list) check(t *rapid.T, s *Show, cut bool) {
	last := -1
	for _, i := range s.Items {
		place := l.at(i.UID)
		switch {
		case !i.Settled:
			t.Fatalf("item %s is not settled", i.URL)
		case !i.Queued || place < 0:
			continue
		case last >= 0 && place != last+1:
			t.Fatalf("item %s stands at %d, the one before at %d of %v", i.URL, place, last, l.items)
		}
		last = place
	}
	first := slices.IndexFunc(l.items, func(i view.Item) bool { return s.has(i.UID) })
	for n := l.at(l.current) + 1; n < first; n++ {
		if l.items[n].UID > l.items[first].UID {
			t.Fatalf("item %d came later than the show and stands in front of it: %v", l.items[n].UID, l.items)
		}
	}
	if cut && last >= 0 && !s.has(l.current) {
		t.Fatalf("%d plays, and not the show %+v", l.current, s.Items)
	}
}
