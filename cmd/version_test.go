package cmd

import (
	"encoding/json"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/rosey-bot/rosey/internal/version"
)

func TestVersion(t *testing.T) {
	t.Parallel()
	var b version.Build
	r := rosey(t, "", "version", "--output", "json")
	if err := json.Unmarshal([]byte(r.stdout), &b); err != nil || r.code != 0 || b.Go != runtime.Version() || b.Server == "" && b.Version == "" {
		t.Errorf("as JSON: %v, %+v", err, r)
	}
	if r := rosey(t, "", "version"); r.code != 0 || !strings.HasPrefix(r.stdout, "rosey "+b.Version+" for ") || !strings.Contains(r.stdout, "nats-server") {
		t.Errorf("as text: %+v", r)
	}
}

func TestHelp(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"help": "rosey - a CyTube chat bot", "--help": "rosey - a CyTube chat bot", "help replay": "rosey replay - what happened", "help plugin pause": "rosey plugin pause - ",
	} {
		if r := rosey(t, "", strings.Fields(line)...); r.code != 0 || !strings.Contains(r.stdout, want) {
			t.Errorf("rosey %s: %+v", line, r)
		}
	}
}

// A shell is told what could come next, and packagers get a page of it all.
func TestCompletion(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args, want string
	}{
		{"", "replay"}, {"plugin", "creds"}, {"replay --su", "--summary"}, {"--store x plugin", "resume"},
	} {
		if r := rosey(t, "", append(strings.Fields(c.args), completeFlag)...); r.code != 0 || !strings.Contains("\n"+r.stdout, "\n"+c.want+"\n") {
			t.Errorf("after %q: %+v", c.args, r)
		}
	}
	for shell, want := range map[string]string{"bash": "complete -o default -F _rosey rosey", "zsh": "#compdef rosey", "fish": "complete -c rosey -a"} {
		if r := rosey(t, "", "completion", shell); r.code != 0 || !strings.Contains(r.stdout, want) {
			t.Errorf("for %s: %+v", shell, r)
		}
	}
	if r := rosey(t, "", "completion", "tcsh"); r.code != 2 || !strings.Contains(r.stderr, "not for \"tcsh\"") {
		t.Errorf("for another shell: %+v", r)
	}
	if r := rosey(t, "", "man"); r.code != 0 || !strings.Contains(r.stdout, ".TH rosey 1") || !strings.Contains(r.stdout, "creds") {
		t.Errorf("the manual page: %+v", r)
	}
}

// The shells that are here take their scripts, and those complete with what the
// program says.
func TestCompletionInShells(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	onPath(t, dir)
	for shell, c := range map[string]struct{ ask, want string }{
		"bash": {`COMP_WORDS=(rosey plugin re) COMP_CWORD=2; _rosey; echo "${COMPREPLY[@]}"
			COMP_WORDS=(rosey replay --summ) COMP_CWORD=2; _rosey; echo "${COMPREPLY[@]}"`, "restart resume\n--summary\n"},
		// Without a terminal zsh completes nothing: this is what it would be given.
		"zsh": {`words=(rosey plugin re) CURRENT=3; _rosey; words=(rosey replay --summ) CURRENT=3; _rosey`, "ls run restart pause resume rm creds new\n--summary\n"},
		"fish": {`complete -C 'rosey plugin res'; complete -C 'rosey replay --summ'`,
			"restart\nresume\n--summary\n"},
	} {
		t.Run(shell, func(t *testing.T) {
			t.Parallel()
			program, err := exec.LookPath(shell)
			if err != nil {
				t.Skipf("there is no %s", shell)
			}
			before := ""
			if shell == "zsh" {
				before = "compdef() {}; _files() {}; compadd() { shift; echo ${(P)1} }\n"
			}
			cmd := exec.Command(program, "-c", before+completions[shell]+c.ask)
			cmd.Dir, cmd.Env = dir, append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"))
			out, err := cmd.CombinedOutput()
			if err != nil || string(out) != c.want {
				t.Errorf("it completes with %q, not %q: %v", out, c.want, err)
			}
		})
	}
}
