package console

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	ics "github.com/arran4/golang-ical"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

// calendarTimeout is how long the plugin autoplay may take to answer: one that does not run
// does not.
const calendarTimeout = 2 * time.Second

type calendarBody struct {
	Entries []calendarEntry
	Failed  string // why there is none
	File    string // address of the calendar as a file
}

// calendarEntry is a time at which the plugin autoplay plays something.
type calendarEntry struct {
	Number  int    `json:"number"`
	What    string `json:"what"`
	By      string `json:"by"`
	Unix    int64  `json:"at"`
	Zone    string `json:"zone"`
	Repeats string `json:"repeats"`
}

// At returns the time in the zone in which it was scheduled, or in the bot's.
func (e calendarEntry) At() time.Time {
	if zone, err := time.LoadLocation(e.Zone); err == nil {
		return time.Unix(e.Unix, 0).In(zone)
	}
	return time.Unix(e.Unix, 0)
}

// calendarOf asks the plugin autoplay what it plays in a channel.
func (c *Console) calendarOf(r *http.Request) (entries []calendarEntry, err error) {
	raw, err := c.Bus.Request(r.Context(), event.RequestSubject("autoplay", "calendar"), map[string]any{"channel": c.channel(r).Name}, streams.Within(calendarTimeout))
	if err != nil {
		return nil, err
	}
	var reply struct{ Entries []calendarEntry }
	if err := json.Unmarshal(raw, &reply); err != nil {
		return nil, fmt.Errorf("read the calendar: %w", err)
	}
	return reply.Entries, nil
}

func (c *Console) calendar(w http.ResponseWriter, r *http.Request) error {
	body := calendarBody{File: "/calendar.ics?channel=" + url.QueryEscape(c.channel(r).Name)}
	var err error
	if body.Entries, err = c.calendarOf(r); err != nil {
		e, ok := errors.AsType[*event.Error](err)
		if !ok {
			return err
		}
		body.Failed = "The plugin autoplay does not answer: " + e.Message
	}
	return c.show(w, r, "calendar", "Calendar", body)
}

// calendarFile serves the calendar of a channel in the form of RFC 5545, for calendar programs.
func (c *Console) calendarFile(w http.ResponseWriter, r *http.Request) error {
	entries, err := c.calendarOf(r)
	if err != nil {
		return err
	}
	name := c.channel(r).Name
	calendar := ics.NewCalendarFor("rosey")
	calendar.SetName(name)
	for _, e := range entries {
		entry := calendar.AddEvent(fmt.Sprintf("%d-%d@%s.rosey", e.Number, e.Unix, url.PathEscape(name)))
		entry.SetDtStampTime(time.Now())
		entry.SetStartAt(time.Unix(e.Unix, 0))
		entry.SetSummary(e.What)
		entry.SetDescription(cmp.Or(e.Repeats, "once"))
	}
	w.Header().Set("Content-Type", "text/calendar; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="calendar.ics"`)
	return calendar.SerializeTo(w)
}
