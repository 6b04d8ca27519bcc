// Package shipped lists the plugins that ship with the bot.
package shipped

import (
	"os"
	"path/filepath"

	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/plugins/admin"
	"github.com/rosey-bot/rosey/plugins/autoplay"
	"github.com/rosey-bot/rosey/plugins/commands"
	"github.com/rosey-bot/rosey/plugins/countdown"
	"github.com/rosey-bot/rosey/plugins/diceroller"
	"github.com/rosey-bot/rosey/plugins/eightball"
	"github.com/rosey-bot/rosey/plugins/help"
	"github.com/rosey-bot/rosey/plugins/inspector"
	"github.com/rosey-bot/rosey/plugins/moderation"
	"github.com/rosey-bot/rosey/plugins/playlist"
	"github.com/rosey-bot/rosey/plugins/quotedb"
	"github.com/rosey-bot/rosey/plugins/seen"
	"github.com/rosey-bot/rosey/plugins/texts"
	"github.com/rosey-bot/rosey/plugins/trivia"
)

// TriviaPacks is the environment variable that names further question packs of
// trivia: files and folders, separated like those of PATH.
const TriviaPacks = "ROSEY_TRIVIA_PACKS"

// All is every shipped plugin, in the order of their names.
func All() []plugins.Plugin {
	trivia := trivia.New(filepath.SplitList(os.Getenv(TriviaPacks))...)
	trivia.Variables = []string{TriviaPacks}
	return []plugins.Plugin{
		eightball.New(),
		admin.New(),
		autoplay.New(),
		commands.New(),
		countdown.New(),
		diceroller.New(),
		help.New(),
		inspector.New(),
		moderation.New(),
		playlist.New(),
		quotedb.New(),
		seen.New(),
		texts.New(),
		trivia,
	}
}
