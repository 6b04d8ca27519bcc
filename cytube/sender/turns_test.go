package sender

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// Users take turns, and each user's sends keep their order.
func TestTurns(t *testing.T) {
	t.Parallel()
	order := newTurns()
	first, _ := order.enter("alice", 10)
	places := map[*turn]string{}
	var waiting []*turn
	for _, user := range strings.Fields("alice alice alice bob carol bob") {
		place, _ := order.enter(user, 10)
		places[place] = fmt.Sprint(user, len(places))
		waiting = append(waiting, place)
	}
	order.leave(waiting[1]) // it gives up
	var said []string
	for speaking := first; speaking != nil; {
		order.leave(speaking)
		speaking = nil
		for i, place := range waiting {
			select {
			case <-place.ready:
				if places[place] != "" {
					said, speaking = append(said, places[place]), waiting[i]
					delete(places, place)
				}
			default:
			}
		}
	}
	if got := fmt.Sprint(said); got != "[alice0 bob3 carol4 alice2 bob5]" {
		t.Errorf("said %s", got)
	}
	if order.busy() || len(order.waiting)+len(order.users) > 0 {
		t.Errorf("left over: %+v", order)
	}
}

// A user's backlog is limited, which is reported to the user once until it is empty.
func TestBacklogEnds(t *testing.T) {
	t.Parallel()
	order := newTurns()
	speaking, _ := order.enter("alice", 2)
	var waiting []*turn
	for range 2 {
		place, _ := order.enter("bob", 2)
		waiting = append(waiting, place)
	}
	for _, want := range []bool{true, false} {
		if place, tell := order.enter("bob", 2); place != nil || tell != want {
			t.Errorf("place %v, tell %t", place, tell)
		}
	}
	if place, _ := order.enter("carol", 2); place == nil {
		t.Error("carol has no place")
	}
	for _, place := range append([]*turn{speaking}, waiting...) {
		order.leave(place)
	}
	if place, tell := order.enter("bob", 0); place != nil || !tell {
		t.Errorf("in the next backlog: place %v, tell %t", place, tell)
	}
}

// Whatever comes and goes, one send has its turn while any is there, and nobody waits for
// ever.
func TestTurnsEnd(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		order := newTurns()
		var there []*turn
		for range rapid.IntRange(0, 60).Draw(t, "steps") {
			if len(there) > 0 && rapid.Bool().Draw(t, "leave") {
				i := rapid.IntRange(0, len(there)-1).Draw(t, "which")
				order.leave(there[i])
				there = append(there[:i:i], there[i+1:]...)
			} else if place, _ := order.enter(rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "user"), 5); place != nil {
				there = append(there, place)
			}
			speaking := 0
			for _, place := range there {
				select {
				case <-place.ready:
					speaking++
				default:
				}
			}
			if speaking != min(len(there), 1) || order.busy() != (len(there) > 0) {
				t.Fatalf("%d of %d have their turn", speaking, len(there))
			}
		}
	})
}
