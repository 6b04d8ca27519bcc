package cmd

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

// What a full disk does not take is missed, whatever command writes it.
func TestOutputToAFullDisk(t *testing.T) {
	t.Parallel()
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { full.Close() })
	store := t.TempDir()
	bot := start(t, "run", "--local", "--store", store)
	bot.say("hi")
	bot.expect("^operator: hi")
	for _, line := range []string{
		"--help", "version", "version --output json", "man", "completion bash", "console hash", "status", "status --output env", "db set quotes 1 {}",
		"db ls", "db get quotes 1", "db query quotes", "db history quotes 1", "plugin ls", "dead ls", "replay --since 1h",
	} {
		cmd := program(t.Context(), t, append([]string{"--store", store}, strings.Fields(line)...)...)
		var stderr bytes.Buffer
		cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader("secret"), full, &stderr
		if err := cmd.Run(); cmd.ProcessState.ExitCode() != exitFailed || strings.Count(stderr.String(), "no space left on device") != 1 {
			t.Errorf("rosey %s: %v, %q", line, err, stderr.String())
		}
	}
}
