package cmd

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"
)

// completions are the scripts by which shells ask the program what could come next.
var completions = map[string]string{
	"bash": `_rosey() {
	mapfile -t COMPREPLY < <("$1" ` + completeCommand + ` "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -o default -F _rosey rosey
`,
	"zsh": `#compdef rosey
_rosey() {
	local -a found
	found=("${(@f)$("${words[1]}" ` + completeCommand + ` "${(@)words[2,CURRENT]}" 2>/dev/null)}")
	found=("${(@)found:#}")
	compadd -a found || _files
}
if [[ ${funcstack[1]} == _rosey ]]; then _rosey "$@"; else compdef _rosey rosey; fi
`,
	"fish": `function __rosey_complete
	set -l words (commandline -opc)
	set -l current (commandline -ct)
	set -l found ($words[1] ` + completeCommand + ` $words[2..] "$current" 2>/dev/null)
	if test (count $found) -gt 0
		printf '%s\n' $found
	else
		__fish_complete_path "$current"
	end
end
complete -c rosey -f -a '(__rosey_complete)'
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
			c.App.Description = markdown.Replace(c.App.Description)
			escapeMarkdown(c.App.Flags, c.App.Commands)
			page, err := c.App.ToManWithSection(1)
			if err != nil {
				return fmt.Errorf("write the manual page: %w", err)
			}
			fmt.Fprint(c.App.Writer, page)
			return nil
		},
	}
}

// markdown escapes what Markdown, of which the library makes the manual page, takes for
// emphasis.
var markdown = strings.NewReplacer("_", `\_`, "*", `\*`)

// escapeMarkdown escapes the texts of flags and of commands, and of those below them.
func escapeMarkdown(flags []cli.Flag, commands []*cli.Command) {
	for _, f := range flags {
		switch f := f.(type) {
		case *cli.StringFlag:
			f.Usage = markdown.Replace(f.Usage)
		case *cli.StringSliceFlag:
			f.Usage = markdown.Replace(f.Usage)
		case *cli.BoolFlag:
			f.Usage = markdown.Replace(f.Usage)
		case *cli.IntFlag:
			f.Usage = markdown.Replace(f.Usage)
		case *choiceFlag:
			f.Usage = markdown.Replace(f.Usage)
		}
	}
	for _, c := range commands {
		c.Usage = markdown.Replace(c.Usage)
		escapeMarkdown(c.Flags, c.Subcommands)
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
