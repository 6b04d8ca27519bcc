package cmd

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// module is the prefix of the module's packages.
const module = "github.com/rosey-bot/rosey/"

// layers are the folders of the module; a folder may import those of earlier lines only.
var layers = [][]string{
	{"internal/fold", "internal/markup", "internal/rawjson", "internal/recent", "internal/retry", "internal/terminal", "internal/suggest", "internal/version"},
	{"event"},
	{"internal/timeparse"},
	{"internal/texttemplate"},
	{"telemetry"},
	{"streams"},
	{"consumers", "kvstore", "replay"},
	{"cytube"},
	{"plugins"},
	{"internal/asyncapi"},
	{"console", "crashtest"},
	{"internal/settings"},
	{"internal/client"},
	{"bot"},
	{"internal/doctor"},
	{"cmd"},
}

// folder returns the folder of layers that a package lies in.
func folder(pkg string) string {
	pkg = strings.TrimPrefix(pkg, module)
	if inside, ok := strings.CutPrefix(pkg, "internal/"); ok {
		name, _, _ := strings.Cut(inside, "/")
		return "internal/" + name
	}
	name, _, _ := strings.Cut(pkg, "/")
	return name
}

func layer(folder string) int {
	return slices.IndexFunc(layers, func(l []string) bool { return slices.Contains(l, folder) })
}

// isTestOnly reports whether a package is for tests, as crashtest's program is itself.
func isTestOnly(pkg string) bool { return strings.HasSuffix(pkg, "test") }

func TestImportsPointOneWay(t *testing.T) {
	t.Parallel()
	for pkg, imports := range goList(t, "../...") {
		from := folder(pkg)
		if layer(from) < 0 && from != "examples" && from != "release" {
			t.Errorf("%s is in no layer: add %s to layers", pkg, from)
		}
		for _, imported := range imports {
			to, inModule := folder(imported), strings.HasPrefix(imported, module)
			switch {
			case !inModule:
			case from != to && layer(from) <= layer(to):
				t.Errorf("%s imports %s, which is not below it", pkg, imported)
			case isTestOnly(imported) && !isTestOnly(pkg) && !strings.HasSuffix(pkg, "/rosey-crash"):
				t.Errorf("%s imports %s, which is for tests", pkg, imported)
			}
		}
	}
}

// A plugin's author takes in neither the server nor the command line.
func TestPluginsImportNoServer(t *testing.T) {
	t.Parallel()
	for pkg := range goList(t, "-deps", "../plugins", "../event") {
		if strings.Contains(pkg, "nats-server") || strings.Contains(pkg, "urfave/cli") {
			t.Errorf("plugins or event depends on %s", pkg)
		}
	}
}

// goList returns the imports of packages, by path.
func goList(t *testing.T, args ...string) map[string][]string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", append([]string{"list", "-json=ImportPath,Imports"}, args...)...).Output()
	if err != nil {
		t.Fatal(err)
	}
	packages := map[string][]string{}
	for dec := json.NewDecoder(bytes.NewReader(out)); dec.More(); {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := dec.Decode(&p); err != nil {
			t.Fatal(err)
		}
		packages[p.ImportPath] = p.Imports
	}
	return packages
}
