// Package scaffold creates new plugins: a folder that compiles, with a test that passes,
// as a starting point.
package scaffold

import (
	"bytes"
	"embed"
	"fmt"
	"go/format"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"text/template"

	"github.com/rosey-bot/rosey/event"
)

// roseyModule is the path of the Go module that the plugins import.
const roseyModule = "github.com/rosey-bot/rosey"

//go:embed templates
var templates embed.FS

// files are the file names of a plugin by their templates.
var files = map[string]string{
	"plugin.go.tmpl":      "%s.go",
	"plugin_test.go.tmpl": "%s_test.go",
	"EVENTS.md.tmpl":      "EVENTS.md",
}

// Plugin is the data of the templates.
type Plugin struct {
	Name    string // for example dice-roller
	Package string // for example diceroller
	Command string // for example dice-roller, as it is typed
}

// Write creates a plugin of that name in a new folder below dir, usually the folder
// plugins of a checkout of Rosey, and returns instructions for its author. It changes no
// existing file. Errors say what to do instead.
func Write(dir, name string) (next string, err error) {
	p, err := New(name)
	if err != nil {
		return "", err
	}
	root, err := Root(dir)
	if err != nil {
		return "", err
	}
	folder := filepath.Join(dir, p.Package)
	if _, err := os.Lstat(folder); err == nil {
		return "", fmt.Errorf("%s exists: choose another name, or remove it", folder)
	}
	if err := writeFiles(folder, files, p.Package, p); err != nil {
		return "", err
	}
	if folder, err = filepath.Abs(folder); err == nil {
		folder, err = filepath.Rel(root, folder)
	}
	folder = filepath.ToSlash(folder)
	return fmt.Sprintf(`wrote %[1]s

try it:    go test ./%[1]s
run it:    add it to All in plugins/shipped/shipped.go by
               %[2]s.New(),
           with the import
               "%[3]s"
           and then: make build && echo '!%[4]s' | bin/rosey run --local
change it: docs/plugins.md
`, folder, p.Package, path.Join(roseyModule, folder), p.Command), err
}

// New returns the names of a plugin's parts, or an error if name is invalid.
func New(name string) (Plugin, error) {
	if !event.ValidName(name) || !strings.ContainsFunc(name, isLetter) {
		return Plugin{}, event.Errorf(event.InvalidInput, "%q cannot be a plugin's name: use 1 to %d of A-Z a-z 0-9 _ -, for example dice-roller", name, event.MaxNameLength)
	}
	p := Plugin{Name: name, Package: strings.NewReplacer("-", "", "_", "").Replace(strings.ToLower(name)), Command: strings.ToLower(name)}
	if p.Package[0] >= '0' && p.Package[0] <= '9' {
		p.Package = "p" + p.Package
	}
	// Folders of these names have another meaning to Go or exist.
	switch p.Package {
	case "main", "internal", "vendor", "testdata", "shipped", "scaffold", "plugintest":
		p.Package += "plugin"
	}
	if token.IsKeyword(p.Package) {
		p.Package += "plugin"
	}
	return p, nil
}

func isLetter(r rune) bool { return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' }

var moduleLine = regexp.MustCompile(`(?m)^module\s+` + regexp.QuoteMeta(roseyModule) + `\s*$`)

// Root returns the checkout of Rosey that contains dir.
func Root(dir string) (string, error) {
	at, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("find %s: %w", dir, err)
	}
	for {
		content, err := os.ReadFile(filepath.Join(at, "go.mod"))
		if err == nil && moduleLine.Match(content) {
			return at, nil
		}
		if err == nil || filepath.Dir(at) == at {
			return "", fmt.Errorf("%s is not in a checkout of %s: run this in one, or write the plugin in another language (see examples/)", dir, roseyModule)
		}
		at = filepath.Dir(at)
	}
}

// fileName is the name of a plugin's file, in which %s stands for the package.
func fileName(pattern, name string) string { return strings.ReplaceAll(pattern, "%s", name) }

// fill executes a template and formats Go code.
func fill(name string, data any) ([]byte, error) {
	t, err := template.New("").Delims("«", "»").ParseFS(templates, "templates/"+name)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := t.ExecuteTemplate(&b, name, data); err != nil {
		return nil, err
	}
	if !strings.HasSuffix(name, ".go.tmpl") {
		return b.Bytes(), nil
	}
	return format.Source(b.Bytes())
}
