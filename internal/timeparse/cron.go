package timeparse

import (
	"slices"
	"strings"
	"time"

	"github.com/robfig/cron/v3"

	"github.com/rosey-bot/rosey/event"
)

var cronFields = cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow)

// parseCron parses the five fields of a cron expression, and a zone after them.
func parseCron(words []string, now time.Time) (s Schedule, isTime bool, err error) {
	zone := now.Location()
	if len(words) == 6 {
		if named, ok := Zone(words[5]); ok {
			words, zone = words[:5], named
		}
	}
	if len(words) < 5 {
		return Schedule{}, true, badCron("", "", "a cron expression has five fields, minute, hour, day, month and weekday: write for example cron 0 20 * * 5")
	}
	if len(words) > 5 {
		text := shorten(strings.Join(words, " "))
		return Schedule{}, false, badCron(text, "it has five fields", "%q is no cron expression: it has five fields", text)
	}
	s = Schedule{Cron: strings.Join(words, " "), zone: zone}
	if err := s.checkCron(now); err != nil {
		return Schedule{}, true, err
	}
	return s, true, nil
}

// checkCron returns why a cron expression is none that can be kept.
func (s Schedule) checkCron(now time.Time) error {
	if strings.ContainsRune(s.Cron, '=') { // a zone in the library's own form
		return badCron(shorten(s.Cron), "", "%q is no cron expression", shorten(s.Cron))
	}
	if _, err := cronFields.Parse(s.Cron); err != nil {
		return badCron(shorten(s.Cron), err.Error(), "%q is no cron expression: %v", shorten(s.Cron), err)
	}
	at := s.After(now)
	if at.IsZero() {
		return badSchedule("never", values{"text": shorten(s.Cron)}, "%q never comes", shorten(s.Cron))
	}
	for range cronSample {
		next := s.After(at)
		if next.IsZero() || at.Sub(now) > 25*time.Hour {
			break
		}
		if next.Sub(at) < minRepeated {
			return tooOften()
		}
		at = next
	}
	return nil
}

const (
	// cronSample is how many times are looked at for whether they are too close: those of more than a day.
	cronSample = 300
	// maxJump is the most by which clocks go forward.
	maxJump = 2 * time.Hour
)

// cronAfter returns the first time after t: when the clocks of the zone first show what the
// expression says or, where they skip that, as much later as they go forward.
func (s Schedule) cronAfter(t time.Time) (next time.Time) {
	fields, err := cronFields.Parse(s.Cron)
	if err != nil {
		return time.Time{}
	}
	// What the clocks skip comes behind what they show first, so that walls are not in order.
	for wall := fields.Next(wallTime(t.In(s.zone)).Add(-maxJump)); !wall.IsZero(); wall = fields.Next(wall) {
		if !next.IsZero() && wall.After(wallTime(next)) {
			return next
		}
		if at, _ := atWallTime(wall, s.zone); at.After(t) && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	return next
}

// Rule is a schedule as it is stored.
type Rule struct {
	First int64 `json:"first"` // Unix seconds
	// Wall is what the clocks of Zone were to show at First, such as
	// 2026-03-29T02:30:00; "" in records of versions that did not note it.
	Wall  string `json:"wall,omitempty"`
	Zone  string `json:"zone"`
	Every Period `json:"every"`
	Cron  string `json:"cron,omitempty"`
}

const wallLayout = "2006-01-02T15:04:05"

// Rule returns the schedule as it is stored.
func (s Schedule) Rule() Rule {
	if s.Cron != "" {
		return Rule{Zone: s.zone.String(), Cron: s.Cron}
	}
	return Rule{First: s.First.Unix(), Wall: s.Wall.Format(wallLayout), Zone: s.First.Location().String(), Every: s.Every}
}

// Location returns the zone of the rule; UTC where it has none that is known.
func (r Rule) Location() *time.Location {
	if z, ok := Zone(r.Zone); ok {
		return z
	}
	return time.UTC
}

// Schedule returns the schedule that is stored.
func (r Rule) Schedule() Schedule {
	first := time.Unix(r.First, 0).In(r.Location())
	wall, err := time.Parse(wallLayout, r.Wall)
	if err != nil {
		wall = wallTime(first)
	}
	return Schedule{First: first, Wall: wall, Every: r.Every, Cron: r.Cron, zone: r.Location()}
}

// Repeats returns how the rule goes on, such as "every 2 weeks" or "cron 0 20 * * 5"; "" if
// it is for once.
func (r Rule) Repeats() string {
	if r.Cron != "" {
		return "cron " + r.Cron
	}
	return r.Every.String()
}

// Check returns why nothing can come of what is stored: a damaged rule, or one of a later
// release.
func (r Rule) Check() error {
	if _, ok := Zone(r.Zone); !ok {
		return event.Errorf(event.InvalidInput, "I do not know the time zone %s", shorten(r.Zone))
	}
	if r.Cron != "" {
		_, err := cronFields.Parse(r.Cron)
		return err
	}
	if r.Every != (Period{}) && (r.Every.N < 1 || r.Every.N > maxPeriod || !slices.Contains(periodUnits, r.Every.Unit)) {
		return event.Errorf(event.InvalidInput, "nothing is repeated %s", r.Every)
	}
	return nil
}
