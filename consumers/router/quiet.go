package router

import (
	"regexp"
	"time"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/timeparse"
)

// quietPattern is what quiet hours look like.
const quietPattern = `^(([01]?\d|2[0-3]):[0-5]\d)-(([01]?\d|2[0-3]):[0-5]\d)( \S+)?$`

var quietParts = regexp.MustCompile(quietPattern)

// quietHours are hours of each day.
type quietHours struct {
	from, to time.Duration // since midnight; to is on the next day if it is not after from
	zone     *time.Location
}

func parseQuiet(text string) (q quietHours, err error) {
	m := quietParts.FindStringSubmatch(text)
	if m == nil {
		return q, event.Errorf(event.InvalidInput, "quiet hours are written as 22:00-07:00 or 22:00-07:00 Europe/Berlin, not %s", text)
	}
	q.from, q.to, q.zone = sinceMidnight(m[1]), sinceMidnight(m[3]), time.UTC
	if name := m[5]; name != "" {
		zone, ok := timeparse.Zone(name[1:])
		if !ok {
			return q, event.Errorf(event.InvalidInput, "quiet hours: there is no time zone %s", name[1:])
		}
		q.zone = zone
	}
	return q, nil
}

func sinceMidnight(clock string) time.Duration {
	t, err := time.Parse("15:04", clock)
	if err != nil {
		return 0 // the pattern admits none
	}
	return time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute
}

// covers reports whether the clocks of the zone show such an hour at t.
func (q quietHours) covers(t time.Time) bool {
	local := t.In(q.zone)
	now := time.Duration(local.Hour())*time.Hour + time.Duration(local.Minute())*time.Minute
	if q.from < q.to {
		return q.from <= now && now < q.to
	}
	return q.from <= now || now < q.to
}
