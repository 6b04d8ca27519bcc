package sender

import (
	"slices"
	"sync"
)

// turns decides whose send is spoken next: one send at a time, users take turns, and each
// user's sends keep their order.
type turns struct {
	mu      sync.Mutex
	taken   bool
	waiting map[string][]*turn // by user
	users   []string           // those in waiting, the next first
	told    map[string]bool    // the users who were told that no more of theirs can wait
}

func newTurns() *turns { return &turns{waiting: map[string][]*turn{}, told: map[string]bool{}} }

// turn is the place of a send among the others.
type turn struct {
	user  string
	ready chan struct{} // closed when it is this send's turn
}

// busy reports whether a send would have to wait.
func (t *turns) busy() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.taken
}

// enter gives a send of a user its place, nil if limit sends of the user are waiting. tell
// says that the user is to be told, which it is once until nothing of the user's waits.
func (t *turns) enter(user string, limit int) (place *turn, tell bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.waiting[user]) >= limit {
		tell = !t.told[user]
		t.told[user] = true
		return nil, tell
	}
	place = &turn{user: user, ready: make(chan struct{})}
	if !t.taken {
		t.taken = true
		close(place.ready)
		return place, false
	}
	if len(t.waiting[user]) == 0 {
		t.users = append(t.users, user)
	}
	t.waiting[user] = append(t.waiting[user], place)
	return place, false
}

// leave gives up a send's place and, if it was its turn, passes that on.
func (t *turns) leave(place *turn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	select {
	case <-place.ready:
		t.next()
	default:
		t.remove(place)
	}
}

// next begins the next user's turn.
func (t *turns) next() {
	if t.taken = len(t.users) > 0; !t.taken {
		return
	}
	user := t.users[0]
	place := t.waiting[user][0]
	t.remove(place)
	if i := slices.Index(t.users, user); i >= 0 { // further sends of the user wait for the others
		t.users = append(slices.Delete(t.users, i, i+1), user)
	}
	close(place.ready)
}

func (t *turns) remove(place *turn) {
	user := place.user
	t.waiting[user] = slices.DeleteFunc(t.waiting[user], func(o *turn) bool { return o == place })
	if len(t.waiting[user]) == 0 {
		delete(t.waiting, user)
		delete(t.told, user)
		t.users = slices.DeleteFunc(t.users, func(u string) bool { return u == user })
	}
}
