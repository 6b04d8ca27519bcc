package countdown

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // people name zones that the machine may not know

	"github.com/dustin/go-humanize/english"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
)

// Schedule is a time, and the period of its repetition.
type Schedule struct {
	First time.Time // in the requested zone
	Every Period    // zero for once
}

// Period is a number of units. Days, weeks, months and years follow the calendar: every
// day at 20:00 stays at 20:00 when daylight saving time changes.
type Period struct {
	N    int    `json:"n"`
	Unit string `json:"unit"` // second, minute, hour, day, week, month or year
}

// Limits of a schedule.
const (
	Furthest    = 10 * 366 * 24 * time.Hour
	MinRepeated = 5 * time.Minute
)

// units maps names and abbreviations to units of Period.
var units = map[string]string{
	"s": "second", "sec": "second", "secs": "second", "second": "second", "seconds": "second",
	"m": "minute", "min": "minute", "mins": "minute", "minute": "minute", "minutes": "minute",
	"h": "hour", "hr": "hour", "hrs": "hour", "hour": "hour", "hours": "hour",
	"d": "day", "day": "day", "days": "day",
	"w": "week", "wk": "week", "week": "week", "weeks": "week",
	"mo": "month", "month": "month", "months": "month",
	"y": "year", "year": "year", "years": "year",
}

// lengths are the durations of units, of days and weeks without clock changes.
var lengths = map[string]time.Duration{
	"second": time.Second, "minute": time.Minute, "hour": time.Hour, "day": 24 * time.Hour, "week": 7 * 24 * time.Hour,
}

var adverbs = map[string]Period{
	"hourly": {1, "hour"}, "daily": {1, "day"}, "weekly": {1, "week"}, "monthly": {1, "month"}, "yearly": {1, "year"}, "annually": {1, "year"},
}

// ParseWhen parses a duration (2h30m, 1 day 12 hours), a time (20:00, tomorrow 20:00, fri
// 20:00), or a date (2026-12-24, 2026-12-24 20:00, 2026-12-24T20:00+02:00), optionally
// followed by a zone (UTC, +02:00, Europe/Berlin) and a period (daily, every 2 weeks).
// Times without a zone are UTC. Errors are INVALID_INPUT with a text for the user.
func ParseWhen(words []string, now time.Time) (Schedule, error) {
	words, every, err := cutPeriod(words)
	if err != nil {
		return Schedule{}, err
	}
	words, zone, err := cutZone(words)
	if err != nil {
		return Schedule{}, err
	}
	if len(words) > 0 && strings.EqualFold(words[0], "in") {
		words = words[1:]
	}
	text := strings.Join(words, " ")
	if text == "" {
		return Schedule{}, bad("say when: a duration such as 2h30m, or a time such as 20:00 or 2026-12-24 20:00")
	}
	now = now.In(zone)
	first, ok := parseTime(words, now)
	if !ok {
		d, ok := parseDuration(text)
		if !ok {
			return Schedule{}, bad("I cannot read %q: write a duration such as 2h30m, or a time such as 20:00 or 2026-12-24 20:00", plugins.Shorten(text, 40))
		}
		first = now.Add(d)
	}
	s := Schedule{first.Round(time.Second), every}
	switch away := first.Sub(now); {
	case away > Furthest:
		return Schedule{}, bad("that is more than 10 years away")
	case away < -Furthest:
		return Schedule{}, bad("%s is more than 10 years ago", plugins.Shorten(text, 40))
	case away < 0 && every != (Period{}):
		// The first occurrence is past, others follow.
	case away < time.Second:
		return Schedule{}, bad("%s is over: it was %s ago", plugins.Shorten(text, 40), shown(-away))
	}
	return s, nil
}

// cutPeriod cuts "daily" or "every 2 weeks" off the end.
func cutPeriod(words []string) (rest []string, every Period, err error) {
	if n := len(words); n > 0 {
		if every, ok := adverbs[strings.ToLower(words[n-1])]; ok {
			return words[:n-1], every, nil
		}
	}
	for i, w := range words {
		if !strings.EqualFold(w, "every") {
			continue
		}
		text := strings.ToLower(strings.Join(words[i+1:], ""))
		digits := strings.TrimRight(text, "abcdefghijklmnopqrstuvwxyz")
		every = Period{1, units[text[len(digits):]]}
		if digits != "" {
			every.N, err = strconv.Atoi(digits)
		}
		if err != nil || every.Unit == "" || every.N < 1 || every.N > 10_000 {
			return nil, Period{}, bad("I cannot read %q: write for example every day, every 2 weeks or every 90 minutes", plugins.Shorten(strings.Join(words[i:], " "), 40))
		}
		if d, ok := lengths[every.Unit]; ok && time.Duration(every.N)*d < MinRepeated {
			return nil, Period{}, bad("that is too often: every %s at the most", shown(MinRepeated))
		}
		return words[:i], every, nil
	}
	return words, Period{}, nil
}

var offset = regexp.MustCompile(`^([+-])(\d{2}):?(\d{2})$`)

// cutZone cuts a zone off the end; it is UTC if there is none.
func cutZone(words []string) (rest []string, zone *time.Location, err error) {
	if len(words) == 0 {
		return words, time.UTC, nil
	}
	last := words[len(words)-1]
	rest = words[:len(words)-1]
	if strings.EqualFold(last, "utc") || strings.EqualFold(last, "gmt") || strings.EqualFold(last, "z") {
		return rest, time.UTC, nil
	}
	if m := offset.FindStringSubmatch(last); m != nil {
		t, err := time.Parse("-0700", m[1]+m[2]+m[3])
		if err != nil {
			return nil, nil, bad("%s is no time zone", last)
		}
		_, seconds := t.Zone()
		return rest, time.FixedZone(m[1]+m[2]+":"+m[3], seconds), nil
	}
	if strings.Contains(last, "/") && !strings.ContainsAny(last, "0123456789") {
		zone, err := time.LoadLocation(last)
		if err != nil {
			return nil, nil, bad("I do not know the time zone %s: write for example Europe/Berlin or +01:00", plugins.Shorten(last, 40))
		}
		return rest, zone, nil
	}
	return words, time.UTC, nil
}

