package doctor

import (
	"testing"
	"time"

	"github.com/rosey-bot/rosey/bot"
	"github.com/rosey-bot/rosey/cytube"
	"github.com/rosey-bot/rosey/event"
)

// The advice is of the first channel in which the bot is not well, and fits the reason.
func TestChannelAdvice(t *testing.T) {
	t.Parallel()
	soon := time.Now().Add(time.Minute)
	for name, test := range map[string]struct {
		condition cytube.Condition
		connected bool
		want      string
	}{
		"muted":                          {cytube.Condition{Mute: event.ActionMute}, true, "ask a moderator of attic to type /unmute rosey"},
		"shadow-muted":                   {cytube.Condition{Mute: event.ActionShadowMute}, true, "ask a moderator of attic to type /unmute rosey"},
		"kicked":                         {cytube.Condition{Kicked: true, Away: "the bot was kicked", Next: soon}, false, "ask the moderators of attic why; the settings' after_kick says when the bot comes back"},
		"refused":                        {cytube.Condition{Away: "the site is down", Next: soon}, false, "wait for its next try, or look at its log"},
		"banned":                         {cytube.Condition{Away: "the bot is banned"}, false, "look at its log"}, // no next try; the problem says what to do
		"mute of a channel that it left": {cytube.Condition{Mute: event.ActionMute}, false, "look at its log"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			status := bot.Status{Channels: []bot.ChannelStatus{
				{Channel: "lounge", User: "rosey", Connected: true},
				{Channel: "attic", User: "rosey", Problem: name, Connector: cytube.Stats{Connected: test.connected, Condition: test.condition}},
			}}
			if got := (&checkup{}).channelAdvice(status); got != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}
