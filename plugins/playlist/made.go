package playlist

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize/english"

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
	count       int // of a clear
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
)

// moment is how far apart events are that are taken for one change.
const moment = 2 * time.Second

// changesOf returns the changes of the channel's playlist since a time.
func changesOf(c *plugins.Context, since time.Time) (all []*made, err error) {
	q := replay.Query{Filter: replay.Filter{
		Subjects: []string{kindAdd, kindRemove, kindMove, kindTemp, kindShuffle, kindClear, kindLock, event.SubjectMediaChange},
		Channel:  c.Channel(), Since: since,
	}}
	playing := -1 // the uid of what plays
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
		switch s.Subject {
		case event.SubjectMediaChange:
			if playing = -1; d.UID != nil {
				playing = *d.UID
			}
			continue
		case kindAdd, kindTemp:
			stays[d.uid()] = !d.Temp
		case kindRemove:
			// What plays and is temporary goes by itself.
			if _, caused := s.Causation(); !caused && d.uid() == playing && !stays[playing] {
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
		Order: m.kind == kindMove || m.kind == kindShuffle,
	}
}

// void reports whether the change took back itself what it added.
func (m *made) void() bool {
	return m.kind == kindAdd && len(m.gone) >= len(m.added) && !slices.ContainsFunc(m.added, func(a added) bool { return !slices.Contains(m.gone, a.UID) })
}

// removed returns how many items the change removed.
func (m *made) removed() int { return max(len(m.gone), m.count) }

// title names the change.
func (m *made) title() string {
	switch m.kind {
	case kindAdd:
		return fmt.Sprintf("the adding of %s", english.Plural(len(m.added), "item", ""))
	case kindRemove:
		return fmt.Sprintf("the removal of %s", english.Plural(len(m.gone), "item", ""))
	case kindMove:
		return "a move"
	case kindTemp:
		return "what is temporary"
	case kindShuffle:
		return "a shuffle"
	case kindClear:
		return fmt.Sprintf("the clearing of %s", english.Plural(m.count, "item", ""))
	}
	return map[bool]string{true: "the locking", false: "the opening"}[m.locked]
}

func read(s streams.Stored) (d detail) {
	_ = json.Unmarshal(s.Data, &d)
	return d
}
