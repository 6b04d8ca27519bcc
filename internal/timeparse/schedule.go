package timeparse

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize/english"
)

// Schedule is a time, and the period of its repetition, or a cron expression.
type Schedule struct {
	First time.Time      // in the requested zone
	Wall  time.Time      // what the clocks were to show at First, in UTC
	Every Period         // zero for once
	Cron  string         // in place of First, Wall and Every: minute, hour, day, month, weekday
	zone  *time.Location // of Cron
}

// Period is a number of units. Days, weeks, months and years follow the calendar: every
// day at 20:00 stays at 20:00 when daylight saving time changes.
type Period struct {
	N    int    `json:"n"`
	Unit string `json:"unit"` // second, minute, hour, day, week, month or year
}

// Limits of a schedule.
const (
	furthest    = 10 * 366 * 24 * time.Hour
	minRepeated = 5 * time.Minute
	maxPeriod   = 10_000
)

// periodUnits are the units of a Period.
var periodUnits = []string{"second", "minute", "hour", "day", "week", "month", "year"}

var adverbs = map[string]Period{
	"hourly": {1, "hour"}, "daily": {1, "day"}, "weekly": {1, "week"}, "monthly": {1, "month"}, "yearly": {1, "year"}, "annually": {1, "year"},
}

// ParseSchedule parses a time (see Parse) with a period or without: daily, every 2 weeks,
// every friday 20:00. "cron 0 20 * * 5" is a cron expression of five fields. Times without a
// zone are in now's. Errors are INVALID_INPUT with a text for the user.
func ParseSchedule(words []string, now time.Time) (Schedule, error) {
	s, _, err := parseSchedule(words, now)
	return s, err
}

// CutSchedule parses the schedule that words begin with, as long as it can be, and returns
// the words after it.
func CutSchedule(words []string, now time.Time) (s Schedule, rest []string, err error) {
	for n := min(len(words), maxScheduleWords); n > 0; n-- {
		s, isTime, err := parseSchedule(words[:n], now)
		if !isTime {
			continue
		}
		if rest = words[n:]; err == nil && len(rest) > 0 && clockLike.MatchString(rest[0]) && !slices.ContainsFunc(words[:n], clockLike.MatchString) {
			err = bad("clock", values{"text": shorten(rest[0])}, "%q is no time of day: write for example 20:00 or 8pm", shorten(rest[0]))
		}
		return s, rest, err
	}
	_, _, err = parseSchedule(words[:min(len(words), 2)], now)
	return Schedule{}, words, err
}

// maxScheduleWords is the length of the longest schedule: every 2 weeks on Fri 4 Dec 2026 at 8 pm Europe/Berlin.
const maxScheduleWords = 12

// clockLike matches what is meant as a time of day, right or wrong.
var clockLike = regexp.MustCompile(`^\d{1,2}(:\d{2})+$|^(?i)\d{1,2}(:\d{2})?[ap]m$`)

// parseSchedule is ParseSchedule. isTime is false where the words are not meant as a time.
func parseSchedule(words []string, now time.Time) (s Schedule, isTime bool, err error) {
	if len(words) > 0 && strings.EqualFold(words[0], "cron") {
		return parseCron(words[1:], now)
	}
	words, every, err := cutPeriod(words)
	if err != nil {
		return Schedule{}, false, err
	}
	text := strings.Join(words, " ")
	if text == "" && every != (Period{}) {
		return Schedule{}, true, badSchedule("begin", every.values(), "say when it begins, for example 20:00 %s", every)
	}
	if text == "" {
		return Schedule{}, false, badSchedule("when", nil, "say when: a duration such as 2h30m, or a time such as 20:00 or 2026-12-24 20:00")
	}
	first, isTime, err := parse(text, now, Future)
	if err != nil {
		return Schedule{}, isTime, err
	}
	s = Schedule{First: first.Round(time.Second), Wall: first.Wall.Round(time.Second), Every: every}
	if d, ok := unitLengths[every.Unit]; ok && time.Duration(every.N)*d < minRepeated {
		return Schedule{}, true, tooOften()
	}
	switch away := first.Sub(now); {
	case away > furthest:
		return Schedule{}, true, badSchedule("far", nil, "that is more than 10 years away")
	case away < -furthest:
		return Schedule{}, true, badSchedule("long_over", values{"text": shorten(text)}, "%s is more than 10 years ago", shorten(text))
	case every != (Period{}):
		// The first occurrence may be past: others follow.
		return s, true, nil
	case away < time.Second:
		return Schedule{}, true, badSchedule("over", values{"text": shorten(text), "length": -away}, "%s is over: it was %s ago", shorten(text), Short(-away))
	}
	return s, true, first.Err()
}

