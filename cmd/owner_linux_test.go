package cmd

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/rosey-bot/rosey/streams/streamstest"
)

// A store that another user keeps to themselves is no damaged one.
func TestStoreOfAnotherUser(t *testing.T) {
	t.Parallel()
	streamstest.Slow(t, "runs commands as another user")
	store := t.TempDir()
	if r := rosey(t, "hi\n", "run", "--local", "--store", store); r.code != 0 {
		t.Fatalf("%+v", r)
	}
	stranger := func(args ...string) result {
		t.Helper()
		var stdout, stderr bytes.Buffer
		// Others may not look into the directory of the test's binary, either.
		cmd := exec.CommandContext(soon(t), "/proc/self/exe", append(args, "--store", store)...)
		cmd.Env, cmd.Dir = append(os.Environ(), "ROSEY_TEST_MAIN=1", "XDG_CONFIG_HOME=/nowhere"), "/"
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		if os.Geteuid() == 0 {
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		}
		if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
			t.Fatal(err)
		}
		return result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
	}
	for _, dir := range []string{filepath.Dir(store), store} {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, place := range []string{store, filepath.Join(store, "lock"), filepath.Join(store, "server.json")} {
		info, err := os.Stat(place)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(place, 0); err != nil {
			t.Fatal(err)
		}
		for _, args := range [][]string{{"status"}, {"replay", "--since", "1h"}, {"send", "hello"}, {"doctor"}} {
			r := stranger(args...)
			if out := r.stdout + r.stderr; r.code != exitFailed || strings.Count(out, "with sudo") != 1 || strings.Contains(out, "damaged") || strings.Contains(out, "--nats") {
				t.Errorf("%s, rosey %s: %+v", place, strings.Join(args, " "), r)
			}
		}
		if err := os.Chmod(place, info.Mode()); err != nil {
			t.Fatal(err)
		}
	}
}
