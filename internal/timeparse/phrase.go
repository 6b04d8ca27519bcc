package timeparse

import (
	"fmt"
	"maps"
	"time"

	"github.com/rosey-bot/rosey/event"
)

// values are what the text of an error may use.
type values map[string]any

// bad returns an INVALID_INPUT error about a time, a phrase of the text time.
func bad(why string, more values, format string, args ...any) error {
	return phrase("time", values{"why": why, "text": "", "example": "", "date": time.Time{}, "zone": "", "next": ""}, more, format, args)
}

// badSchedule returns an INVALID_INPUT error about a schedule, a phrase of the text schedule.
func badSchedule(why string, more values, format string, args ...any) error {
	return phrase("schedule", values{"why": why, "text": "", "length": time.Duration(0), "n": 0, "unit": ""}, more, format, args)
}

// badCron returns an INVALID_INPUT error about a cron expression, a phrase of the text cron.
func badCron(text, reason, format string, args ...any) error {
	return phrase("cron", values{"text": text, "reason": reason}, nil, format, args)
}

func phrase(text string, all, more values, format string, args []any) error {
	maps.Copy(all, more)
	return event.NewPhrase(event.InvalidInput, fmt.Sprintf(format, args...), text, all)
}
