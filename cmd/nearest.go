package cmd

import (
	"errors"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/urfave/cli/v2"
	"github.com/xrash/smetrics"
)

// likeness is how alike, of 1, two names are for one to be a slip of the other:
// run and runn are at 0.92, user and username at 0.83, context and container,
// both of them words that somebody may mean, at 0.76.
const likeness = 0.8

// nearest is the name among names that somebody most likely meant who wrote
// said, or "" when none is like it. Names may have a path in front, up to a dot.
func nearest(said string, names []string) string {
	best, near := "", likeness
	for _, name := range names {
		if like := smetrics.Jaro(said, name[strings.LastIndexByte(name, '.')+1:]); like >= near && best == "" || like > near {
			best, near = name, like
		}
	}
	return best
}

// didYouMean is the part of an error, behind its colon, that asks for the name
// meant; empty when there is none. shown is what stands in front of a name.
func didYouMean(said, shown string, names []string) string {
	if name := nearest(said, names); name != "" {
		return " did you mean " + shown + name + "?"
	}
	return ""
}

// errNoCommand says that there is no command of a name below one, or below the
// program.
func errNoCommand(below, name string, commands []*cli.Command) error {
	var names []string
	for _, c := range commands {
		if !c.Hidden {
			names = append(names, c.Names()...)
		}
	}
	return usagef("there is no command %q:%s see %s --help", below+" "+name, didYouMean(name, below+" ", names), below)
}

// errNoFlag says that a command has no flag of a name.
func errNoFlag(command *cli.Command, name string) error {
	dashes, names := "-", []string(nil)
	if len(name) > 1 {
		dashes = "--"
		for _, f := range command.Flags {
			names = append(names, slices.DeleteFunc(slices.Clone(f.Names()), func(name string) bool { return len(name) == 1 })...)
		}
	}
	return usagef("there is no flag %s%s:%s see %s --help", dashes, name, didYouMean(name, dashes, names), command.HelpName)
}

// explain adds to an error of the settings file the key that was meant, or says
// what a value is to be.
func explain(err error) {
	var unknown *yaml.UnknownFieldError
	if errors.As(err, &unknown) {
		_, said, _ := strings.Cut(strings.TrimSuffix(unknown.Message, `"`), `"`)
		all := keys(reflect.TypeFor[config](), "")
		if slices.Contains(all, said) {
			unknown.Message += ": it belongs at the top level of the file"
		} else if meant := didYouMean(said, "", all); meant != "" {
			unknown.Message += ":" + meant
		}
	}
}

// wanted says what a value of the settings file is to be that is of another type.
func wanted(err error) error {
	var wrong *yaml.TypeError
	if !errors.As(err, &wrong) {
		return err
	}
	what := map[reflect.Kind]string{reflect.Int: "a whole number", reflect.Float64: "a number", reflect.Bool: "true or false", reflect.String: "a text"}[wrong.DstType.Kind()]
	if what == "" {
		return err
	}
	return &yaml.SyntaxError{Message: "this is not " + what, Token: wrong.Token}
}

// keys are the keys of the settings file that a type is read from, a dot for
// each level.
func keys(of reflect.Type, at string) (list []string) {
	switch of.Kind() {
	case reflect.Struct:
		for i := range of.NumField() {
			name, rest, _ := strings.Cut(of.Field(i).Tag.Get("yaml"), ",")
			below := strings.TrimPrefix(at+"."+name, ".")
			if rest == "inline" {
				below = at
			}
			list = append(list, keys(of.Field(i).Type, below)...)
		}
		return list
	case reflect.Map:
		return keys(of.Elem(), at+".STREAM")
	default:
		return []string{at}
	}
}

// variablePrefix is what the names of the program's variables begin with.
const variablePrefix = "ROSEY_"

// checkVariables looks for variables that are a slip of one of the program's.
// Others of the prefix are not its business: an orchestrator, for one, sets
// ROSEY_SERVICE_HOST and more of the kind where a service is called rosey.
func checkVariables(app *cli.App) error {
	var known []string
	add := func(name string) { known = append(known, strings.TrimPrefix(name, variablePrefix)) }
	for _, name := range secretVariables {
		add(name)
	}
	for _, p := range catalogOf(app) {
		for _, name := range p.Variables {
			add(name)
		}
	}
	var walk func([]cli.Flag, []*cli.Command)
	walk = func(flags []cli.Flag, commands []*cli.Command) {
		for _, f := range flags {
			if f, ok := f.(cli.DocGenerationFlag); ok {
				for _, name := range f.GetEnvVars() {
					add(name)
				}
			}
		}
		for _, c := range commands {
			walk(c.Flags, c.Subcommands)
		}
	}
	walk(app.Flags, app.Commands)
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		said, ours := strings.CutPrefix(name, variablePrefix)
		if !ours || slices.Contains(known, said) {
			continue
		}
		if meant := didYouMean(said, variablePrefix, known); meant != "" {
			return usagef("there is no variable %s:%s", name, meant)
		}
	}
	return nil
}
