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

// flagParseError matches an error of package flag: its phrase, the flag's name after one
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

// hoist moves the flags of a command line to the command that they are for, in front of
// its positional arguments: the parser of cli v2, which is package flag, stops at the first
// of those, and a flag before the command's name would lose to the variable that the
// command reads. What follows -- stays where it is, and help COMMAND becomes COMMAND --help.
func hoist(app *cli.App, args []string) []string {
	if len(args) == 0 {
		return args
	}
	out, global := []string{args[0]}, globalFlags()
	flags, commands := app.Flags, app.Commands
	var front [][]string // each flag with its value
	var positional []string
	for i := 1; i < len(args); i++ {
		var next *cli.Command
		if len(positional) == 0 {
			next = find(commands, args[i])
		}
		switch {
		case args[i] == "--":
			positional = append(positional, args[i:]...)
			i = len(args)
		case isFlag(args[i]):
			end := i + 1
			if takesValue(flags, args[i]) || takesValue(global, args[i]) {
				end = min(i+2, len(args))
			}
			front = append(front, args[i:end])
			i = end - 1
		case next == nil:
			positional = append(positional, args[i])
		case next.Name == helpName:
			return hoist(app, slices.Concat(out, slices.Concat(front...), args[i+1:], []string{"--help"}))
		default:
			var below [][]string
			for _, f := range front {
				if flagOf(global, f[0]) != nil || flagOf(next.Flags, f[0]) != nil {
					below = append(below, f)
				} else {
					out = append(out, f...)
				}
			}
			out, front = append(out, next.Name), below
			flags, commands = next.Flags, next.Subcommands
		}
	}
	isPositional := len(positional) > 0 && positional[0] != "--"
	for _, f := range front {
		switch isHelp := f[0] == "--help" || f[0] == "-h"; {
		case isHelp && isPositional && len(commands) > 0: // there is no such command, and so no help with it
		case flagOf(global, f[0]) != nil && flagOf(flags, f[0]) == nil:
			out = slices.Insert(out, 1, f...)
		default:
			out = append(out, f...)
		}
	}
	if isPositional && strings.HasPrefix(positional[0], "-") {
		out = append(out, "--")
	}
	return append(out, positional...)
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

// takesValue reports whether the flag written as arg takes the argument after it as its
// value.
func takesValue(flags []cli.Flag, arg string) bool {
	f := flagOf(flags, arg)
	_, isBool := f.(*cli.BoolFlag)
	return f != nil && !isBool && !strings.Contains(arg, "=")
}

// flagOf returns the flag written as arg, or nil.
func flagOf(flags []cli.Flag, arg string) cli.Flag {
	name, _, _ := strings.Cut(strings.TrimLeft(arg, "-"), "=")
	i := slices.IndexFunc(flags, func(f cli.Flag) bool { return slices.Contains(f.Names(), name) })
	if i < 0 {
		return nil
	}
	return flags[i]
}
