// Package diceroller is the plugin dice-roller: !roll 2d6+3.
package diceroller

import (
	"strings"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
)

// New is the plugin.
func New() plugins.Plugin {
	return plugins.Plugin{
		Name:        "dice-roller",
		Version:     "1.0.0",
		Description: "Rolls dice",
		Commands: []plugins.Command{{
			Name:        "roll",
			Aliases:     []string{"dice"},
			Usage:       "2d6+3",
			Description: "rolls dice: 2d6+3, d20, 4d6kh3 (keep the highest 3), 4d6dl1 (drop the lowest), d%",
			Handle:      roll,
		}},
	}
}

func roll(c *plugins.Context) ([]event.Envelope, error) {
	text := strings.Join(c.Command.Args, " ")
	if text == "" {
		text = "1d6"
	}
	x, err := Parse(text)
	if err != nil {
		return nil, err
	}
	total, working := x.Roll(c.Rand())
	return c.Say("🎲 Rolled %s: %s = %d", x, working, total), nil
}
