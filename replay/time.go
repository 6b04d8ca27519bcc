package replay

import (
	"time"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/timeparse"
)

// The times that JetStream can hold are those of Unix nanoseconds in an int64.
var (
	minTime = time.Unix(0, 0)
	maxTime = time.Date(2262, 1, 1, 0, 0, 0, 0, time.UTC)
)

// ParseTime parses the moment that a person names; see timeparse.Parse. A duration is how
// long ago it was, a time of day is today's, and what has no zone is in now's zone. The
// error is INVALID_INPUT and lists forms.
func ParseTime(text string, now time.Time) (time.Time, error) {
	t, err := timeparse.Parse(text, now, timeparse.Past)
	if err != nil {
		return time.Time{}, err
	}
	if t.Before(minTime) || t.After(maxTime) {
		return time.Time{}, event.Errorf(event.InvalidInput, "%q is not a time that an event can have: it lies outside the years 1970 to 2261", text)
	}
	return t.Time, t.Err()
}
