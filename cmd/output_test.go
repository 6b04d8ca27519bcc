package cmd

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rosey-bot/rosey/streams/streamstest"
)

// A command whose output nobody reads any longer, as of head, ends and leaves its store in
// order.
func TestOutputToAClosedPipe(t *testing.T) {
	t.Parallel()
	streamstest.Slow(t, "a bot of its own")
	store := t.TempDir()
	if r := rosey(t, "alice: hello\n", "run", "--local", "--store", store); r.code != exitOK {
		t.Fatalf("%+v", r)
	}
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { writer.Close() })
	reader.Close()
	cmd := program(t.Context(), t, "channel", "show", "--store", store)
	var stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = writer, &stderr
	if err := cmd.Run(); err != nil || stderr.Len() > 0 {
		t.Errorf("%v, %s", err, stderr.String())
	}
	if holders, _ := filepath.Glob(filepath.Join(store, "holder")); holders != nil {
		t.Error("the store is left as by a crash")
	}
}

// What a full disk does not take is missed, whatever command writes it.
func TestOutputToAFullDisk(t *testing.T) {
	t.Parallel()
	streamstest.Slow(t, "runs dozens of commands")
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
