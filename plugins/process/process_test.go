//go:build unix

package process_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/rosey-bot/rosey/internal/retry"
	"github.com/rosey-bot/rosey/plugins/process"
)

// timeout is how long a test waits for what should happen soon.
const timeout = 2 * time.Minute

// logBuffer is a log that can be read while it is written.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// shell is a command that runs a script.
func shell(t *testing.T, log io.Writer, script string) process.Command {
	t.Helper()
	return process.Command{
		Plugin: "greeter", Args: []string{"sh", "-c", script}, Dir: t.TempDir(), Log: slog.New(slog.NewTextHandler(log, nil)),
		Env: process.Environment("nats://127.0.0.1:1", "", "greeter", nil),
	}
}

func start(t *testing.T, c process.Command) *process.Process {
	t.Helper()
	p, err := process.Start(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Kill(); _ = p.Wait() })
	return p
}

func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(timeout); !done(); {
		if time.Now().After(deadline) {
			t.Fatalf("still not: %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func alive(pid int) bool {
	if stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); err == nil && bytes.Contains(stat, []byte(") Z ")) {
		return false
	}
	return syscall.Kill(pid, 0) == nil
}

func readPID(t *testing.T, path string) (pid int) {
	t.Helper()
	eventually(t, path+" holds a number", func() bool {
		text, _ := os.ReadFile(path)
		n, err := strconv.Atoi(strings.TrimSpace(string(text)))
		pid = n
		return err == nil
	})
	return pid
}

// Whatever a program writes, the log gets lines that can be read, and not too many.
func TestOutput(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		script string
		want   []string
		tail   string // of stderr
	}{
		"lines":         {`echo one; echo two >&2; printf three`, []string{"line=one", "stream=stderr line=two", "line=three"}, "two"},
		"binary":        {`head -c 300000 /dev/urandom; printf '\033[2J\000\377\n' >&2`, []string{`\x1b[2J\x00\xff`}, `\x1b[2J\x00\xff`},
		"a long line":   {`head -c 5000000 /dev/zero | tr '\0' x; echo; echo end`, []string{"xxx…", "line=end"}, ""},
		"many lines":    {`yes | head -n 100000; exit 3`, []string{"too much of it"}, ""},
		"nothing":       {`true`, nil, ""},
		"windows lines": {`printf 'a\r\nb\r\n'`, []string{"line=a\n", "line=b\n"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log logBuffer
			p := start(t, shell(t, &log, c.script))
			_ = p.Wait()
			text := log.String()
			for _, want := range c.want {
				if !strings.Contains(text, want) {
					t.Errorf("the log lacks %q: %.2000s", want, text)
				}
			}
			if len(text) > 2_000_000 || !utf8.ValidString(text) || strings.ContainsAny(text, "\x1b\x00") {
				t.Errorf("the log has %d bytes, valid %t", len(text), utf8.ValidString(text))
			}
			if tail := strings.Join(p.Tail(), "|"); tail != c.tail {
				t.Errorf("the last lines are %q", tail)
			}
		})
	}
}

// A program gets what it needs, and nothing else that this process has.
func TestEnvironment(t *testing.T) {
	t.Setenv("ROSEY_PASSWORD", "secret")
	t.Setenv("TRACEPARENT", "00-1-2-01")
	env := strings.Join(process.Environment("nats://here:1", "/x.creds", "greeter", map[string]string{"GREETING": "hi"}), "\n")
	for _, want := range []string{"NATS_URL=nats://here:1", "NATS_CREDS=/x.creds", "ROSEY_PLUGIN=greeter", "GREETING=hi", "PATH="} {
		if !strings.Contains(env, want) {
			t.Errorf("the environment lacks %s", want)
		}
	}
	if strings.Contains(env, "secret") || strings.Contains(env, "TRACEPARENT") {
		t.Errorf("the environment is\n%s", env)
	}
}

// A command that cannot be run is reported with what to do about it.
func TestCommandsThatCannotRun(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "plain.js"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, c := range map[string]process.Command{
		"there is no program nodejs-of-nobody in PATH": {Args: []string{"nodejs-of-nobody"}},
		"there is no program " + dir + "/gone":         {Args: []string{"./gone"}, Dir: dir},
		"may not be executed: chmod +x it":             {Args: []string{"./plain.js"}, Dir: dir},
		"there is no folder /nowhere":                  {Args: []string{"sh"}, Dir: "/nowhere"},
		"the command is empty":                         {},
	} {
		if _, err := process.Start(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	for line, want := range map[string]string{"": "is empty", "node 'x": "is not a command"} {
		if _, err := process.Split(line); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", line, err)
		}
	}
	if args, err := process.Split(`node "my greeter.js" --loud`); err != nil || len(args) != 3 || args[1] != "my greeter.js" {
		t.Errorf("%q, %v", args, err)
	}
}

// A program is asked to end before it is killed, and nothing that it started is left.
func TestStopEndsEverything(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		script string
		log    string
	}{
		"ends when asked":  {`trap 'echo bye; exit 0' TERM; echo $$ >child; while :; do sleep 0.05; done`, "line=bye"},
		"never ends":       {`trap '' TERM; echo $$ >child; while :; do sleep 0.05; done`, "did not end in time, killed"},
		"forks":            {`sleep 1000 & echo $! >child; trap 'exit 0' TERM; while :; do sleep 0.05; done`, ""},
		"ends, child goes": {`sleep 1000 & echo $! >child`, ""},
		"leaves its group": {`setsid sh -c 'trap "" TERM; echo $$ >child; while :; do sleep 0.05; done' & trap 'exit 0' TERM; while :; do sleep 0.05; done`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if runtime.GOOS != "linux" && strings.HasPrefix(name, "leaves") {
				t.Skip("what left its group is found on Linux only")
			}
			var log logBuffer
			command := shell(t, &log, c.script)
			p := start(t, command)
			child := readPID(t, filepath.Join(command.Dir, "child"))
			p.Stop(time.Second)
			eventually(t, "the child ended", func() bool { return !alive(child) })
			if !strings.Contains(log.String(), c.log) {
				t.Errorf("the log lacks %q: %s", c.log, &log)
			}
		})
	}
}

