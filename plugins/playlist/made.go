package playlist

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/replay"
	"github.com/rosey-bot/rosey/streams"
)

// made is a change of the playlist that people see as one: what one command did, or what was
// done in the channel within a moment.
type made struct {
	id          string // where its first event is stored
	kind        string
	correlation string // of the command, "" without one
	by          string
	first, last time.Time
	events      int
	gone, temp  []int
	added       []added
	count       int    // of a clear
	skipped     string // the title of what played
	locked      bool
}

// The kinds of changes, by the event's subject.
const (
	kindAdd     = event.SubjectMediaQueue
	kindRemove  = event.SubjectMediaDelete
	kindMove    = event.SubjectMediaMove
	kindTemp    = event.SubjectMediaTemp
	kindShuffle = event.SubjectMediaShuffle
	kindClear   = event.SubjectMediaClear
	kindLock    = event.SubjectMediaLock
	kindSkip    = event.SubjectMediaChange
)

// moment is how far apart events are that are taken for one change.
const moment = 2 * time.Second

// changesOf returns the changes of the channel's playlist since a time.
func changesOf(c *plugins.Context, since time.Time) (all []*made, err error) {
	q := replay.Query{Filter: replay.Filter{
		Subjects: []string{kindAdd, kindRemove, kindMove, kindTemp, kindShuffle, kindClear, kindLock, kindSkip},
		Channel:  c.Channel(), Since: since,
	}}
	playing := detail{}
	var left time.Time // when what plays left the playlist by itself
	stays := map[int]bool{}
	for e, err := range c.Streams().Events(c, q) {
		if err != nil {
			return nil, err
		}
		s, err := e.Decode()
		if err != nil {
			continue // is reported as a dead letter
		}
		d := read(s)
		_, caused := s.Causation()
		switch s.Subject {
		case kindSkip:
			was, at := playing, left
			if playing, left = d, (time.Time{}); !caused || was.uid() < 0 || was.uid() == d.uid() {
				continue // it ended by itself, or began anew
			}
			if d = was; !at.IsZero() {
				s.At = at // what it left behind is to be seen there
			}
			d.Temp = !at.IsZero()
		case kindAdd, kindTemp:
			stays[d.uid()] = !d.Temp
		case kindRemove:
			// What plays and is temporary goes by itself.
			if !caused && d.uid() == playing.uid() && !stays[d.uid()] {
				left = s.At
				continue
			}
		}
		all = grouped(all, s, d)
	}
	return all, nil
}

// detail is what the events of changes have.
type detail struct {
	UID      *int   `json:"uid"`
	URL      string `json:"url"`
	Title    string `json:"title"`
	Type     string `json:"type"`
	Temp     bool   `json:"temp"`
	Count    int    `json:"count"`
	Locked   bool   `json:"locked"`
	QueuedBy string `json:"queued_by"`
}

func (d detail) uid() int {
	if d.UID == nil {
		return -1
	}
	return *d.UID
}

// grouped adds an event to the change that it is of.
func grouped(all []*made, s streams.Stored, d detail) []*made {
	correlation := ""
	if _, caused := s.Causation(); caused {
		correlation = s.CorrelationID
	}
	m := &made{
		id: s.Ref.String(), kind: s.Subject, correlation: correlation, first: s.At, count: d.Count, locked: d.Locked,
	}
	if s.Subject == kindAdd {
		m.by = d.QueuedBy
	}
	for n := len(all) - 1; n >= max(0, len(all)-20); n-- {
		if o := all[n]; o.is(m) {
			m = o
			break
		}
	}
	m.last = s.At
	if m.events++; m.events == 1 {
		all = append(all, m)
	}
	switch s.Subject {
	case kindAdd:
		m.added = append(m.added, added{d.uid(), d.URL, d.Type})
	case kindRemove:
		m.gone = append(m.gone, d.uid())
	case kindTemp:
		m.temp = append(m.temp, d.uid())
	case kindSkip:
		if m.kind != kindSkip {
			break // another change had something else play
		}
		if m.skipped = d.Title; d.Temp {
			m.gone = append(m.gone, d.uid())
		}
	}
	return all
}

// is reports whether an event that begins o is of m.
func (m *made) is(o *made) bool {
	if m.correlation != "" || o.correlation != "" {
		return m.correlation == o.correlation
	}
	near := o.first.Sub(m.last) < moment
	return near && m.kind == o.kind && strings.EqualFold(m.by, o.by) && (m.kind == kindAdd || m.kind == kindRemove || m.kind == kindTemp)
}

func (m *made) revert() *revert {
	return &revert{
		Before: m.first.UnixMilli(), All: m.kind == kindClear, Gone: m.gone, Added: m.added, Temp: m.temp,
		Order: m.kind == kindMove || m.kind == kindShuffle, Plays: m.kind == kindSkip,
	}
}

// void reports whether the change took back itself what it added.
func (m *made) void() bool {
	return m.kind == kindAdd && len(m.gone) >= len(m.added) && !slices.ContainsFunc(m.added, func(a added) bool { return !slices.Contains(m.gone, a.UID) })
}

// removed returns how many items the change removed. What a skip has leave by itself is none of them.
func (m *made) removed() int {
	if m.kind == kindSkip {
		return 0
	}
	return max(len(m.gone), m.count)
}

// word returns the kind as users write it.
func (m *made) word() string {
	if m.kind == kindLock && !m.locked {
		return "unlock"
	}
	for word, kind := range kinds {
		if kind == m.kind {
			return word
		}
	}
	return "temp"
}

// title names the change.
func (m *made) title(c *plugins.Context, set Settings) string {
	count := map[string]int{kindAdd: len(m.added), kindRemove: len(m.gone), kindClear: m.count}[m.kind]
	return c.Render(set.Change, plugins.Values{"kind": m.word(), "count": count, "title": plugins.Shorten(m.skipped, 80)})
}

func read(s streams.Stored) (d detail) {
	_ = json.Unmarshal(s.Data, &d)
	return d
}
