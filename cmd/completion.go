package cmd

import (
	"fmt"

	"github.com/urfave/cli/v2"
)

// completeFlag, as the last argument, has the program list what could come next.
const completeFlag = "--generate-bash-completion"

// completions are the scripts by which shells ask the program what could come
// next.
var completions = map[string]string{
	"bash": `_rosey() {
	local cur=${COMP_WORDS[COMP_CWORD]} words=("${COMP_WORDS[@]:0:COMP_CWORD}")
	[[ $cur != -* ]] || words+=("$cur")
	mapfile -t COMPREPLY < <(compgen -W "$("${words[@]}" ` + completeFlag + ` 2>/dev/null)" -- "$cur")
}
complete -o default -F _rosey rosey
`,
	"zsh": `#compdef rosey
_rosey() {
	local -a found asked
	asked=("${(@)words[1,CURRENT-1]}")
	[[ ${words[CURRENT]} != -* ]] || asked+=("${words[CURRENT]}")
	found=("${(@f)$("${asked[@]}" ` + completeFlag + ` 2>/dev/null)}")
	compadd -a found
	_files
}
compdef _rosey rosey
`,
	"fish": `function __rosey_complete
	set -l words (commandline -opc)
	set -l current (commandline -ct)
	string match -q -- '-*' $current; and set -a words $current
	$words ` + completeFlag + ` 2>/dev/null
end
complete -c rosey -a '(__rosey_complete)'
`,
}

func completionCommand() *cli.Command {
	return &cli.Command{
		Name:      "completion",
		Usage:     "print a script that has a shell complete rosey's commands and flags",
		ArgsUsage: "bash|zsh|fish",
		Description: `   mkdir -p ~/.local/share/bash-completion/completions ~/.config/fish/completions
   rosey completion bash > ~/.local/share/bash-completion/completions/rosey
   rosey completion zsh > "${fpath[1]}/_rosey"
   rosey completion fish > ~/.config/fish/completions/rosey.fish`,
		Action: ofOne("shell", func(c *cli.Context) error {
			script, ok := completions[c.Args().First()]
			if !ok {
				return usagef("there is a script for bash, zsh and fish, not for %q", c.Args().First())
			}
			fmt.Fprint(c.App.Writer, script)
			return nil
		}),
	}
}

// manCommand is for packagers, who find it in the Makefile.
func manCommand() *cli.Command {
	return &cli.Command{
		Name:   "man",
		Usage:  "print the manual page",
		Hidden: true,
		Action: func(c *cli.Context) error {
			page, err := c.App.ToManWithSection(1)
			if err != nil {
				return fmt.Errorf("write the manual page: %w", err)
			}
			fmt.Fprint(c.App.Writer, page)
			return nil
		},
	}
}

const helpName = "help"

// helpCommand is for the lists of commands: hoist makes its work that of --help.
func helpCommand() *cli.Command {
	return &cli.Command{
		Name:      helpName,
		Usage:     "what a command does, with examples",
		ArgsUsage: "[COMMAND…]",
		Description: `   rosey help replay
   rosey help plugin run`,
		Action: cli.ShowAppHelp,
	}
}
