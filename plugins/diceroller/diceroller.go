// Package diceroller is the plugin dice-roller: !roll 2d6+3.
package diceroller

import (
	"cmp"
	"strings"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
)

// New returns the plugin.
func New() plugins.Plugin {
	return plugins.Plugin{
		Name:         "dice-roller",
		Version:      "1.0.0",
		Description:  "Rolls dice",
		Concurrent:   true, // a roll depends on its command alone
		Capabilities: []string{event.CapabilityChat, event.CapabilityPM},
		Settings:     Settings{},
		Commands: []plugins.Command{{
			Name:        "roll",
			Aliases:     []string{"dice"},
			Usage:       "2d6+3",
			Description: "rolls up to 100 dice of up to 10000 sides: 2d6+3, d20, d%, 4d6kh3 (keep the highest 3), 4d6dl1 (drop the lowest), 4d6! or !>4 (explode), 2d6r1 or ro<2 (roll again); a comment may follow",
			Handle:      roll,
		}},
		Requests: []plugins.Endpoint{{Handle: request}},
	}
}

// Settings are the plugin's settings.
type Settings struct {
	MaxDice  int `json:"max_dice" default:"100" min:"1" max:"100" jsonschema:"most dice of a roll"`
	MaxSides int `json:"max_sides" default:"10000" min:"2" max:"10000" jsonschema:"most sides of a die"`
}

// check returns an error for a roll that the settings do not allow.
func (s Settings) check(x Expression) error {
	dice := 0
	for _, t := range x {
		if dice += t.Count; dice > s.MaxDice {
			return event.Invalidf("that is %d dice, and I have %d", dice, s.MaxDice)
		}
		if t.Sides > s.MaxSides {
			return event.Invalidf("a die of %d sides would roll away: %d is the most", t.Sides, s.MaxSides)
		}
	}
	return nil
}

// defaultDice are rolled without an argument.
const defaultDice = "1d6"

func roll(c *plugins.Context) ([]event.Envelope, error) {
	expression, comment := cutComment(strings.Join(c.Command.Args, " "))
	x, err := Parse(cmp.Or(strings.TrimSpace(expression), defaultDice))
	if err == nil {
		err = plugins.SettingsOf[Settings](c).check(x)
	}
	if err != nil {
		return nil, err
	}
	total, working := x.Roll(c.Rand())
	if comment != "" {
		comment = " — " + plugins.Shorten(comment, 80)
	}
	return c.Say("🎲 Rolled %s: %s = %d%s", x, working, total, comment), nil
}

// request handles plugin.dice-roller.request {"dice": "2d6+3"}; see EVENTS.md.
func request(c *plugins.Context) (any, error) {
	var r struct{ Dice string }
	if err := c.Decode(&r); err != nil {
		return nil, err
	}
	x, err := Parse(cmp.Or(r.Dice, defaultDice))
	if err == nil {
		err = plugins.SettingsOf[Settings](c).check(x)
	}
	if err != nil {
		return nil, event.AsError(err, event.InvalidInput).With("field", "dice")
	}
	total, working := x.Roll(c.Rand())
	return map[string]any{"success": true, "dice": x.String(), "total": total, "working": working}, nil
}
