package scaffold

import (
	"fmt"
	"maps"
	"slices"

	"github.com/rosey-bot/rosey/event"
)

// language is one of a plugin that is a program of its own.
type language struct {
	file  string            // the plugin's, by the name of its command
	run   string            // how the bot runs it
	files map[string]string // the names of the further files, by their templates
}

// otherFiles are in each plugin that is a program of its own.
var otherFiles = map[string]string{
	"rosey-plugin.yaml.tmpl": "rosey-plugin.yaml",
	"other.README.md.tmpl":   "README.md",
	"other.EVENTS.md.tmpl":   "EVENTS.md",
}

var languages = map[string]language{
	"node": {file: "%s.js", run: "node %s.js", files: map[string]string{
		"node.js.tmpl": "%s.js", "package.json.tmpl": "package.json", "node.Makefile.tmpl": "Makefile", "node.gitignore.tmpl": ".gitignore",
	}},
	"python": {file: "%s.py", run: ".venv/bin/python %s.py", files: map[string]string{
		"python.py.tmpl": "%s.py", "requirements.txt.tmpl": "requirements.txt", "python.Makefile.tmpl": "Makefile", "python.gitignore.tmpl": ".gitignore",
	}},
}

// Go is the language of plugins that are Go packages.
const Go = "go"

// Languages lists those in which a plugin can be written.
func Languages() []string { return append([]string{Go}, slices.Sorted(maps.Keys(languages))...) }

// WriteProgram writes a plugin in another language than Go, as a program that the bot runs, into dir,
// which may exist. It changes no existing file, and returns instructions for the author.
func WriteProgram(dir, name, lang string, r Requirement) (next string, err error) {
	p, err := New(name)
	if err != nil {
		return "", err
	}
	of, ok := languages[lang]
	if !ok {
		return "", event.Errorf(event.InvalidInput, "there is no language %q here: write one of %v, or see docs/contract.md for any other", lang, Languages())
	}
	files := maps.Clone(otherFiles)
	maps.Copy(files, of.files)
	data := struct {
		Plugin
		Requirement
		Lang, File, Run string
	}{p, r, lang, fileName(of.file, p.Command), fileName(of.run, p.Command)}
	if err := writeFiles(dir, files, p.Command, data); err != nil {
		return "", err
	}
	return fmt.Sprintf("wrote %[1]s\n\ntry it:    cd %[1]s && make setup check\nrun it:    make dev, and type !%[2]s\ngive it to your bot: make add\nchange it: %[1]s/%[3]s, and %[1]s/README.md\n", dir, p.Command, data.File), nil
}
