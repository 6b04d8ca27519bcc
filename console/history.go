package console

import (
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/replay"
	"github.com/rosey-bot/rosey/replay/audit"
	"github.com/rosey-bot/rosey/streams"
)

const (
	// historyLines is how many lines are loaded at once, and firstLines how many
	// come with the page.
	historyLines = 200
	firstLines   = 100
	// historyScan is how many events a search looks at before it asks whether to
	// go on.
	historyScan = 50_000
)

type search struct {
	Channel Channel
	Text    string
	User    string
	At      string // a time to jump to, as it was typed
	Media   bool
	Regexp  bool

	values url.Values // as they were asked for
}

func (c *Console) searchOf(r *http.Request) search {
	v := r.URL.Query()
	return search{
		Channel: c.channel(r),
		Text:    strings.TrimSpace(v.Get("q")), User: strings.TrimSpace(v.Get("user")), At: strings.TrimSpace(v.Get("at")),
		Media: v.Get("media") != "", Regexp: v.Get("regexp") != "", values: v,
	}
}

// Filtered reports whether not everything is wanted.
func (s search) Filtered() bool { return s.Text != "" || s.User != "" || s.Media }

// Query is the search for the address of more rows.
func (s search) Query() string {
	v := maps.Clone(s.values)
	for _, name := range []string{"at", "before", "after"} {
		v.Del(name)
	}
	v.Set("channel", s.Channel.Name)
	return v.Encode()
}

// query is the search as the audit reads it.
func (s search) query() (audit.Query, error) {
	q := audit.Query{Channel: s.Channel.Name, User: s.User, Media: s.Media}
	if s.Text == "" {
		return q, nil
	}
	text := regexp.QuoteMeta(s.Text)
	if s.Regexp {
		text = s.Text
	}
	var err error
	if q.Grep, err = replay.Pattern("(?i)" + text); err != nil {
		return q, event.Errorf(event.InvalidInput, "%q is not a regular expression: %w", s.Text, err)
	}
	return q, nil
}

// chunk is a part of the history as the page loads it.
type chunk struct {
	audit.Page
	Lines  []line
	Search search
}

type historyBody struct {
	Search search
	Chunk  chunk
	At     time.Time // the time that was jumped to
	Count  string    // of events in the stream
}

func (c *Console) history(w http.ResponseWriter, r *http.Request) error {
	body := historyBody{Search: c.searchOf(r)}
	p := audit.Position{Limit: firstLines, Scan: historyScan}
	if body.Search.At != "" {
		var err error
		if body.At, err = replay.ParseTime(body.Search.At, time.Now()); err != nil {
			return err
		}
		if p.After, err = replay.SequenceAt(r.Context(), c.js, streams.Cytube, body.At); err != nil {
			return err
		}
		p.After--
		p.Oldest = p.After == 0
	}
	var err error
	if body.Chunk, err = c.chunk(r, body.Search, p); err != nil {
		return err
	}
	return c.show(w, r, "history", "History", body)
}

// historyRows is one more chunk, for the page that is open.
func (c *Console) historyRows(w http.ResponseWriter, r *http.Request) error {
	p := audit.Position{Limit: historyLines, Scan: historyScan}
	for name, at := range map[string]*uint64{"before": &p.Before, "after": &p.After} {
		text := r.URL.Query().Get(name)
		if text == "" {
			continue
		}
		var err error
		if *at, err = strconv.ParseUint(text, 10, 64); err != nil {
			return event.Errorf(event.InvalidInput, "%s=%q is not a sequence", name, text)
		}
	}
	ch, err := c.chunk(r, c.searchOf(r), p)
	if err != nil {
		return err
	}
	html, err := renderPart("chunk", ch)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, err = w.Write([]byte(html))
	return err
}

func (c *Console) chunk(r *http.Request, s search, p audit.Position) (chunk, error) {
	q, err := s.query()
	if err != nil {
		return chunk{}, err
	}
	page, err := audit.ReadPage(r.Context(), c.js, q, p)
	if err != nil {
		return chunk{}, err
	}
	return chunk{Page: page, Lines: c.newConversations(r, s.Channel).lines(page.Entries), Search: s}, nil
}
