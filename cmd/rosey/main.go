// Command rosey is a CyTube chat bot whose every event is remembered.
//
// A program with other plugins is this file with another list: see
// examples/own-bot.
package main

import (
	"github.com/rosey-bot/rosey/cmd"
	"github.com/rosey-bot/rosey/plugins/shipped"
)

func main() { cmd.Main(shipped.All()...) }
