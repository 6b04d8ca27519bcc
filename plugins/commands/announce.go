package commands

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/timeparse"
	"github.com/rosey-bot/rosey/plugins"
)

// Limits of announcements.
const (
	minEvery = time.Minute // also between any two in a channel
	maxEvery = 30 * 24 * time.Hour
	minLines = 5
	maxLines = 10_000
	maxItems = 50 // of announcements and of replies in a channel
)

// Announcements are those of a channel, with what was said there since.
type Announcements struct {
	Channel string         `json:"channel"`
	Lines   int            `json:"lines"` // that people have said while there were announcements
	Last    int64          `json:"last"`  // ms, of the last announcement
	Items   []Announcement `json:"items"`
	Before  []Announcement `json:"before"` // the last change by a command, null if there was none
}

// Announcement is a text that is said again and again, while people talk.
type Announcement struct {
	Name  string `json:"name"`
	Group string `json:"group,omitempty"` // of those that are switched together
	Text  string `json:"text" mark:"text"`
	By    string `json:"by" mark:"person"`
	Every int64  `json:"every"` // seconds
	After int    `json:"after"` // lines of people
	Off   bool   `json:"off"`
	Said  int64  `json:"said"` // ms, when it was said last, or was made
	Line  int    `json:"line"` // Lines then
	Count int    `json:"count"`
}

const (
	announceUsage = "announce add rules 30m Please read the rules"
	announceWords = "on, off, group, show, list, rm, undo"
)

func announceVerbs() map[string]plugins.Handler {
	return map[string]plugins.Handler{
		"add": addAnnouncement, "rm": removeAnnouncement, "remove": removeAnnouncement, "delete": removeAnnouncement, "del": removeAnnouncement,
		"on": switchAnnouncements, "off": switchAnnouncements, "group": groupAnnouncement, "undo": undoAnnouncements, "show": showAnnouncement, "list": listAnnouncements, "ls": listAnnouncements,
	}
}

// parseEvery reads how often an announcement is made: 30m, 20lines or 30m+20lines.
func parseEvery(c *plugins.Context, text string) (every time.Duration, lines int, err error) {
	bad := func(of, part, least, most string) error {
		return c.Refuse(event.InvalidInput, texts(c).TextBadEvery, plugins.Values{"of": of, "text": plugins.Shorten(part, 20), "least": least, "most": most})
	}
	every, lines = minEvery, 1
	for part := range strings.SplitSeq(text, "+") {
		if n, ok := strings.CutSuffix(strings.ToLower(part), "lines"); ok {
			if lines, err = strconv.Atoi(n); err != nil || lines < minLines || lines > maxLines {
				return 0, 0, bad("lines", part, strconv.Itoa(minLines), strconv.Itoa(maxLines))
			}
			continue
		}
		if every, err = timeparse.Duration(part); err != nil {
			return 0, 0, bad("", part, "", "")
		}
		if every < minEvery || every > maxEvery {
			return 0, 0, bad("time", part, timeparse.Short(minEvery), timeparse.Short(maxEvery))
		}
	}
	return every, lines, nil
}

// state returns whether and how often an announcement is made, as text.
func (a Announcement) state(c *plugins.Context) string {
	values := plugins.Values{"off": a.Off, "every": time.Duration(0), "lines": 0}
	if a.After <= 1 || a.Every > int64(minEvery.Seconds()) {
		values["every"] = time.Duration(a.Every) * time.Second
	}
	if a.After > 1 {
		values["lines"] = a.After
	}
	return c.Render(texts(c).TextState, values)
}

func addAnnouncement(c *plugins.Context) ([]event.Envelope, error) {
	if err := needs(c, 4, "announce add rules 30m Please read the rules, or 20lines, or 30m+20lines"); err != nil {
		return nil, err
	}
	name, err := typedName(c, c.Command.Args[1])
	if err != nil {
		return nil, err
	}
	every, lines, err := parseEvery(c, c.Command.Args[2])
	if err != nil {
		return nil, err
	}
	text, err := checkText(c, c.Text(3), ofAnnounced)
	if err != nil {
		return nil, err
	}
	return changeAnnouncements(c, func(r *Announcements) ([]event.Envelope, error) {
		if r.find(name) >= 0 {
			return nil, taken(c, ofAnnouncements, name)
		}
		if len(r.Items) >= maxItems {
			return nil, full(c, "announcements", maxItems)
		}
		a := Announcement{Name: name, Text: text, By: c.Command.User, Every: int64(every.Seconds()), After: lines, Said: c.Now().UnixMilli(), Line: r.Lines}
		r.Items = append(r.Items, a)
		answer := about(c, texts(c).TextAnnouncing, name, plugins.Values{"state": a.state(c)})
		return did(c, changed{Action: "add", What: "announcement", Name: name, Text: text}, answer), nil
	})
}

// changeAnnouncements changes the channel's announcements. What they were before a command changes
// them is kept.
func changeAnnouncements(c *plugins.Context, do func(r *Announcements) ([]event.Envelope, error)) ([]event.Envelope, error) {
	var r Announcements
	return c.DB(announcements).Change(event.ID(strings.ToLower(c.Channel())), &r, func() ([]event.Envelope, error) {
		if len(r.Items) == 0 && c.Command.Command == "" {
			return nil, nil // a line where nothing is announced
		}
		r.Channel = c.Channel()
		before := append([]Announcement{}, r.Items...)
		out, err := do(&r)
		if c.Command.Command != "" && !slices.Equal(before, r.Items) {
			r.Before = before
		}
		return out, err
	})
}

func (r *Announcements) find(name string) int {
	return slices.IndexFunc(r.Items, func(a Announcement) bool { return plugins.Fold(a.Name) == plugins.Fold(name) })
}

// changeAnnouncement changes the announcement that a command names.
func changeAnnouncement(c *plugins.Context, example string, do func(r *Announcements, i int) []event.Envelope) ([]event.Envelope, error) {
	if err := needs(c, 2, example); err != nil {
		return nil, err
	}
	return changeAnnouncements(c, func(r *Announcements) ([]event.Envelope, error) {
		i := r.find(c.Command.Args[1])
		if i < 0 {
			return nil, noAnnouncement(c)
		}
		return do(r, i), nil
	})
}

// announce counts a line that somebody said, and returns the announcement that is due, at most
// one a minute.
func announce(c *plugins.Context) ([]event.Envelope, error) {
	return changeAnnouncements(c, func(r *Announcements) ([]event.Envelope, error) {
		r.Lines++
		now := c.Now().UnixMilli()
		due := -1
		for i, a := range r.Items {
			ready := !a.Off && now-a.Said >= a.Every*1000 && r.Lines-a.Line >= a.After && a.Text != ""
			if ready && (due < 0 || a.Said < r.Items[due].Said) {
				due = i
			}
		}
		if due < 0 || now-r.Last < minEvery.Milliseconds() {
			return nil, nil
		}
		a := &r.Items[due]
		a.Said, a.Line, r.Last = now, r.Lines, now
		a.Count++
		text, err := a.render(c)
		if event.CodeOf(err) == event.PluginError {
			c.Log.WarnContext(c, "announcement not made", "name", a.Name, "channel", c.Channel(), "error", event.Personal(err.Error()))
			return nil, nil
		}
		if err != nil || text == "" {
			return nil, err
		}
		return c.Say("%s", text), nil
	})
}

func (a Announcement) render(c *plugins.Context) (string, error) {
	t, err := parse(c, a.Text, ofAnnounced)
	if err != nil {
		return "", err
	}
	return render(c, t, plugins.Values{"count": a.Count})
}
