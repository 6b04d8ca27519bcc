package cmd

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rosey-bot/rosey/internal/retry"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/plugins/shipped"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// TestMain lets the test binary be the program itself.
func TestMain(m *testing.M) {
	if asked, err := crashServer(os.Args); asked {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(exitFailed)
	}
	if os.Getenv("ROSEY_TEST_MAIN") == "plugin" {
		os.Exit(execute(context.Background(), []plugins.Plugin{greeter()}, []string{"rosey", "plugin", "run"}, os.Stdin, os.Stdout, os.Stderr))
	}
	if os.Getenv("ROSEY_TEST_MAIN") == "all" {
		_ = os.Setenv("ROSEY_TEST_MAIN", "1") // for the programs that a command starts
		os.Exit(executeAll(os.Stdin, os.Stdout))
	}
	if os.Getenv("ROSEY_TEST_MAIN") == "1" {
		os.Exit(execute(context.Background(), shipped.All(), os.Args, os.Stdin, os.Stdout, os.Stderr))
	}
	// With the race detector, a process sleeps for a second before it exits, and
	// the tests run hundreds of them.
	if os.Getenv("GORACE") == "" {
		_ = os.Setenv("GORACE", "atexit_sleep_ms=0")
	}
	code := m.Run()
	endIdleCommands()
	os.Exit(code)
}

// program is a run of the program, which is a process so that tests can kill it like
// the real one: the one that make test built, without the race detector, or else
// this test binary.
func program(ctx context.Context, t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	exe := os.Getenv("ROSEY_TEST_PROGRAM")
	if exe == "" {
		exe = self(t)
	}
	cmd := exec.CommandContext(ctx, exe, args...)
	cmd.Env = append(os.Environ(), "ROSEY_TEST_MAIN=1")
	return cmd
}

// self is the test binary.
func self(t testing.TB) string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return exe
}

// testPatience is how long a test waits for anything, on a machine that does much else.
const testPatience = 4 * time.Minute

// outcome is what a command line must give.
type outcome struct {
	args []string
	code int
	says string // on stdout, or on stderr when it fails
}

// expect runs the command lines, each with more arguments, and compares what they give.
func expect(t *testing.T, outcomes []outcome, more ...string) {
	t.Helper()
	for _, want := range outcomes {
		got := rosey(t, "", append(slices.Clip(want.args), more...)...)
		out := got.stdout
		if want.code != 0 {
			out += got.stderr
		}
		if got.code != want.code || !strings.Contains(out, want.says) {
			t.Errorf("rosey %s: %+v; want exit code %d and %q", strings.Join(want.args, " "), got, want.code, want.says)
		}
	}
}

// until waits for a condition, or for ctx to end. It looks often at first, and after a while less so,
// as a look may take a command.
func until(ctx context.Context, ok func() bool) error {
	return retry.Do(ctx, retry.Policy{Initial: 10 * time.Millisecond, Max: 200 * time.Millisecond}, func(context.Context) error {
		if !ok() {
			return errors.New("the condition does not hold")
		}
		return nil
	})
}

// process is the program as a process of its own.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	lines  chan string // of stdout
	stderr lockedBuffer
	wait   func() error
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string { l.mu.Lock(); defer l.mu.Unlock(); return l.b.String() }

func start(t *testing.T, args ...string) *process {
	t.Helper()
	return startWith(t, nil, args...)
}

// startWith is start with further environment variables, as NAME=value. Under -short it skips the
// test: a few seconds for each are minutes for all.
func startWith(t *testing.T, env []string, args ...string) *process {
	t.Helper()
	streamstest.Slow(t, "a bot of its own")
	p := &process{t: t, cmd: program(context.Background(), t, args...), lines: make(chan string, 1000)}
	p.cmd.Env = append(p.cmd.Env, env...)
	p.cmd.Stderr = &p.stderr
	var err error
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		defer close(p.lines)
		for s := bufio.NewScanner(stdout); s.Scan(); {
			p.lines <- s.Text()
		}
	}()
	p.wait = sync.OnceValue(func() error { <-read; return p.cmd.Wait() })
	t.Cleanup(func() { p.cmd.Process.Kill(); _ = p.wait() })
	return p
}

func (p *process) say(line string) {
	p.t.Helper()
	if _, err := io.WriteString(p.stdin, line+"\n"); err != nil {
		p.t.Fatal(err)
	}
}

// expect waits for a line of stdout that matches.
func (p *process) expect(pattern string) string {
	p.t.Helper()
	re := regexp.MustCompile(pattern)
	deadline := time.After(testPatience)
	var printed []string
	for {
		select {
		case line, ok := <-p.lines:
			if !ok {
				p.t.Fatalf("the program ended before it printed %s, but printed %q\n%s", pattern, printed, p.stderr.String())
			}
			if re.MatchString(line) {
				return line
			}
			printed = append(printed, line)
		case <-deadline:
			p.t.Fatalf("the program did not print %s, but %q\n%s", pattern, printed, p.stderr.String())
		}
	}
}

func (p *process) kill() {
	p.t.Helper()
	if err := p.cmd.Process.Kill(); err != nil {
		p.t.Fatal(err)
	}
	_ = p.wait()
}

// interrupt ends the program as Ctrl-C does and returns its exit code.
func (p *process) interrupt() int {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGINT); err != nil {
		p.t.Fatal(err)
	}
	_ = p.wait()
	return p.cmd.ProcessState.ExitCode()
}
