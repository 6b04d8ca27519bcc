package router

import (
	"strings"
	"time"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/fold"
	"github.com/rosey-bot/rosey/internal/timeparse"
)

// quietHours are hours of each day.
type quietHours struct {
	from, to time.Duration // since midnight; to is on the next day if it is not after from
	zone     *time.Location
}

// parseQuiet parses two times of day with a dash between them, and a zone or none after.
func parseQuiet(text string) (q quietHours, err error) {
	from, to, _ := strings.Cut(fold.Plain(text), "-")
	q.zone = time.UTC
	if q.from, err = clock(from, text); err != nil {
		return q, err
	}
	to = strings.TrimSpace(to)
	if i := strings.LastIndexByte(to, ' '); i >= 0 {
		zone, ok := timeparse.Zone(to[i+1:])
		switch _, isClock := timeparse.Clock(to); {
		case ok:
			to, q.zone = to[:i], zone
		case !isClock: // not 7 am
			return q, event.Errorf(event.InvalidInput, "quiet hours: there is no time zone %s", to[i+1:])
		}
	}
	q.to, err = clock(to, text)
	return q, err
}

func clock(part, text string) (time.Duration, error) {
	sinceMidnight, ok := timeparse.Clock(part)
	if !ok {
		return 0, event.Errorf(event.InvalidInput, "quiet hours are written as 22:00-07:00, 10pm - 7am or 22:00-07:00 Europe/Berlin, not %s", text)
	}
	return sinceMidnight, nil
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
