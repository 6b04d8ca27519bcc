package replay

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"github.com/rosey-bot/rosey/event"
)

// Layouts that name a moment. Those without a zone are in the zone of now.
var (
	dateLayouts = []string{
		time.RFC3339Nano,
		"2006-01-02T15:04:05.999999999",
		"2006-01-02T15:04",
		"2006-01-02 15:04:05.999999999",
		"2006-01-02 15:04",
		"2006-01-02",
	}
	clockLayouts = []string{"15:04:05", "15:04"}
)

// units are what a duration's numbers are followed by; without this check a
// misspelt date would be reported as a bad duration.
var duration = regexp.MustCompile(`^([0-9]+(\.[0-9]+)?(y|w|d|h|m|s|ms))+$`)

// The times that JetStream can hold are those of Unix nanoseconds in an int64.
var (
	minTime = time.Unix(0, 0)
	maxTime = time.Date(2262, 1, 1, 0, 0, 0, 0, time.UTC)
)

// ParseTime reads the moment that a person names: how long ago (90m, 2d, 1d3h,
// 1.5h), now, today or yesterday or a date with or without a time of day
// (today 14:05, 2026-11-24 14:05), a time of day alone, which is today's, or
// RFC 3339. What has no zone is in now's zone. A day is 24 hours, a week 7 days
// and a year 365. The error is INVALID_INPUT and lists the forms.
func ParseTime(text string, now time.Time) (time.Time, error) {
	s := strings.Join(strings.Fields(strings.ToLower(text)), " ")
	if duration.MatchString(s) && strings.Contains(text, "M") {
		return time.Time{}, event.Errorf(event.InvalidInput, "%q may mean minutes or months: write 1m for a minute, 30d for a month", text)
	}
	t, err := parseTime(s, now)
	if err != nil {
		return time.Time{}, event.Errorf(event.InvalidInput, "%q is not a time: %w", text, err)
	}
	if t.Before(minTime) || t.After(maxTime) {
		return time.Time{}, event.Errorf(event.InvalidInput, "%q is not a time that an event can have: it lies outside the years 1970 to 2261", text)
	}
	return t, nil
}

func parseTime(s string, now time.Time) (time.Time, error) {
	if s == "now" {
		return now, nil
	}
	if duration.MatchString(s) {
		return ago(s, now)
	}
	day, clock, _ := strings.Cut(s, " ")
	switch day {
	case "today", "yesterday":
		back := 0
		if day == "yesterday" {
			back = 1
		}
		return timeOfDay(clock, now.AddDate(0, 0, -back))
	}
	if t, err := timeOfDay(s, now); err == nil && s != "" {
		return t, nil
	}
	// Go's layouts want the T and Z of RFC 3339 in upper case.
	s = strings.ToUpper(s)
	for _, layout := range dateLayouts {
		if t, err := time.ParseInLocation(layout, s, now.Location()); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("write how long ago (90m, 2d, 1d3h), today 14:05, yesterday 9:00, 2026-11-24 14:05 or 2026-11-24T14:05:00Z")
}

func ago(s string, now time.Time) (time.Time, error) {
	if d, err := model.ParseDuration(s); err == nil {
		return now.Add(-time.Duration(d)), nil
	}
	// Fractions, which only Go's own durations have.
	d, err := time.ParseDuration(s)
	if err != nil {
		return time.Time{}, fmt.Errorf("write the units of a duration from large to small, whole numbers of y, w and d before any fraction (1d3h, 1.5h), up to 292 years")
	}
	return now.Add(-d), nil
}

func timeOfDay(clock string, day time.Time) (time.Time, error) {
	y, m, d := day.Date()
	if clock == "" {
		return time.Date(y, m, d, 0, 0, 0, 0, day.Location()), nil
	}
	for _, layout := range clockLayouts {
		if c, err := time.Parse(layout, clock); err == nil {
			return time.Date(y, m, d, c.Hour(), c.Minute(), c.Second(), 0, day.Location()), nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is not a time of day: write 14:05 or 14:05:30", clock)
}
