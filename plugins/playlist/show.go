package playlist

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rosey-bot/rosey/cytube/view"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
)

// played is a record of what played, the last time that it did.
type played struct {
	Channel string `json:"channel"`
	URL     string `json:"url" mark:"text"`
	Type    string `json:"type"`
	Title   string `json:"title" mark:"text"`
	At      int64  `json:"at"` // ms
}

func playedID(url, kind, channel string) event.ID {
	sum := sha256.Sum256([]byte(kind + " " + url))
	return event.ID(strings.ToLower(channel) + "/" + hex.EncodeToString(sum[:12]))
}

// plays handles cytube.media.change, from the first that is stored: what plays is noted.
func plays(c *plugins.Context) ([]event.Envelope, error) {
	m, err := event.As[event.MediaChange](c.Event.Envelope)
	if err != nil || string(m.Extra["began"]) == "false" || m.Channel == "" {
		return nil, nil //nolint:nilerr // what is malformed is reported elsewhere
	}
	if c.Waited() < time.Hour { // votes go with the film
		var r record
		_, err := change(c, &r, func() ([]event.Envelope, error) {
			if r.Votes.At < c.Now().UnixMilli() {
				r.Votes = votes{}
			}
			return nil, nil
		})
		if err != nil {
			return nil, err
		}
	}
	var p played
	return c.DB(Played).Change(playedID(m.URL, m.Type, m.Channel), &p, func() ([]event.Envelope, error) {
		if at := c.Now().UnixMilli(); at > p.At {
			p = played{strings.ToLower(m.Channel), m.URL, m.Type, m.Title, at}
		}
		return nil, nil
	})
}

func nowPlaying(c *plugins.Context) ([]event.Envelope, error) {
	s, err := look(c)
	if err != nil {
		return nil, err
	}
	values := plugins.Values{"title": "", "at": "", "length": "", "by": "", "url": ""}
	if p := s.Playing; p != nil {
		by, err := whose(c, s, s.Current())
		if err != nil {
			return nil, err
		}
		at := clock(max(0, int(p.PositionAt(c.Now().UnixMilli()))))
		values = plugins.Values{"title": plugins.Shorten(p.Title, 80), "at": at, "length": length(c, p.Duration), "by": by, "url": p.URL}
	}
	return c.SayText(settings(c).Playing, values), nil
}

// whose returns who added an item, "" if nobody knows.
func whose(c *plugins.Context, s *plugins.State, at int) (string, error) {
	var r record
	err := c.DB(Collection).Get(recordID(c.Channel()), &r)
	if err != nil && event.CodeOf(err) != event.RecordNotFound {
		return "", err
	}
	if at < 0 {
		return "", nil
	}
	return r.wishedBy(s, s.Playlist[at]).User, nil
}

func next(c *plugins.Context) ([]event.Envelope, error) {
	s, err := look(c)
	if err != nil {
		return nil, err
	}
	values := plugins.Values{"title": "", "length": "", "in": "", "prefix": c.Prefix()}
	if coming := upcoming(s); len(coming) > 0 {
		values["title"], values["length"] = plugins.Shorten(coming[0].Title, 80), length(c, coming[0].Duration)
		if p := s.Playing; p != nil && p.Duration > 0 {
			values["in"] = clock(max(1, p.Duration-int(p.PositionAt(c.Now().UnixMilli()))))
		}
	}
	return c.SayText(settings(c).Next, values), nil
}

func queue(c *plugins.Context) ([]event.Envelope, error) {
	s, err := look(c)
	if err != nil {
		return nil, err
	}
	coming := upcoming(s)
	seconds := 0
	var said []string
	for n, i := range coming {
		seconds += i.Duration
		if n < 5 {
			said = append(said, row(c, n+1, i.Title, length(c, i.Duration)))
		}
	}
	return c.SayText(settings(c).Queue, plugins.Values{"count": len(coming), "length": length(c, seconds), "items": said}), nil
}

func whoQueued(c *plugins.Context) ([]event.Envelope, error) {
	s, err := look(c)
	if err != nil {
		return nil, err
	}
	at := s.Current()
	if text := c.Text(0); text != "" {
		i, err := find(c, s, text)
		if err != nil {
			return nil, err
		}
		at = slices.IndexFunc(s.Playlist, func(o view.Item) bool { return o.UID == i.UID })
	}
	if at < 0 {
		return nil, nothingPlays(c)
	}
	by, err := whose(c, s, at)
	if err != nil {
		return nil, err
	}
	return c.SayText(settings(c).Who, plugins.Values{"title": plugins.Shorten(s.Playlist[at].Title, 80), "by": by}), nil
}

func last(c *plugins.Context) ([]event.Envelope, error) {
	n := 3
	if text := c.Text(0); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil || n < 1 || n > 10 {
			return nil, c.Refuse(event.InvalidInput, settings(c).BadNumber, plugins.Values{"text": plugins.Shorten(text, 20)})
		}
	}
	s, err := look(c)
	if err != nil {
		return nil, err
	}
	var all []played
	if _, err := c.DB(Played).Find(plugins.Query{Filter: map[string]any{"channel": strings.ToLower(c.Channel())}, OrderBy: "at DESC", Limit: n + 1}, &all); err != nil {
		return nil, err
	}
	set := settings(c)
	var said []string
	for _, p := range all {
		if s.Playing != nil && s.Playing.URL == p.URL || len(said) == n {
			continue
		}
		ago := c.Now().Sub(time.UnixMilli(p.At)).Round(time.Minute)
		said = append(said, c.Render(set.LastItem, plugins.Values{"title": plugins.Shorten(p.Title, 80), "ago": max(ago, time.Minute)}))
	}
	return c.SayText(set.Last, plugins.Values{"items": said}), nil
}