// A program that uses more memory than it may is ended, and the reason is known.
func TestMemory(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("memory is limited on Linux only")
	}
	for name, c := range map[string]struct{ script, want string }{
		"one process":  {`x=x; while :; do x=$x$x; done`, "its memory was limited to 100 MB"},
		"many of them": {`for i in 1 2 3 4 5 6 7 8; do sh -c 'x=$(head -c 20000000 /dev/zero | tr "\0" x); sleep 1000' & done; sleep 1000`, "more than its limit of 100 MB"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			command := shell(t, io.Discard, c.script)
			command.Memory = 100_000_000
			p := start(t, command)
			select {
			case <-p.Ended():
				if err := p.Wait(); !strings.Contains(err.Error(), c.want) {
					t.Errorf("%v, %q", err, p.Tail())
				}
			case <-time.After(timeout):
				t.Fatal("it still runs")
			}
		})
	}
}

// A program that an earlier process left behind is ended before it is started anew.
func TestLeftBehind(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("found on Linux only")
	}
	left := exec.Command("sleep", "1000")
	left.Env = []string{"ROSEY_PROCESS=" + t.Name()}
	if err := left.Start(); err != nil {
		t.Fatal(err)
	}
	command := shell(t, io.Discard, "sleep 1000")
	command.ID = t.Name()
	start(t, command)
	if err := left.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("it ended with %v", err)
	}
}

// supervise runs a supervisor until the test ends.
func supervise(t *testing.T, s *process.Supervisor) (stop func()) {
	t.Helper()
	s.Backoff = retry.Policy{Initial: time.Millisecond, Max: time.Millisecond}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { s.Run(ctx); close(done) }()
	stop = func() { cancel(); <-done }
	t.Cleanup(stop)
	return stop
}

// A program that ends is started again, whatever its exit status, and its state says why it ended.
func TestSupervisorKeepsItGoing(t *testing.T) {
	t.Parallel()
	s := &process.Supervisor{Command: shell(t, io.Discard, `echo no luck >&2; exit 7`)}
	stop := supervise(t, s)
	eventually(t, "restarted", func() bool { return s.State().Restarts > 2 })
	eventually(t, "it waits", func() bool {
		st := s.State()
		return st.LastExit == "it ended with exit status 7" && strings.Join(st.Output, "") == "no luck" && st.Since.After(time.Time{})
	})
	stop()
	if st := s.State(); st.State != process.Stopped || st.PID != 0 {
		t.Errorf("%+v", st)
	}
}

// A command that is not there is tried again, and starts once it is.
func TestSupervisorWaitsForTheCommand(t *testing.T) {
	t.Parallel()
	var log logBuffer
	command := shell(t, &log, "")
	command.Args = []string{"./late"}
	s := &process.Supervisor{Command: command}
	supervise(t, s)
	eventually(t, "said so", func() bool { return strings.Contains(s.State().LastExit, "there is no program") })
	late := filepath.Join(command.Dir, "new")
	if err := os.WriteFile(late, []byte("#!/bin/sh\nsleep 1000\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(late, filepath.Join(command.Dir, "late")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "runs", func() bool { return s.State().State == process.Running })
}

// A changed file restarts the program, if it is watched.
func TestSupervisorRestartsOnChange(t *testing.T) {
	t.Parallel()
	command := shell(t, io.Discard, "echo $$ >.pid; sleep 1000")
	s := &process.Supervisor{Command: command, Watch: true}
	supervise(t, s)
	eventually(t, "runs", func() bool { return s.State().State == process.Running })
	first := s.State().PID
	eventually(t, "restarted", func() bool {
		if err := os.WriteFile(filepath.Join(command.Dir, "greeter.js"), []byte(time.Now().String()), 0o600); err != nil {
			t.Fatal(err)
		}
		time.Sleep(300 * time.Millisecond)
		st := s.State()
		return st.State == process.Running && st.PID != first
	})
	if alive(first) {
		t.Error("the first process still runs")
	}
}