var part = regexp.MustCompile(`^(\d{1,9})\s*([a-z]+)[\s,]*`)

// parseDuration parses 2h30m, 1 day 12 hours and the like.
func parseDuration(text string) (time.Duration, bool) {
	text = strings.ToLower(text)
	var total time.Duration
	for text != "" {
		m := part.FindStringSubmatch(text)
		if m == nil {
			return 0, false
		}
		length, ok := lengths[units[m[2]]]
		n, err := strconv.Atoi(m[1])
		if !ok || err != nil {
			return 0, false
		}
		if n > math.MaxInt64/int(length)/2 || total > math.MaxInt64/2 {
			return math.MaxInt64, true // beyond any limit
		}
		total += time.Duration(n) * length
		text = text[len(m[0]):]
	}
	return total, true
}

// layouts of dates.
var layouts = []string{
	"2006-01-02T15:04:05Z07:00", "2006-01-02T15:04Z07:00", "2006-01-02T15:04:05", "2006-01-02T15:04",
	"2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02",
}

// parseTime parses a date, a time of day, or a day and a time of day.
func parseTime(words []string, now time.Time) (time.Time, bool) {
	text := strings.ToUpper(strings.Join(words, " "))
	for _, layout := range layouts {
		if t, err := time.ParseInLocation(layout, text, now.Location()); err == nil {
			if t.Location().String() == "" { // an offset: name it, since records store the name
				_, seconds := t.Zone()
				t = t.In(time.FixedZone(t.Format("-07:00"), seconds))
			}
			return t, true
		}
	}
	day, given := 0, false
	if len(words) > 1 {
		if day, given = dayAhead(words[0], now); given {
			words = words[1:]
		}
	}
	clock, ok := timeOfDay(strings.Join(words, " "))
	if !ok {
		return time.Time{}, false
	}
	at := func(day int) time.Time {
		y, m, d := now.Date()
		return time.Date(y, m, d+day, clock.Hour(), clock.Minute(), clock.Second(), 0, now.Location())
	}
	t := at(day)
	if !t.After(now) && !given {
		t = at(day + 1)
	} else if !t.After(now) && day == 0 && !strings.EqualFold(text[:3], "TOD") {
		t = at(7) // the next day of that name
	}
	return t, true
}

func timeOfDay(s string) (time.Time, bool) {
	for _, layout := range []string{"15:04", "15:04:05", "3:04PM", "3PM"} {
		if t, err := time.Parse(layout, strings.ToUpper(strings.ReplaceAll(s, " ", ""))); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

// dayAhead returns how many days from now a named day is.
func dayAhead(s string, now time.Time) (days int, ok bool) {
	s = strings.ToLower(s)
	switch s {
	case "today":
		return 0, true
	case "tomorrow":
		return 1, true
	}
	for d := time.Sunday; d <= time.Saturday; d++ {
		if name := strings.ToLower(d.String()); len(s) >= 3 && strings.HasPrefix(name, s) {
			return (int(d) - int(now.Weekday()) + 7) % 7, true
		}
	}
	return 0, false
}

// After returns the first occurrence after t, or the zero time.
func (s Schedule) After(t time.Time) time.Time {
	if s.First.After(t) {
		return s.First
	}
	if s.Every == (Period{}) {
		return time.Time{}
	}
	n := 0
	if d, ok := lengths[s.Every.Unit]; ok {
		// Clock changes add up to less than one period.
		n = max(0, int(t.Sub(s.First)/(d*time.Duration(s.Every.N)))-1)
	}
	for {
		if next := s.Every.times(s.First, n); next.After(t) {
			return next
		}
		n++
	}
}

// times returns the time n periods after t. In a month without that day it is the last
// day.
func (p Period) times(t time.Time, n int) time.Time {
	n *= p.N
	switch p.Unit {
	case "day":
		return t.AddDate(0, 0, n)
	case "week":
		return t.AddDate(0, 0, 7*n)
	case "month", "year":
		if p.Unit == "year" {
			n *= 12
		}
		y, m, d := t.Date()
		last := time.Date(y, m+time.Month(n)+1, 0, 0, 0, 0, 0, t.Location()).Day()
		return time.Date(y, m+time.Month(n), min(d, last), t.Hour(), t.Minute(), t.Second(), 0, t.Location())
	}
	return t.Add(time.Duration(n) * lengths[p.Unit])
}

// String returns the period as text, such as "every 2 weeks".
func (p Period) String() string {
	switch {
	case p.N == 0:
		return ""
	case p.N == 1:
		return "every " + p.Unit
	}
	return "every " + english.Plural(p.N, p.Unit, "")
}

// shown returns a duration in its two largest units.
func shown(d time.Duration) string {
	if d < time.Second {
		return "a moment"
	}
	d = d.Round(time.Second)
	if d >= 24*time.Hour {
		d = d.Round(time.Minute) // seconds are not shown
	}
	var parts []string
	for _, u := range []struct {
		length time.Duration
		sign   string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}} {
		if n := d / u.length; n > 0 {
			parts = append(parts, fmt.Sprintf("%d%s", n, u.sign))
		}
		d %= u.length
	}
	return strings.Join(parts[:min(2, len(parts))], " ")
}

func bad(format string, args ...any) error { return event.Errorf(event.InvalidInput, format, args...) }
