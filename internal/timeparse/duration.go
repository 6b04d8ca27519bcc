package timeparse

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// units maps names and abbreviations to units.
var units = map[string]string{
	"ms": "millisecond", "millisecond": "millisecond", "milliseconds": "millisecond",
	"s": "second", "sec": "second", "secs": "second", "second": "second", "seconds": "second",
	"m": "minute", "min": "minute", "mins": "minute", "minute": "minute", "minutes": "minute",
	"h": "hour", "hr": "hour", "hrs": "hour", "hour": "hour", "hours": "hour",
	"d": "day", "day": "day", "days": "day",
	"w": "week", "wk": "week", "wks": "week", "week": "week", "weeks": "week",
	"mo": "month", "mth": "month", "month": "month", "months": "month",
	"y": "year", "yr": "year", "yrs": "year", "year": "year", "years": "year",
}

// unitNamed returns the unit that a name or an abbreviation stands for, from "second" to
// "year", or "".
func unitNamed(name string) string { return units[strings.ToLower(name)] }

// unitLengths are the durations of the units that have one: of days and weeks without
// changes of the clocks.
var unitLengths = map[string]time.Duration{
	"millisecond": time.Millisecond, "second": time.Second, "minute": time.Minute, "hour": time.Hour,
	"day": 24 * time.Hour, "week": 7 * 24 * time.Hour,
}

// below is the unit of a number without one after another, as in 1h30.
var below = map[string]string{"week": "day", "day": "hour", "hour": "minute", "minute": "second"}

// span is a duration whose months have the lengths that the calendar gives them.
type span struct {
	months   float64
	duration float64 // nanoseconds
}

var part = regexp.MustCompile(`^(\d+(?:\.\d+)?|\.\d+|an?\b)\s*([a-z]*)[\s,]*(?:and\s+)?`)

// parseSpan parses 2h30m, 1d 2h, 1.5h, 1h30, 90 min, 1 month and the like.
func parseSpan(text string) (s span, ok bool) {
	last := ""
	for rest := strings.TrimSpace(text); rest != ""; {
		m := part.FindStringSubmatch(rest)
		if m == nil {
			return s, false
		}
		rest = rest[len(m[0]):]
		unit := unitNamed(m[2])
		if m[2] == "" {
			unit = below[last]
		}
		n := 1.0
		if m[1] != "a" && m[1] != "an" {
			n, _ = strconv.ParseFloat(m[1], 64)
		}
		switch last = unit; unit {
		case "":
			return s, false
		case "year":
			s.months += 12 * n
		case "month":
			s.months += n
		default:
			s.duration += n * float64(unitLengths[unit])
		}
	}
	return s, text != "" && last != ""
}

// after returns the time that is a span after t; sign is -1 for before. It is far out of
// range where the span is.
func (s span) after(t time.Time, sign int) time.Time {
	whole, fraction := math.Modf(min(s.months, 1e6))
	t = addMonths(t, sign*int(whole))
	d := s.duration + fraction*30*float64(24*time.Hour)
	const century = 100 * 365 * 24 * time.Hour
	for ; d > float64(century) && t.Year() > -1e5 && t.Year() < 1e5; d -= float64(century) {
		t = t.Add(time.Duration(sign) * century)
	}
	return t.Add(time.Duration(sign) * time.Duration(math.Round(min(d, float64(century)))))
}

// addMonths returns the time n months after t; in a month without that day, its last day.
func addMonths(t time.Time, n int) time.Time {
	if last := t.AddDate(0, n, 0); last.Day() == t.Day() {
		return last
	}
	y, m, _ := t.Date()
	return time.Date(y, m+time.Month(n)+1, 0, t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), t.Location())
}

// Duration parses what a setting or a flag says, such as 90s, 5m, 90 min, 1.5h, 1d12h,
// 52w or 1y. A month has 30 days and a year 365. The error is INVALID_INPUT.
func Duration(text string) (time.Duration, error) {
	if d, err := time.ParseDuration(text); err == nil {
		return d, nil
	}
	s, ok := parseSpan(strings.ToLower(text))
	years, months := math.Modf(s.months / 12)
	d := s.duration + (years*365+months*360)*float64(24*time.Hour)
	if !ok || d > math.MaxInt64 {
		return 0, bad("duration", values{"text": text}, "%q is not a duration: write for example 90s, 5m or 30d", text)
	}
	return time.Duration(math.Round(d)), nil
}

// Short returns a duration in its two largest units.
func Short(d time.Duration) string {
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
