package autoplay

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize/english"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/timeparse"
	"github.com/rosey-bot/rosey/plugins"
)

// filler handles !filler.
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
	return nil, event.Invalidf("write %[1]sfiller, %[1]sfiller aside, or %[1]sfiller back 1", c.Prefix())
}

func fillerStatus(c *plugins.Context) ([]event.Envelope, error) {
	s := plugins.SettingsOf[Settings](c)
	if !s.Filler {
		return answer(c, "Filler is off: an admin turns it on with %sset autoplay.filler true", c.Prefix())
	}
	list, err := candidates(c, s.FillerFrom)
	if err != nil {
		return nil, err
	}
	var ch Channel
	if err := c.DB(Channels).Get(event.ID(c.Channel()), &ch); err != nil && event.CodeOf(err) != event.RecordNotFound {
		return nil, err
	}
	text := fmt.Sprintf("Filler is on, from %s: %s", strings.Join(s.FillerFrom, ", "), english.Plural(len(list), "entry", ""))
	if _, why := choose(list, rules{now: c.Now(), repeat: s.FillerRepeat, longest: s.FillerMax}, c.Rand()); why != "" {
		text += "; none keeps the rules: " + why
	}
	if left := time.Unix(ch.Pause, 0).Sub(c.Now()); left > 0 {
		text += "; tried again in " + timeparse.Short(left)
	}
	return answer(c, "%s", text)
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
	if total == 0 {
		return answer(c, "Nothing is set aside")
	}
	var parts []string
	for n, m := range list[:min(len(list), 5)] {
		parts = append(parts, fmt.Sprintf("%d. %s: %s", n+1, m.name(), plugins.Shorten(m.Gone, 60)))
	}
	if total > 5 {
		parts = append(parts, fmt.Sprintf("and %d more", total-5))
	}
	return answer(c, "Set aside: %s — %sfiller back 1 brings one back", strings.Join(parts, "; "), c.Prefix())
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
			return nil, event.Invalidf("nothing that is set aside has the number %s: see %sfiller aside", plugins.Shorten(which, 20), c.Prefix())
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
	return answer(c, "Brought back %s", english.Plural(len(list), "entry", ""))
}

// tag handles !tag.
func tag(c *plugins.Context) ([]event.Envelope, error) {
	args := c.Command.Args
	if len(args) < 1 || len(args) > 2 {
		return nil, event.Invalidf("write %[1]stag horror for what plays, or %[1]stag horror LINK; %[1]stag -horror takes it away", c.Prefix())
	}
	name, off := strings.CutPrefix(plugins.Fold(args[0]), "-")
	if name == "" || len(name) > 40 {
		return nil, event.Invalidf("a tag has 1 to 40 characters")
	}
	var url, title string
	var duration int
	if len(args) == 2 {
		page, err := pageOf(args[1])
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
			return nil, event.Errorf(event.RecordNotFound, "nothing plays: write %stag %s LINK", c.Prefix(), plugins.Shorten(args[0], 40))
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
		out, _ := answer(c, "%s is tagged %s", m.name(), orNone(m.Tags))
		return out
	})
}

func orNone(list []string) string {
	if len(list) == 0 {
		return "with nothing"
	}
	return strings.Join(list, ", ")
}

// answer answers a command, in private where the setting says so.
func answer(c *plugins.Context, format string, args ...any) ([]event.Envelope, error) {
	if plugins.SettingsOf[Settings](c).Quiet {
		return c.PM(c.Command.User, format, args...), nil
	}
	return c.Say(format, args...), nil
}
