package playlist

import (
	"fmt"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
)

// tell answers a command whose outcome came later: where it was typed, or privately.
func tell(c *plugins.Context, a *asked, quiet bool, format string, args ...any) []event.Envelope {
	text := fmt.Sprintf(format, args...)
	if text == "" { // the channel wants nothing said
		return nil
	}
	if a.Private || quiet {
		return c.PM(a.User, "%s", text)
	}
	return c.Say("%s: %s", a.User, text)
}

// quoted quotes a title, shortened.
func quoted(title string) string { return "“" + plugins.Shorten(title, 80) + "”" }

// clock returns a length as 3:20 or 1:02:03; live for 0.
func clock(seconds int) string {
	switch {
	case seconds <= 0:
		return "live"
	case seconds < 3600:
		return fmt.Sprintf("%d:%02d", seconds/60, seconds%60)
	}
	return fmt.Sprintf("%d:%02d:%02d", seconds/3600, seconds/60%60, seconds%60)
}
