package timeparse

import (
	"strconv"
	"strings"
	"time"

	"github.com/rosey-bot/rosey/internal/fold"
)

// wallTime returns what the clocks of t's zone show at t, as a time in UTC.
func wallTime(t time.Time) time.Time {
	_, offset := t.Zone()
	return t.UTC().Add(time.Duration(offset) * time.Second)
}

// atWallTime returns the time at which the clocks of a zone show what wall shows in UTC: the
// first if they do so twice. If they skip it, exists is false, and atWallTime returns the time
// that is as much later as the clocks go forward. (time.Date returns either neighbour.)
func atWallTime(wall time.Time, zone *time.Location) (t time.Time, exists bool) {
	const day = 24 * time.Hour // clocks change at most once in two
	for _, near := range []time.Duration{day, -day} {
		_, offset := wall.Add(near).In(zone).Zone()
		if at := wall.Add(-time.Duration(offset) * time.Second).In(zone); wallTime(at).Equal(wall) {
			t, exists = at, true
		} else if !exists {
			t = at
		}
	}
	return t, exists
}

// ZoneName returns the name of t's zone. Where its clocks show t's time twice, as they go
// back, it tells which of the two t is: "Europe/Berlin (CEST)".
func ZoneName(t time.Time) string {
	first, _ := atWallTime(wallTime(t), t.Location())
	_, offset := t.Add(24 * time.Hour).Zone()
	last := wallTime(t).Add(-time.Duration(offset) * time.Second).In(t.Location())
	if first.Equal(last) || !wallTime(last).Equal(wallTime(t)) {
		return t.Location().String()
	}
	return t.Location().String() + " (" + t.Format("MST") + ")"
}

// date is a day and a time of day.
type date struct {
	year  int
	month time.Month
	day   int
	clock time.Time
	// step is what leads to another such day: years, or days
	stepYears, stepDays int
}

// resolve returns the time of d on a side of now.
func (d date) resolve(now time.Time, side Direction) Time {
	at := func(step int) Time {
		wall := time.Date(d.year+step*d.stepYears, d.month, d.day+step*d.stepDays, d.clock.Hour(), d.clock.Minute(), d.clock.Second(), d.clock.Nanosecond(), time.UTC)
		t, exists := atWallTime(wall, now.Location())
		return Time{t, wall, exists}
	}
	t := at(0)
	switch {
	case side == Future && !t.After(now):
		return at(1)
	case side == Past && t.After(now) && d.stepDays != 1:
		return at(-1)
	}
	return t
}

// parseDate parses a day, a time of day, or both in any order.
func parseDate(words []string, now time.Time) (d date, ok bool) {
	d = date{stepDays: 1}
	d.year, d.month, d.day = now.Date()
	hasDay, hasClock := false, false
	for len(words) > 0 {
		if w := strings.ToLower(words[0]); w == "at" || w == "on" {
			words = words[1:]
			continue
		}
		if n := d.readDay(words, now); n > 0 && !hasDay {
			hasDay, words = true, words[n:]
		} else if n := d.readClock(words); n > 0 && !hasClock {
			hasClock, words = true, words[n:]
		} else {
			return d, false
		}
	}
	return d, hasDay || hasClock
}

var relativeDays = map[string]int{"yesterday": -1, "today": 0, "tomorrow": 1}

// readDay reads a day from the first words and returns how many they are.
func (d *date) readDay(words []string, now time.Time) (n int) {
	first := strings.ToLower(words[0])
	if ahead, ok := relativeDays[first]; ok {
		d.day += ahead
		d.stepDays = 0
		return 1
	}
	if t, err := time.Parse(time.DateOnly, first); err == nil {
		d.set(t)
		return 1
	}
	if wd, ok := weekday(first); ok {
		if len(words) > 1 { // Fri 4 Dec
			if n := d.readDay(words[1:], now); n > 1 {
				return n + 1
			}
		}
		d.day += (int(wd-now.Weekday()) + 7) % 7
		d.stepDays = 7
		return 1
	}
	for _, layout := range []string{"2 Jan 2006", "2 January 2006", "Jan 2 2006", "January 2 2006"} {
		if len(words) < 2 {
			break
		}
		if len(words) > 2 {
			if t, err := time.Parse(layout, strings.Join(words[:3], " ")); err == nil {
				d.set(t)
				return 3
			}
		}
		if t, err := time.Parse(layout, strings.Join(words[:2], " ")+" "+strconv.Itoa(now.Year())); err == nil {
			d.set(t)
			d.stepYears = 1
			return 2
		}
	}
	return 0
}

// weekday returns the day of the week that a word names, as in fri.
func weekday(word string) (time.Weekday, bool) {
	for wd := time.Sunday; wd <= time.Saturday; wd++ {
		if len(word) >= 3 && strings.HasPrefix(strings.ToLower(wd.String()), strings.ToLower(word)) {
			return wd, true
		}
	}
	return 0, false
}

func (d *date) set(t time.Time) {
	d.year, d.month, d.day = t.Date()
	d.stepDays = 0
}

// Clock parses a time of day, such as 20:00, 8pm or noon, and returns how long after
// midnight the clocks show it.
func Clock(text string) (sinceMidnight time.Duration, ok bool) {
	var d date
	words := strings.Fields(fold.Plain(text))
	if len(words) == 0 || d.readClock(words) != len(words) {
		return 0, false
	}
	return d.clock.Sub(d.clock.Truncate(24 * time.Hour)), true
}

// readClock reads a time of day from the first words and returns how many they are.
func (d *date) readClock(words []string) (n int) {
	for n := min(2, len(words)); n > 0; n-- {
		text := strings.ToUpper(strings.Join(words[:n], ""))
		switch text {
		case "NOON":
			text = "12:00"
		case "MIDNIGHT":
			text = "00:00"
		}
		for _, layout := range []string{"15:04", "15:04:05", "3:04PM", "3PM"} {
			if t, err := time.Parse(layout, text); err == nil {
				d.clock = t
				return n
			}
		}
	}
	return 0
}
