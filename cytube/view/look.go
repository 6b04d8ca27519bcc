package view

import "slices"

// User returns a user who is in the channel, by a name in any case.
func (v *View) User(name string) (u User, here bool) {
	i, here := v.user(name)
	if here {
		u = v.Users[i]
	}
	return u, here
}

// Item returns an item of the playlist.
func (v *View) Item(uid int) (i Item, there bool) {
	if at := v.item(uid); at >= 0 {
		return v.Playlist[at], true
	}
	return i, false
}

// Current returns the index of the item that plays, -1 if none does, or none that is on the
// playlist.
func (v *View) Current() int {
	now := v.Playing
	if now == nil {
		return -1
	}
	same := func(i Item) bool { return i.URL == now.URL && i.Type == now.Type }
	if now.UID != nil {
		if at := v.item(*now.UID); at >= 0 && same(v.Playlist[at]) {
			return at
		}
	}
	return slices.IndexFunc(v.Playlist, same)
}
