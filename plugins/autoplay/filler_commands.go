package autoplay

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
)

func filler(c *plugins.Context) ([]event.Envelope, error) {
	args := c.Command.Args
	word := ""
	if len(args) > 0 {
		word = plugins.Fold(args[0])
	}
	switch {
	case word == "" || word == "status":
		return fillerStatus(c)
	case word == "aside" || word == "list":
		return listAside(c)
	case word == "back" && len(args) == 2:
		return bringBack(c, plugins.Fold(args[1]))
	}
	return nil, usage(c, "filler")
}

func fillerStatus(c *plugins.Context) ([]event.Envelope, error) {
	s := settings(c)
	values := plugins.Values{"on": s.Filler, "from": s.FillerFrom, "count": 0, "reason": "", "pause": time.Duration(0), "prefix": c.Prefix()}
	if !s.Filler {
		return c.Tell(s.to(c), c.Render(s.Status, values)), nil
	}
	list, err := candidates(c, s.FillerFrom)
	if err != nil {
		return nil, err
	}
	var ch Channel
	if err := c.DB(Channels).Get(event.ID(c.Channel()), &ch); err != nil && event.CodeOf(err) != event.RecordNotFound {
		return nil, err
	}
	values["count"] = len(list)
	_, none := choose(list, rules{now: c.Now(), repeat: s.FillerRepeat, longest: s.FillerMax}, c.Rand())
	values["reason"] = none.tell(c, s)
	values["pause"] = max(time.Unix(ch.Pause, 0).Sub(c.Now()), 0)
	return c.Tell(s.to(c), c.Render(s.Status, values)), nil
}

func aside(c *plugins.Context) (list []Media, total int, err error) {
	filter := map[string]any{"channel": c.Channel(), "gone": map[string]any{"$gt": ""}}
	total, err = c.DB(Library).Find(plugins.Query{Filter: filter, OrderBy: "url", Limit: most}, &list)
	return list, total, err
}

func listAside(c *plugins.Context) ([]event.Envelope, error) {
	list, total, err := aside(c)
	if err != nil {
		return nil, err
	}
	var parts []string
	for n, m := range list[:min(len(list), 5)] {
		parts = append(parts, c.Render(settings(c).AsideItem, plugins.Values{"number": n + 1, "title": m.name(), "reason": plugins.Shorten(c.Reason(m.Gone), 60)}))
	}
	values := plugins.Values{"items": parts, "more": total - len(parts), "prefix": c.Prefix()}
	return c.Tell(settings(c).to(c), c.Render(settings(c).Aside, values)), nil
}

func (m Media) name() string {
	if m.Title != "" {
		return plugins.Shorten(m.Title, 40)
	}
	return m.URL
}

// bringBack makes media that were set aside filler again: one by its number, or all.
func bringBack(c *plugins.Context, which string) ([]event.Envelope, error) {
	list, _, err := aside(c)
	if err != nil {
		return nil, err
	}
	if which != "all" {
		n, err := strconv.Atoi(which)
		if err != nil || n < 1 || n > len(list) {
			return nil, c.Refuse(event.InvalidInput, settings(c).NothingAside, plugins.Values{"number": plugins.Shorten(which, 20), "prefix": c.Prefix()})
		}
		list = list[n-1 : n]
	}
	for _, m := range list {
		if _, err := changeMedia(c, m.URL, func(m *Media) []event.Envelope {
			m.Gone, m.Fails, m.Retry = "", 0, 0
			return nil
		}); err != nil {
			return nil, err
		}
	}
	return c.Tell(settings(c).to(c), c.Render(settings(c).Back, plugins.Values{"user": c.Command.User, "count": len(list)})), nil
}

func tag(c *plugins.Context) ([]event.Envelope, error) {
	args := c.Command.Args
	if len(args) < 1 || len(args) > 2 {
		return nil, usage(c, "tag")
	}
	name, off := strings.CutPrefix(plugins.Fold(args[0]), "-")
	if name == "" || len(name) > maxTag {
		return nil, c.Refuse(event.InvalidInput, settings(c).BadName, plugins.Values{"name": name, "tag": true, "most": maxTag})
	}
	var url, title string
	var duration int
	if len(args) == 2 {
		page, err := pageOf(c, args[1])
		if err != nil {
			return nil, err
		}
		url = page
	} else {
		state, err := c.State(plugins.Playing)
		if err != nil {
			return nil, err
		}
		if state.Playing == nil {
			return nil, c.Refuse(event.RecordNotFound, settings(c).NothingPlays, plugins.Values{"prefix": c.Prefix(), "tag": plugins.Shorten(args[0], 40)})
		}
		url, title, duration = state.Playing.URL, state.Playing.Title, state.Playing.Duration
	}
	return changeMedia(c, url, func(m *Media) []event.Envelope {
		if title != "" {
			m.Title, m.Duration = title, duration
		}
		m.Tags = slices.DeleteFunc(m.Tags, func(t string) bool { return t == name })
		if !off {
			m.Tags = append(m.Tags, name)
		}
		return c.Tell(settings(c).to(c), c.Render(settings(c).Tagged, plugins.Values{"user": c.Command.User, "title": m.name(), "tags": m.Tags}))
	})
}
