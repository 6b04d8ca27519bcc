package countdown

import (
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/dustin/go-humanize/english"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/timeparse"
	"github.com/rosey-bot/rosey/plugins"
)

// Schedule is a time, and the period of its repetition.
type Schedule struct {
	First time.Time // in the requested zone
	Wall  time.Time // what the clocks were to show at First, in UTC; see timeparse.Date
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

var adverbs = map[string]Period{
	"hourly": {1, "hour"}, "daily": {1, "day"}, "weekly": {1, "week"}, "monthly": {1, "month"}, "yearly": {1, "year"}, "annually": {1, "year"},
}

// ParseWhen parses a time (see timeparse.Parse) with a period (daily, every 2 weeks) or
// without. Times without a zone are UTC. Errors are INVALID_INPUT with a text for the user.
func ParseWhen(words []string, now time.Time) (Schedule, error) {
	words, every, err := cutPeriod(words)
	if err != nil {
		return Schedule{}, err
	}
	text := strings.Join(words, " ")
	if text == "" {
		return Schedule{}, bad("say when: a duration such as 2h30m, or a time such as 20:00 or 2026-12-24 20:00")
	}
	first, err := timeparse.Parse(text, now.UTC(), timeparse.Future)
	if err != nil {
		return Schedule{}, err
	}
	s := Schedule{first.Round(time.Second), first.Wall.Round(time.Second), every}
	switch away := first.Sub(now); {
	case away > Furthest:
		return Schedule{}, bad("that is more than 10 years away")
	case away < -Furthest:
		return Schedule{}, bad("%s is more than 10 years ago", plugins.Shorten(text, 40))
	case every != (Period{}):
		// The first occurrence may be past: others follow.
		return s, nil
	case away < time.Second:
		return Schedule{}, bad("%s is over: it was %s ago", plugins.Shorten(text, 40), timeparse.Short(-away))
	}
	return s, first.Err()
}

// example returns a name and a time to set a countdown with, of the typed words those that
// serve: NAME, NAME TIME or TIME.
func example(words []string, now time.Time) string {
	name, when := "movie", "2h30m"
	if _, err := ParseWhen(words, now); err == nil {
		return name + " " + plugins.Shorten(strings.Join(words, " "), 60)
	}
	if n := utf8.RuneCountInString(words[0]); n > 0 && n <= MaxName {
		if name = words[0]; strings.Contains(name, " ") {
			name = `"` + name + `"`
		}
	}
	if _, err := ParseWhen(words[1:], now); err == nil {
		when = plugins.Shorten(strings.Join(words[1:], " "), 60)
	}
	return name + " " + when
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
		end := min(i+2, len(words)) // every day, every 90m
		every, ok := parsePeriod(words[i+1 : end])
		if !ok && end < len(words) {
			end++
			every, ok = parsePeriod(words[i+1 : end]) // every 2 weeks
		}
		if !ok {
			return nil, Period{}, bad("I cannot read %q: write for example every day, every 2 weeks or every 90 minutes", plugins.Shorten(strings.Join(words[i:], " "), 40))
		}
		if d, ok := timeparse.Lengths[every.Unit]; ok && time.Duration(every.N)*d < MinRepeated {
			return nil, Period{}, bad("that is too often: every %s at the most", timeparse.Short(MinRepeated))
		}
		return append(words[:i:i], words[end:]...), every, nil
	}
	return words, Period{}, nil
}

func parsePeriod(words []string) (p Period, ok bool) {
	text := strings.Join(words, "")
	unit := strings.TrimLeft(text, "0123456789")
	p = Period{1, timeparse.Unit(unit)}
	if digits := text[:len(text)-len(unit)]; digits != "" {
		p.N, _ = strconv.Atoi(digits)
	}
	return p, p.Unit != "" && p.N >= 1 && p.N <= 10_000
}

// After returns the first occurrence after t, or the zero time.
func (s Schedule) After(t time.Time) time.Time {
	if s.First.After(t) {
		return s.First
	}
	if s.Every == (Period{}) {
		return time.Time{}
	}
	n := 1
	if d, ok := timeparse.Lengths[s.Every.Unit]; ok {
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
		wall = timeparse.AddMonths(wall, n)
	case "year":
		wall = timeparse.AddMonths(wall, 12*n)
	default:
		return s.First.Add(time.Duration(n) * timeparse.Lengths[s.Every.Unit])
	}
	t, _ := timeparse.Date(wall, s.First.Location())
	return t
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

func bad(format string, args ...any) error { return event.Errorf(event.InvalidInput, format, args...) }
