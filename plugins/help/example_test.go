package help_test

import (
	"fmt"

	"github.com/rosey-bot/rosey/plugins/help"
)

func ExampleNew() {
	p := help.New()
	for _, c := range p.Commands {
		fmt.Printf("!%s %s: %s\n", c.Name, c.Usage, c.Description)
	}
	// Output: !help [COMMAND]: lists the commands that you may use, or shows how to use one
}
