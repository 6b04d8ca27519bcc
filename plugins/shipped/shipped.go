// Package shipped lists the plugins that come with the bot.
package shipped

import (
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/plugins/diceroller"
)

// All is every shipped plugin.
func All() []plugins.Plugin {
	return []plugins.Plugin{
		diceroller.New(),
	}
}
