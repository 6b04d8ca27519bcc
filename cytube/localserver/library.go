package localserver

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// searchMedia finds what was queued for good in the channel by a part of its title. There is no search of YouTube, which
// the real server, too, passes over without a key for it.
func (ch *Channel) searchMedia(c *Session, data struct{ Source, Query string }) {
	if data.Source == "yt" || !ch.registered || !ch.may(c, "seeplaylist") {
		return
	}
	found := []Media{}
	for _, m := range ch.library {
		if strings.Contains(strings.ToLower(m.Title), strings.ToLower(data.Query)) {
			found = append(found, m)
		}
	}
	slices.SortFunc(found, func(a, b Media) int {
		return cmp.Compare(strings.ToLower(a.Title), strings.ToLower(b.Title))
	})
	results := []any{}
	for _, m := range found {
		row := m.pack()
		row["meta"], row["channel"] = string(mustJSON(row["meta"])), ch.name
		results = append(results, row)
	}
	c.Emit("searchResults", object{"source": "library", "results": results})
}

// uncache takes something out of the library, and tells nobody.
func (ch *Channel) uncache(_ *Session, data struct{ ID string }) { delete(ch.library, data.ID) }

const onlyRegistered = "Only registered users can use the user playlist function."

// savedLists returns the playlists that a client has saved, by name; nil and a refusal for a guest.
func (c *Session) savedLists() map[string][]Media {
	if !c.registered {
		c.fail(onlyRegistered)
		return nil
	}
	account := strings.ToLower(c.name)
	if c.srv.saved[account] == nil {
		c.srv.saved[account] = map[string][]Media{}
	}
	return c.srv.saved[account]
}

func (ch *Channel) listPlaylists(c *Session) {
	lists := c.savedLists()
	if lists == nil {
		return
	}
	rows := []any{}
	for _, name := range slices.Sorted(maps.Keys(lists)) {
		seconds := 0
		for _, m := range lists[name] {
			seconds += m.Seconds
		}
		rows = append(rows, object{"name": name, "count": len(lists[name]), "duration": seconds})
	}
	c.Emit("listPlaylists", rows)
}

type savedList struct {
	Name string
	Pos  string
	Temp bool
}

// clonePlaylist saves the playlist, in place of an older one of that name.
func (ch *Channel) clonePlaylist(c *Session, data savedList) {
	lists := c.savedLists()
	switch {
	case lists == nil:
		return
	case !ch.may(c, "seeplaylist"):
		c.fail("You are not allowed to save this playlist")
		return
	}
	list := []Media{}
	for _, i := range ch.list.items {
		list = append(list, i.media)
	}
	lists[data.Name] = list
	ch.listPlaylists(c)
}

func (ch *Channel) deletePlaylist(c *Session, data savedList) {
	if lists := c.savedLists(); lists != nil {
		delete(lists, data.Name)
		ch.listPlaylists(c)
	}
}

// queuePlaylist queues a saved playlist.
func (ch *Channel) queuePlaylist(c *Session, data savedList) {
	next := data.Pos == "next"
	if !next && data.Pos != "end" || next && !ch.may(c, "playlistnext") {
		return
	}
	list, ok := c.srv.saved[strings.ToLower(c.name)][data.Name]
	if !ok {
		c.fail("Playlist load failed: Playlist does not exist")
		return
	}
	ch.addAll(slices.Clone(list), addition{
		by: c, next: next, temp: data.Temp || !ch.may(c, "addnontemp"), maxLength: ch.maxLength(c),
		fail: func(err error) { c.Emit("queueFail", object{"msg": err.Error()}) },
	})
}
