// Package process runs plugins that are programs of their own: it starts them, takes
// their output into the log, keeps them going, and ends them with all that they started.
package process

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kballard/go-shellquote"
)

// Command is a program to run.
type Command struct {
	Plugin string   // its name, for the log
	Args   []string // the program and its arguments; no shell reads them
	Dir    string   // where it runs; where this process runs if empty
	Env    []string // its whole environment; see Environment
	// Memory is how many bytes the program and what it starts may use; 0 is no limit.
	Memory int64
	// ID, if set, is the same for every start of the command, and no other command's: Start
	// then ends first what an earlier process has left running.
	ID string
	// Log gets what the program writes, and slog.Default if nil.
	Log *slog.Logger
}

// Split reads a command line as a shell does, with quotes, but starts none: it knows no
// variables, pipes or patterns.
func Split(line string) ([]string, error) {
	args, err := shellquote.Split(line)
	if err != nil {
		return nil, fmt.Errorf("%q is not a command: %w", line, err)
	}
	if len(args) == 0 {
		return nil, errors.New("the command is empty: write for example node ./greeter.js")
	}
	return args, nil
}

// Variables of a plugin's environment that are Rosey's own.
const (
	NameVariable = "ROSEY_PLUGIN"  // the name that the plugin registers under
	IDVariable   = "ROSEY_PROCESS" // Command.ID, by which processes are found that left its group
)

// inherited are the variables of this process that a plugin gets. The others are not its
// business: passwords may be among them.
var inherited = []string{"PATH", "HOME", "USER", "LANG", "TZ", "TMPDIR", "SYSTEMROOT", "TEMP", "TMP"}

// Environment returns the environment of a plugin that finds the server at url with a
// file of credentials, "" for none, and registers under a name.
func Environment(url, creds, plugin string, extra map[string]string) []string {
	all := map[string]string{}
	for _, pair := range os.Environ() {
		if name, value, _ := strings.Cut(pair, "="); slices.Contains(inherited, name) || strings.HasPrefix(name, "LC_") {
			all[name] = value
		}
	}
	all["NATS_URL"], all[NameVariable] = url, plugin
	if creds != "" {
		all["NATS_CREDS"] = creds
	}
	maps.Copy(all, extra)
	env := make([]string, 0, len(all))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		env = append(env, name+"="+all[name])
	}
	return env
}

// Check returns an error that says what to do if the program or its folder is not there.
func (c Command) Check() error {
	if len(c.Args) == 0 {
		return errors.New("the command is empty: write for example node ./greeter.js")
	}
	if c.Dir != "" {
		if info, err := os.Stat(c.Dir); err != nil || !info.IsDir() {
			return fmt.Errorf("there is no folder %s to run %s in", c.Dir, c.Args[0])
		}
	}
	_, err := c.program()
	return err
}

// program returns the path of the program. A relative one with a slash begins in Dir.
func (c Command) program() (string, error) {
	name := c.Args[0]
	if strings.ContainsRune(name, filepath.Separator) && !filepath.IsAbs(name) {
		dir, err := filepath.Abs(c.Dir)
		if err != nil {
			return "", fmt.Errorf("find %s: %w", name, err)
		}
		name = filepath.Join(dir, name)
	}
	path, err := exec.LookPath(name)
	switch {
	case err == nil:
		return path, nil
	case errors.Is(err, os.ErrPermission):
		return "", fmt.Errorf("%s may not be executed: chmod +x it, or name what runs it, as in node %s", name, c.Args[0])
	case name == c.Args[0]:
		return "", fmt.Errorf("there is no program %s in PATH: install it, or name it by its path", name)
	}
	return "", fmt.Errorf("there is no program %s", name)
}
