package cmd

import (
	"regexp"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/rosey-bot/rosey/internal/settings"
)

// globalFlags are accepted before and after every command's name.
func globalFlags() []cli.Flag {
	const category = "Everywhere"
	text := func(name, usage string) cli.Flag {
		return &cli.StringFlag{Name: name, Usage: usage, EnvVars: []string{envName(name)}, Category: category}
	}
	return []cli.Flag{
		text("store", "`DIR` that holds everything the bot remembers (default: "+settings.DefaultStore()+")"),
		// NATS_URL and its like are for other tools: `status --output env` sets
		// them, and the embedded server must not be taken for an external one.
		text("nats", "use the NATS server or cluster at `URL` instead of the embedded one"),
		text("context", "use the NATS CLI context `NAME` for an external server"),
		text("creds", "credentials `FILE` for an external server, or of one plugin (see rosey plugin creds)"),
		text("tlsca", "trust an external server whose certificate `FILE` signed"),
		text("tlscert", "show an external server the client certificate in `FILE`"),
		text("tlskey", "`FILE` with the client certificate's key"),
		text("config", "YAML `FILE` of settings (default: "+settings.DefaultFile()+" if it exists)"),
		text("log-level", "debug, info, warn or error"),
		text("log-format", "text or json"),
	}
}

func envName(flag string) string {
	return variablePrefix + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// flagParseError matches an error of package flag: its phrase, the flag's name behind one
// dash, and the rest.
var flagParseError = regexp.MustCompile(`^(flag provided but not defined:|flag needs an argument:|invalid (?:boolean )?value .* for(?: flag)?) -(\S+?)((?:: .*)?)$`)

// flagError returns a usage error for an error of the flag parser, with what to do.
func flagError(command *cli.Command, err error) error {
	m := flagParseError.FindStringSubmatch(err.Error())
	if m == nil {
		return usagef("%w: see %s --help", err, command.HelpName)
	}
	said, name, rest := m[1], m[2], m[3]
	if strings.HasPrefix(said, "flag provided") {
		for _, f := range command.Flags {
			if slices.Contains(f.Names(), name+"-file") {
				return usagef("a secret never stands in a flag, where other users could read it: give --%s-file FILE, or %s", name, envName(name))
			}
		}
		return errNoFlag(command, name)
	}
	dashes := "--"
	if len(name) == 1 {
		dashes = "-"
	}
	return usagef("%s %s%s%s: see %s --help", said, dashes, name, rest, command.HelpName)
}

// hoist moves the flags of a command line in front of its positional arguments: the
// parser of cli v2, which is package flag, stops at the first of those, and people write
// `rosey trace ID --output json`. What follows -- stays where it is, and help COMMAND
// becomes COMMAND --help.
func hoist(app *cli.App, args []string) []string {
	if len(args) == 0 {
		return args
	}
	out := []string{args[0]}
	rest := args[1:]
	flags, commands := app.Flags, app.Commands
	for {
		var front, positional []string
		var next *cli.Command
		i := 0
		for ; i < len(rest) && next == nil; i++ {
			arg := rest[i]
			if arg == "--" {
				positional = append(positional, rest[i:]...)
				i = len(rest)
				break
			}
			if isFlag(arg) {
				front = append(front, arg)
				if takesValue(flags, arg) && i+1 < len(rest) {
					i++
					front = append(front, rest[i])
				}
				continue
			}
			if len(positional) == 0 {
				if next = find(commands, arg); next != nil && next.Name == helpName {
					return hoist(app, slices.Concat(out, front, rest[i+1:], []string{"--help"}))
				}
				if next != nil {
					continue
				}
			}
			positional = append(positional, arg)
		}
		if len(positional) > 0 && positional[0] != "--" && len(commands) > 0 {
			// There is no such command, and so no help with it.
			front = slices.DeleteFunc(front, func(arg string) bool { return arg == "--help" || arg == "-h" })
		}
		out = append(out, front...)
		if len(positional) > 0 && positional[0] != "--" && strings.HasPrefix(positional[0], "-") {
			out = append(out, "--")
		}
		out = append(out, positional...)
		if next == nil {
			return out
		}
		out = append(out, next.Name)
		rest, flags, commands = rest[i:], next.Flags, next.Subcommands
	}
}

// isFlag reports whether an argument is a flag and not a negative number.
func isFlag(arg string) bool {
	return len(arg) > 1 && arg[0] == '-' && (arg[1] < '0' || arg[1] > '9')
}

func find(commands []*cli.Command, name string) *cli.Command {
	i := slices.IndexFunc(commands, func(c *cli.Command) bool { return c.HasName(name) })
	if i < 0 {
		return nil
	}
	return commands[i]
}

// takesValue reports whether the flag written as arg takes the argument after
// it as its value.
func takesValue(flags []cli.Flag, arg string) bool {
	name, _, hasValue := strings.Cut(strings.TrimLeft(arg, "-"), "=")
	if hasValue {
		return false
	}
	for _, f := range flags {
		if _, isBool := f.(*cli.BoolFlag); !isBool && slices.Contains(f.Names(), name) {
			return true
		}
	}
	return false
}
