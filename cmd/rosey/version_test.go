package main

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func TestVersion(t *testing.T) {
	t.Parallel()
	var b buildInfo
	r := rosey(t, "", "version", "--output", "json")
	if err := json.Unmarshal([]byte(r.stdout), &b); err != nil || r.code != 0 || b.Go != runtime.Version() || b.Server == "" && b.Version == "" {
		t.Errorf("as JSON: %v, %+v", err, r)
	}
	if r := rosey(t, "", "version"); r.code != 0 || !strings.HasPrefix(r.stdout, "rosey "+b.Version+" for ") || !strings.Contains(r.stdout, "nats-server") {
		t.Errorf("as text: %+v", r)
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
	for shell, want := range map[string]string{"bash": "complete -o default -F _rosey rosey", "zsh": "#compdef rosey", "fish": "complete -c rosey"} {
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
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("there is no bash")
	}
	dir := t.TempDir()
	if out, err := exec.Command(bash, "-c", `printf '#!/bin/sh\nprintf "%%s\\n" ls pause resume restart\n' > "$0/rosey" && chmod +x "$0/rosey"`, dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	script := completions["bash"] + `COMP_WORDS=("$0/rosey" plugin re) COMP_CWORD=2; _rosey; echo "${COMPREPLY[@]}"`
	out, err := exec.Command(bash, "-c", script, filepath.ToSlash(dir)).CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != "resume restart" {
		t.Errorf("bash completes with %q, %v", out, err)
	}
}