func tooOften() error {
	return badSchedule("often", values{"length": minRepeated}, "that is too often: every %s at the most", Short(minRepeated))
}

// cutPeriod cuts out "daily" or "every 2 weeks"; a zone may follow.
func cutPeriod(words []string) (rest []string, every Period, err error) {
	for i, w := range words {
		if every, ok := adverbs[strings.ToLower(w)]; ok {
			return append(words[:i:i], words[i+1:]...), every, nil
		}
		if !strings.EqualFold(w, "every") {
			continue
		}
		if i+1 < len(words) {
			if _, ok := weekday(words[i+1]); ok { // every friday
				return append(words[:i:i], words[i+1:]...), Period{1, "week"}, nil
			}
		}
		end := min(i+2, len(words)) // every day, every 90m
		every, ok := parsePeriod(words[i+1 : end])
		if !ok && end < len(words) {
			end++
			every, ok = parsePeriod(words[i+1 : end]) // every 2 weeks
		}
		if !ok {
			text := shorten(strings.Join(words[i:], " "))
			return nil, Period{}, badSchedule("period", values{"text": text}, "I cannot read %q: write for example every day, every 2 weeks or every 90 minutes", text)
		}
		return append(words[:i:i], words[end:]...), every, nil
	}
	return words, Period{}, nil
}

func parsePeriod(words []string) (p Period, ok bool) {
	text := strings.Join(words, "")
	unit := strings.TrimLeft(text, "0123456789")
	p = Period{1, unitNamed(unit)}
	if digits := text[:len(text)-len(unit)]; digits != "" {
		p.N, _ = strconv.Atoi(digits)
	}
	return p, p.Unit != "" && p.N >= 1 && p.N <= maxPeriod
}

// After returns the first occurrence after t, or the zero time.
func (s Schedule) After(t time.Time) time.Time {
	if s.Cron != "" {
		return s.cronAfter(t)
	}
	if s.First.After(t) {
		return s.First
	}
	if s.Every == (Period{}) {
		return time.Time{}
	}
	n := 1
	if d, ok := unitLengths[s.Every.Unit]; ok {
		// Clock changes add up to less than one period.
		n = max(1, int(t.Sub(s.First)/(d*time.Duration(s.Every.N)))-1)
	}
	for {
		if next := s.occurrence(n * s.Every.N); next.After(t) {
			return next
		}
		n++
	}
}

// occurrence returns the time n units after the first: by the calendar, from what the
// clocks were to show at the first, even where they did not show it. In a month without
// that day it is the last day.
func (s Schedule) occurrence(n int) time.Time {
	wall := s.Wall
	switch s.Every.Unit {
	case "day":
		wall = wall.AddDate(0, 0, n)
	case "week":
		wall = wall.AddDate(0, 0, 7*n)
	case "month":
		wall = addMonths(wall, n)
	case "year":
		wall = addMonths(wall, 12*n)
	default:
		return s.First.Add(time.Duration(n) * unitLengths[s.Every.Unit])
	}
	t, _ := atWallTime(wall, s.First.Location())
	return t
}

// values are what a text of the period may use.
func (p Period) values() values { return values{"n": p.N, "unit": p.Unit} }

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
