// Package timeparse reads the times and durations that people write: in chat, in ranges
// such as --since, and in settings.
package timeparse

import (
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/rosey-bot/rosey/internal/fold"
)

// Direction is the side of now on which a time lies of which that is not said: a
// duration, a weekday or a date without a year.
type Direction int

// The directions.
const (
	Past   Direction = -1
	Future Direction = 1
)

// examples are three forms of each direction, for errors.
var examples = map[Direction]string{
	Past:   "90m (ago), yesterday 14:05 or 2026-11-24 14:05 UTC",
	Future: "2h30m, fri 20:00 or 2026-12-24 20:00 Europe/Berlin",
}

// Time is a time as somebody wrote it.
type Time struct {
	time.Time           // in the zone that was written, or in that of now
	Wall      time.Time // what the clocks there were to show
	Exists    bool      // false if the clocks skip Wall
}

// Err returns an error that says why the clocks do not show Wall, or nil if they do.
func (t Time) Err() error {
	if t.Exists {
		return nil
	}
	return bad("gap", values{"text": t.Wall.Format("15:04"), "date": t.Wall, "zone": t.Location().String(), "next": t.Format("15:04")},
		"there is no %s on %s in %s: the clocks go forward then, write for example %s",
		t.Wall.Format("15:04"), t.Wall.Format("Mon 2 Jan 2006"), t.Location(), t.Format("15:04"))
}

// Parse parses a time. It understands
//   - durations: 2h30m, 1d 2h, 1.5h, 1h30, 90 min, 1 month, in 2 hours, 2 hours ago
//   - times of day: 20:00, 8pm, 8:30 pm, noon, tomorrow 20:00, 8 pm tomorrow, friday 20:00
//   - dates: 2026-11-29, 2026-11-29 03:00, 2026-11-29T03:00:05Z, 4 Dec 20:00, now
//   - Unix time in seconds or milliseconds
//
// followed by a zone or without: UTC, UTC-4, -0400, EST, America/New_York. A time without
// one is in now's. A time of day alone lies within the next 24 hours, or for Past it is
// today's. A day without a time begins at midnight. Days of a duration have 24 hours,
// months and years those of the calendar. Errors are INVALID_INPUT.
func Parse(text string, now time.Time, side Direction) (Time, error) {
	t, _, err := parse(text, now, side)
	return t, err
}

// parse is Parse. isTime is false where the text is not meant as a time.
func parse(text string, now time.Time, side Direction) (t Time, isTime bool, err error) {
	text = fold.Plain(text)
	words, zones, err := cutZones(split(text))
	if err != nil {
		return Time{}, false, err
	}
	if len(zones) > 0 {
		now = now.In(zones[0])
	}
	if ambiguous.MatchString(text) {
		return Time{}, false, bad("ambiguous", values{"text": shorten(text)}, "%q may mean minutes or months: write 1m for a minute, 1mo for a month", shorten(text))
	}
	if t, ok := parseRelative(words, now, side); ok {
		return Time{Time: t, Wall: wallTime(t), Exists: true}, true, nil
	}
	d, ok := parseDate(words, now)
	if !ok {
		return Time{}, false, bad("time", values{"text": shorten(text), "example": examples[side]}, "%q is not a time: write for example %s", shorten(text), examples[side])
	}
	t = d.resolve(now, side)
	if len(zones) > 1 && wallTime(t.In(zones[1])).Equal(t.Wall) { // 2027-01-30T23:30+01:00 Europe/Berlin
		t.Time = t.In(zones[1])
	}
	return t, true, nil
}

func shorten(text string) string {
	if r := []rune(text); len(r) > 40 {
		return string(r[:39]) + "…"
	}
	return text
}

var iso = regexp.MustCompile(`(?i)^(\d{4}-\d{2}-\d{2})(?:T(\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?)(Z|[+-]\d{2}:?\d{2})?)?$`)

// split returns the words of a text, with date, time and zone of ISO 8601 apart.
func split(text string) (words []string) {
	for w := range strings.FieldsSeq(strings.ReplaceAll(text, ",", " ")) {
		if m := iso.FindStringSubmatch(w); m != nil {
			for _, w := range m[1:] {
				if w != "" {
					words = append(words, w)
				}
			}
			continue
		}
		words = append(words, w)
	}
	return words
}

var (
	unix      = regexp.MustCompile(`^@?(\d{9,10})(\d{3})?$`)
	ambiguous = regexp.MustCompile(`^[^A-Z]*\dM[^A-Z]*$`)
)

// parseRelative parses a duration, now, or Unix time.
func parseRelative(words []string, now time.Time, side Direction) (time.Time, bool) {
	text := strings.Join(words, " ")
	lower := strings.ToLower(text)
	if lower == "now" {
		return now, true
	}
	if m := unix.FindStringSubmatch(text); m != nil {
		seconds, _ := strconv.ParseInt(m[1], 10, 64)
		millis, _ := strconv.ParseInt("0"+m[2], 10, 64)
		return time.Unix(seconds, millis*1e6).In(now.Location()), true
	}
	for _, form := range []struct {
		prefix, suffix string
		side           Direction
	}{{"in ", "", Future}, {"", " ago", Past}, {"", " from now", Future}, {"", "", side}} {
		if !strings.HasPrefix(lower, form.prefix) || !strings.HasSuffix(lower, form.suffix) {
			continue
		}
		if s, ok := parseSpan(lower[len(form.prefix) : len(lower)-len(form.suffix)]); ok {
			return s.after(now, int(form.side)), true
		}
	}
	return time.Time{}, false
}
