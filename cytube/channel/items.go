package channel

import (
	"encoding/json"
	"slices"
	"strconv"
)

// playlist is the items in their order.
type playlist []media

// index returns the place of an item, -1 if it is not there.
func (p playlist) index(uid int) int {
	return slices.IndexFunc(p, func(m media) bool { return m.uid == uid })
}

func (p playlist) byUID() map[int]media {
	all := make(map[int]media, len(p))
	for _, m := range slices.Backward(p) { // of several, the first counts
		all[m.uid] = m
	}
	return all
}

// item returns an item, an unknown one if it is not there.
func (p playlist) item(uid int) media {
	if i := p.index(uid); i >= 0 {
		return p[i]
	}
	return media{uid: uid}
}

// insert returns the playlist with an item after another, the uid of which or prepend or
// append the server names.
func (p playlist) insert(m media, after json.RawMessage) playlist {
	at := len(p)
	if uid, ok := afterUID(after); ok {
		if i := p.index(uid); i >= 0 {
			at = i + 1
		}
	} else if string(after) == `"prepend"` {
		at = 0
	}
	return slices.Insert(slices.Clone(p), at, m)
}

func (p playlist) without(uid int) playlist {
	return slices.DeleteFunc(slices.Clone(p), func(m media) bool { return m.uid == uid })
}

// afterUID reads a uid, which the server sends as a number or as digits.
func afterUID(after json.RawMessage) (int, bool) {
	text := string(after)
	if unquoted, err := strconv.Unquote(text); err == nil {
		text = unquoted
	}
	uid, err := strconv.Atoi(text)
	return uid, err == nil
}

// before returns the uid of the item before another, nil if there is none.
func (p playlist) before(uid int) *int {
	if i := p.index(uid); i > 0 {
		return &p[i-1].uid
	}
	return nil
}

// shuffled returns the old uids of a playlist's items in its order, and those that it does
// not have any more, if the others are items of p under new uids. An item that a move has
// lost is seen to be gone only then.
func (p playlist) shuffled(q playlist) (was []int, lost playlist, ok bool) {
	if len(q) > len(p) || len(q) == 0 {
		return nil, nil, false
	}
	type key struct {
		kind, url, by string
		temp          bool
	}
	of := func(m media) key { return key{m.kind, m.url(), m.by, m.temp} }
	places := map[key][]int{}
	for i, m := range p {
		places[of(m)] = append(places[of(m)], i)
	}
	taken := make([]bool, len(p))
	for _, m := range q {
		at := places[of(m)]
		if len(at) == 0 || p.index(m.uid) >= 0 {
			return nil, nil, false
		}
		places[of(m)], taken[at[0]] = at[1:], true
		was = append(was, p[at[0]].uid)
	}
	for i, m := range p {
		if !taken[i] {
			lost = append(lost, m)
		}
	}
	return was, lost, true
}

// continues reports whether a playlist that a join found can be p, changed: the uids are of
// the same media, and no uid was given to others before. A server that restarts gives them
// anew.
func (p playlist) continues(q playlist, next int) bool {
	had := p.byUID()
	for _, m := range q {
		before, there := had[m.uid]
		if !there && m.uid < next || there && !before.same(m) {
			return false
		}
	}
	return len(p) > 0 || len(q) == 0
}
