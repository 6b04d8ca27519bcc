package playlist

import (
	"html"
	"slices"
	"strconv"
	"strings"

	"github.com/rosey-bot/rosey/cytube/channel"
	"github.com/rosey-bot/rosey/cytube/medialink"
	"github.com/rosey-bot/rosey/cytube/view"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
)

// item returns the item that a user means, see find.
func item(c *plugins.Context, text string) (*plugins.State, view.Item, error) {
	if strings.TrimSpace(text) == "" {
		return nil, view.Item{}, usage(c, "which")
	}
	s, err := look(c)
	if err != nil {
		return nil, view.Item{}, err
	}
	i, err := find(c, s, text)
	return s, i, err
}

// find returns the item that a text means: its place among what comes, its link, or a part
// of its title, in which no character is special. Of several it returns none, and says which
// they are.
func find(c *plugins.Context, s *plugins.State, text string) (view.Item, error) {
	coming := upcoming(s)
	text = strings.TrimSpace(html.UnescapeString(text))
	if n, err := strconv.Atoi(strings.TrimPrefix(text, "#")); err == nil {
		if n >= 1 && n <= len(coming) {
			return coming[n-1], nil
		}
		if n == 0 && s.Current() >= 0 {
			return s.Playlist[s.Current()], nil
		}
	}
	if l, err := medialink.ParseTyped(text); err == nil {
		url := channel.MediaURL(l.Type, l.ID)
		if at := slices.IndexFunc(s.Playlist, func(i view.Item) bool { return i.URL == url && i.Type == l.Type }); at >= 0 {
			return s.Playlist[at], nil
		}
	}
	key := plugins.Fold(strings.Trim(text, `"“”`))
	var exact, part []string
	var found, whole view.Item
	for _, i := range s.Playlist {
		title := plugins.Fold(html.UnescapeString(i.Title))
		if key == "" || !strings.Contains(title, key) {
			continue
		}
		place := slices.IndexFunc(coming, func(o view.Item) bool { return o.UID == i.UID }) + 1
		said := row(c, place, i.Title, "")
		part, found = append(part, said), i
		if title == key {
			exact, whole = append(exact, said), i
		}
	}
	switch {
	case len(part) == 0:
		return view.Item{}, c.Refuse(event.RecordNotFound, settings(c).NotFound, plugins.Values{"title": short(text)})
	case len(exact) == 1:
		return whole, nil
	case len(part) == 1:
		return found, nil
	}
	return view.Item{}, c.Refuse(event.InvalidInput, settings(c).Ambiguous, plugins.Values{"count": len(part), "items": part[:min(len(part), 5)]})
}
