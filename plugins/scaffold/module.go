package scaffold

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strconv"

	"github.com/rosey-bot/rosey/event"
)

// goVersion is the least that Rosey builds with.
const goVersion = "1.26.0"

// moduleFiles are the file names of a module by their templates.
var moduleFiles = map[string]string{
	"plugin.go.tmpl":      "%s.go",
	"plugin_test.go.tmpl": "%s_test.go",
	"EVENTS.md.tmpl":      "EVENTS.md",
	"main.go.tmpl":        "cmd/rosey/main.go",
	"go.mod.tmpl":         "go.mod",
	"gitignore.tmpl":      ".gitignore",
	"Makefile.tmpl":       "Makefile",
	"ci.yml.tmpl":         ".github/workflows/ci.yml",
	"README.md.tmpl":      "README.md",
}

// Requirement is the Rosey that a module builds with: a published version, or a folder
// with a checkout that replaces it.
type Requirement struct{ Version, Replace string }

// published matches versions that a module proxy may have: neither of a changed checkout nor
// what git describe says of one.
var (
	published = regexp.MustCompile(`^v\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$`)
	described = regexp.MustCompile(`-\d+-g[0-9a-f]+(-dirty)?$`)
)

// Require finds what a module can build with. In this order: the checkout that replace
// names; the one that holds a program or folder of at; the version of Rosey that this
// program was built with, where it is published; the checkout that it was built with.
func Require(replace, version string, build *debug.BuildInfo, at ...string) (Requirement, error) {
	if replace != "" {
		root, err := Root(replace)
		if err != nil {
			return Requirement{}, event.Errorf(event.InvalidInput, "%s is not in a checkout of %s: name a folder that is", replace, roseyModule)
		}
		return Requirement{"v0.0.0", root}, nil
	}
	for _, place := range at {
		if root, err := Root(place); err == nil {
			return Requirement{"v0.0.0", root}, nil
		}
	}
	replaced := ""
	if build != nil && build.Main.Path != roseyModule {
		for _, m := range build.Deps {
			if m.Path == roseyModule && m.Replace == nil {
				version = m.Version
			} else if m.Path == roseyModule {
				version, replaced = "", m.Replace.Path
			}
		}
	}
	if published.MatchString(version) && !described.MatchString(version) {
		return Requirement{Version: version}, nil
	}
	if root, err := Root(replaced); err == nil && filepath.IsAbs(replaced) {
		return Requirement{"v0.0.0", root}, nil
	}
	return Requirement{}, fmt.Errorf("this program is of a version that is not published: name a checkout of %s to build with, as --replace DIR", roseyModule)
}

// NewModule is the data of a module's templates.
type NewModule struct {
	Plugin
	Requirement
	Module string // its path, for example example.org/dice-roller
	Go     string
}

// Import returns the plugin's package as an import of Go.
func (m NewModule) Import() string {
	if path.Base(m.Module) == m.Package {
		return strconv.Quote(m.Module)
	}
	return m.Package + " " + strconv.Quote(m.Module)
}

var modulePath = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._~-]*(/[A-Za-z0-9][A-Za-z0-9._~-]*)*$`)

// WriteModule writes a plugin as a module of its own into dir, which may exist, and resolves
// the module's dependencies. It changes no existing file. A module whose path is "" is
// example.org/NAME. It returns instructions for the author.
func WriteModule(ctx context.Context, dir, name, module string, r Requirement) (next string, err error) {
	p, err := New(name)
	if err != nil {
		return "", err
	}
	if module == "" {
		module = "example.org/" + p.Command
	}
	if !modulePath.MatchString(module) || module == roseyModule {
		return "", event.Errorf(event.InvalidInput, "%q cannot be the path of a module: write for example github.com/alice/%s", module, p.Command)
	}
	if err := writeFiles(dir, moduleFiles, p.Package, NewModule{p, r, module, goVersion}); err != nil {
		return "", err
	}
	next = fmt.Sprintf("wrote %[1]s, a module of its own\n\ntry it:    cd %[1]s && make check\nrun it:    make run, and type !%[2]s\nchange it: %[1]s/README.md, docs/plugins.md\n", dir, p.Command)
	if err := tidy(ctx, dir, r); err != nil {
		next += fmt.Sprintf("\nits dependencies are not resolved yet, %v\nrun first: cd %s && go mod tidy\n", err, dir)
	}
	return next, nil
}

// tidy resolves the module's dependencies. A checkout's checksums save downloads.
func tidy(ctx context.Context, dir string, r Requirement) error {
	if r.Replace != "" {
		sums, err := os.ReadFile(filepath.Join(r.Replace, "go.sum"))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, "go.sum"), sums, 0o644)
		}
		if err != nil {
			return err
		}
	}
	cmd := exec.CommandContext(ctx, "go", "mod", "tidy")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("as go mod tidy says: %w\n%s", err, out)
	}
	return nil
}

// writeFiles fills the templates and writes their files into a folder, which is made if it
// is not there. It writes nothing where one of the files exists.
func writeFiles(folder string, files map[string]string, name string, data any) error {
	contents := map[string][]byte{}
	for from, to := range files {
		to = filepath.Join(folder, fileName(to, name))
		if _, err := os.Lstat(to); err == nil {
			return fmt.Errorf("%s exists: choose another name or folder, or remove it", to)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("write a plugin: %w", err)
		}
		content, err := fill(from, data)
		if err != nil {
			return err
		}
		contents[to] = content
	}
	for to, content := range contents {
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return fmt.Errorf("write a plugin: %w", err)
		}
		if err := os.WriteFile(to, content, 0o644); err != nil {
			return fmt.Errorf("write a plugin: %w", err)
		}
	}
	return nil
}
