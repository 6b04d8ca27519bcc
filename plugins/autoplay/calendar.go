package autoplay

import (
	"time"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
)

// upcoming returns the schedules of a channel that are to come, the next first.
func upcoming(c *plugins.Context, channel string) (list []Schedule, err error) {
	filter := map[string]any{"channel": channel, "done": false}
	_, err = c.DB(Schedules).Find(plugins.Query{Filter: filter, OrderBy: "due", Limit: maxSchedules}, &list)
	return list, err
}

func calendar(c *plugins.Context) ([]event.Envelope, error) {
	list, err := upcoming(c, c.Channel())
	if err != nil {
		return nil, err
	}
	s := settings(c)
	var parts []string
	for _, e := range list {
		if e.Check() != nil {
			parts = append(parts, c.Render(s.Damaged, plugins.Values{"number": e.Number, "what": e.What}))
			continue
		}
		parts = append(parts, e.tell(c, s, c.Now()))
	}
	return c.SayText(s.Calendar, plugins.Values{"schedules": parts, "prefix": c.Prefix()}), nil
}

// Occurrence is a time at which something is scheduled, in answers of
// plugin.autoplay.request.calendar.
type Occurrence struct {
	Number int    `json:"number"`
	What   string `json:"what"`
	By     string `json:"by"`
	At     int64  `json:"at"` // Unix seconds
	Zone   string `json:"zone"`
	Rule   string `json:"repeats"` // "" if it is for once
}

const (
	// ahead is how far the calendar looks.
	ahead = 60 * 24 * time.Hour
	// maxOccurrences is how many times of a schedule it has.
	maxOccurrences = 100
)

// calendarRequest answers what is scheduled in a channel within the next sixty days.
func calendarRequest(c *plugins.Context) (any, error) {
	list, err := upcoming(c, c.Channel())
	if err != nil {
		return nil, err
	}
	all := []Occurrence{}
	for _, e := range list {
		if e.Check() != nil {
			continue
		}
		all = append(all, e.occurrences(c.Now())...)
	}
	return map[string]any{"success": true, "channel": c.Channel(), "entries": all}, nil
}

// occurrences returns the times of a schedule that are to come.
func (e Schedule) occurrences(now time.Time) (all []Occurrence) {
	rule := e.Schedule()
	for at := e.due(); !at.IsZero() && at.Before(now.Add(ahead)) && len(all) < maxOccurrences; at = rule.After(at) {
		all = append(all, Occurrence{Number: e.Number, What: e.What, By: e.By, At: at.Unix(), Zone: e.Location().String(), Rule: e.Repeats()})
	}
	return all
}
