package crashtest

import (
	"testing"
	"time"

	"github.com/rosey-bot/rosey/cytube/cytubetest"
)

// The typist waits for the oldest command of any channel that is not answered and may still be.
func TestOldest(t *testing.T) {
	t.Parallel()
	at := func(channel, user, text string, ago time.Duration) cytubetest.Line {
		return cytubetest.Line{Channel: channel, User: user, Text: text, Time: epoch.Add(-ago)}
	}
	lounge := []cytubetest.Line{
		at("lounge", "alice", "!roll d6+1", 50*time.Second), at("lounge", "bob", "hello", 49*time.Second), at("lounge", "bob", "!roll d6+2", 40*time.Second),
	}
	answered := append(lounge[:3:3], at("lounge", botName, "Rolled d6+1: 2", 30*time.Second))
	for name, c := range map[string]struct {
		heard []cytubetest.Line
		want  time.Duration
	}{
		"nothing":           {nil, 0},
		"none answered":     {lounge, 50 * time.Second},
		"one answered":      {answered, 40 * time.Second},
		"all answered":      {append(answered[:4:4], at("lounge", botName, "Rolled d6+2: 3", 0)), 0},
		"in another":        {append(answered[:4:4], at("movies", "bob", "!roll d6+3", 45*time.Second)), 45 * time.Second},
		"another's answers": {append(lounge[:3:3], at("movies", botName, "hello", 0)), 50 * time.Second},
		"expired":           {[]cytubetest.Line{at("lounge", "alice", "!roll d6+1", time.Hour)}, 0},
	} {
		if got := oldest(c.heard, epoch); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}
