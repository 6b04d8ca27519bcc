package autoplay

import (
	"slices"
	"strings"

	"github.com/rosey-bot/rosey/cytube/channel"
	"github.com/rosey-bot/rosey/cytube/medialink"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
)

// pageOf returns the URL by which the playlist names the media of a link.
func pageOf(c *plugins.Context, link string) (string, error) {
	l, err := medialink.ParseTyped(link)
	if err != nil {
		return "", err
	}
	return pageOfLink(c, link, l)
}

func pageOfLink(c *plugins.Context, link string, l medialink.Link) (string, error) {
	if l.Type == "yp" {
		return "", c.Refuse(event.InvalidInput, settings(c).WholeList, plugins.Values{"link": plugins.Shorten(link, 60)})
	}
	return channel.MediaURL(l.Type, l.ID), nil
}

func mediaID(channel, url string) event.ID { return event.ID(channel + "/" + url) }

// changeMedia changes the record of media of the event's channel.
func changeMedia(c *plugins.Context, url string, change func(*Media) []event.Envelope) ([]event.Envelope, error) {
	var m Media
	return c.DB(Library).Change(mediaID(c.Channel(), url), &m, func() ([]event.Envelope, error) {
		m.Channel, m.URL = c.Channel(), url
		out := change(&m)
		m.Score = m.score()
		return out, nil
	})
}

// changeChannel changes the record of the event's channel.
func changeChannel(c *plugins.Context, ch *Channel, change func() []event.Envelope) ([]event.Envelope, error) {
	return c.DB(Channels).Change(event.ID(c.Channel()), ch, func() ([]event.Envelope, error) {
		ch.Channel = c.Channel()
		return change(), nil
	})
}

// programmeID folds the name, so that what people take for the same is the same.
func programmeID(channel, name string) event.ID {
	return event.ID(channel + "/" + plugins.Fold(strings.TrimSpace(name)))
}

func programmes(c *plugins.Context, filter map[string]any) (all []Programme, err error) {
	_, err = c.DB(Programmes).Find(plugins.Query{Filter: filter, OrderBy: "name", Limit: maxProgrammes}, &all)
	return all, err
}

func changeProgramme(c *plugins.Context, name string, change func(*Programme) ([]event.Envelope, error)) ([]event.Envelope, error) {
	var p Programme
	return c.DB(Programmes).Change(programmeID(c.Channel(), name), &p, func() ([]event.Envelope, error) { return change(&p) })
}

// findProgramme returns a programme of the event's channel; ok is false if there is none.
func findProgramme(c *plugins.Context, name string) (p Programme, ok bool, err error) {
	err = c.DB(Programmes).Get(programmeID(c.Channel(), name), &p)
	if event.CodeOf(err) == event.RecordNotFound {
		return p, false, nil
	}
	return p, err == nil && len(p.Entries) > 0, err
}

// resolve returns what is to be played for a name or a link: the next episode of a series, a
// programme, a saved playlist, what played here under such a title, or the ID of a YouTube video.
func resolve(c *plugins.Context, what, by string) (Show, error) {
	show := Show{What: what, By: by}
	p, ok, err := findProgramme(c, what)
	if err != nil {
		return show, err
	}
	if ok {
		show.What, show.Items = p.Name, p.items()
		if len(show.Items) == 0 {
			return show, c.Refuse(event.InvalidInput, settings(c).AllPlayed, plugins.Values{"name": p.Name, "prefix": c.Prefix()})
		}
		return show, nil
	}
	links, err := savedList(c, what)
	if err != nil {
		return show, err
	}
	if len(links) == 0 {
		page, err := pageOf(c, what)
		if err != nil && strings.Contains(what, "://") {
			return show, err
		}
		if err != nil || medialink.IsID(what) { // which may be a title, too
			typed, wrong := page, err
			var title string
			if page, title, err = titled(c, what); err == nil {
				show.What = title
			}
			if event.CodeOf(err) == event.RecordNotFound && wrong == nil {
				page, err = typed, nil
			}
			show.Link = page
		}
		if err != nil {
			return show, err
		}
		links = []string{page}
	}
	for _, l := range links {
		show.Items = append(show.Items, Item{URL: l})
	}
	return show, nil
}

// savedLists is the collection of the plugin playlist.
const savedLists = "playlist_lists"

// savedList returns the media of a playlist that was saved by name, none if there is none.
func savedList(c *plugins.Context, name string) (urls []string, err error) {
	var list struct {
		Items []struct {
			URL string `json:"url"`
		} `json:"items"`
	}
	err = c.DB(savedLists).Get(programmeID(strings.ToLower(c.Channel()), name), &list)
	if event.CodeOf(err) == event.RecordNotFound {
		return nil, nil
	}
	for _, i := range list.Items {
		urls = append(urls, i.URL)
	}
	return urls, err
}

// items are those of a show: of a series the next episode.
func (p Programme) items() (items []Item) {
	for _, e := range p.Entries {
		if p.Series && e.Played {
			continue
		}
		items = append(items, Item{URL: e.URL})
		if p.Series {
			break
		}
	}
	return items
}

// titled returns what played here under a title, or a part of one.
func titled(c *plugins.Context, text string) (url, title string, err error) {
	var found []Media
	pattern := "%" + strings.NewReplacer(`%`, "_", `\`, "_").Replace(text) + "%" // _ stands for any character
	filter := map[string]any{"channel": c.Channel(), "title": map[string]any{"$alike": pattern}}
	if _, err := c.DB(Library).Find(plugins.Query{Filter: filter, OrderBy: "last DESC", Limit: 100}, &found); err != nil {
		return "", "", err
	}
	found = slices.DeleteFunc(found, func(m Media) bool { return !strings.Contains(plugins.Fold(m.Title), plugins.Fold(text)) })
	same := slices.IndexFunc(found, func(m Media) bool { return plugins.Fold(m.Title) == plugins.Fold(text) })
	switch {
	case same >= 0:
		return found[same].URL, found[same].Title, nil
	case len(found) == 1:
		return found[0].URL, found[0].Title, nil
	case len(found) > 1:
		titles := []string{plugins.Shorten(found[0].Title, 60), plugins.Shorten(found[1].Title, 60)}
		return "", "", c.Refuse(event.InvalidInput, settings(c).Ambiguous, plugins.Values{"text": plugins.Shorten(text, 40), "titles": titles})
	}
	return "", "", c.Refuse(event.RecordNotFound, settings(c).NotFound, plugins.Values{"text": plugins.Shorten(text, 40), "prefix": c.Prefix()})
}
