package bot

import (
	"fmt"

	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/event"
)

// Lack is what a plugin asks of a channel by its capabilities and the bot may not do there.
type Lack struct {
	Plugin string `json:"plugin"`
	Asks   string `json:"asks"`   // the subject of the ability
	Reason string `json:"reason"` // such as a rank that is too low
}

// String returns a line about it.
func (l Lack) String() string {
	return fmt.Sprintf("%s asks for %s, but %s", l.Plugin, l.Asks, l.Reason)
}

// lacks returns what the registered plugins ask of the channel and the bot's rank does not
// allow.
func (c *channel) lacks(registered []router.Entry) (list []Lack) {
	for _, e := range registered {
		for _, subject := range event.Capabilities(e.Capabilities).Sends() {
			if reason := c.Denied(subject); reason != "" {
				list = append(list, Lack{e.Name, subject, reason})
			}
		}
	}
	return list
}
