package cmd

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
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
	os.Exit(m.Run())
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

// result is what one run of the program gave.
type result struct {
	code           int
	stdout, stderr string
}

// executeAll runs one command line after the other in this process: each is a
// JSON array of a line, and its result one of the same.
func executeAll(in io.Reader, out io.Writer) int {
	dec, enc := json.NewDecoder(in), json.NewEncoder(out)
	for {
		var args []string
		if err := dec.Decode(&args); err != nil {
			return exitOK
		}
		var stdout, stderr bytes.Buffer
		code := execute(context.Background(), shipped.All(), append([]string{"rosey"}, args...), strings.NewReader(""), &stdout, &stderr)
		if err := enc.Encode([]any{code, stdout.Bytes(), stderr.Bytes()}); err != nil {
			return exitFailed
		}
	}
}

// roseyAll runs many command lines in one process, which is quicker than a
// process for each, and with the race detector where the tests have it.
func roseyAll(t *testing.T, lines [][]string) (results []result) {
	t.Helper()
	var in, stdout, stderr bytes.Buffer
	for _, line := range lines {
		b, err := json.Marshal(line)
		if err != nil {
			t.Fatal(err)
		}
		in.Write(append(b, '\n'))
	}
	ctx, cancel := context.WithTimeout(t.Context(), testPatience)
	defer cancel()
	cmd := exec.CommandContext(ctx, self(t))
	cmd.Env = append(os.Environ(), "ROSEY_TEST_MAIN=all")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = &in, &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	for dec := json.NewDecoder(&stdout); dec.More(); {
		var one struct {
			code           int
			stdout, stderr []byte
		}
		if err := dec.Decode(&[]any{&one.code, &one.stdout, &one.stderr}); err != nil {
			t.Fatal(err)
		}
		results = append(results, result{one.code, string(one.stdout), string(one.stderr)})
	}
	if len(results) != len(lines) {
		t.Fatalf("%d of %d command lines ended\n%s", len(results), len(lines), stderr.String())
	}
	return results
}

// rosey runs the program to its end. It is a process of its own because the
// command line's parser keeps its help flag in a variable of the package.
func rosey(t *testing.T, stdin string, args ...string) result {
	t.Helper()
	return roseyWith(t, nil, stdin, args...)
}

// roseyWith is rosey with more variables in its environment.
func roseyWith(t *testing.T, env []string, stdin string, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testPatience)
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := program(ctx, t, args...)
	cmd.Env = append(cmd.Env, env...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &stdout, &stderr
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
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

// until waits for a condition, or for ctx to end.
func until(ctx context.Context, ok func() bool) error {
	return retry.Do(ctx, retry.Every(10*time.Millisecond), func(context.Context) error {
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

// startWith is start with further environment variables, as NAME=value.
func startWith(t *testing.T, env []string, args ...string) *process {
	t.Helper()
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

func TestLocalRoomThroughAPipe(t *testing.T) {
	t.Parallel()
	r := rosey(t, "!roll 2d6+3\nalice: !roll banana\n!nonsense\nhello\n", "run", "--local", "--store", t.TempDir())
	if r.code != 0 {
		t.Fatalf("exit code %d\n%s", r.code, r.stderr)
	}
	for _, want := range []string{
		`(?m)^operator: !roll 2d6\+3$`, `(?m)^rosey: 🎲 Rolled 2d6\+3: \[\d, \d\] \+ 3 = \d+$`,
		`(?m)^alice: !roll banana$`, `(?m)^rosey: ❌ I cannot read "banana"`, `(?m)^operator: hello$`,
	} {
		if !regexp.MustCompile(want).MatchString(r.stdout) {
			t.Errorf("%s is not in the output:\n%s", want, r.stdout)
		}
	}
	if n := strings.Count(r.stdout, "\n"); n != 6 {
		t.Errorf("%d lines, want the 4 that were typed and 2 answers:\n%s", n, r.stdout)
	}
}

// Killed in mid-conversation, the bot loses nothing that it had stored, and goes
// on where it was.
func TestKillLosesNothing(t *testing.T) {
	t.Parallel()
	store := t.TempDir()
	p := start(t, "run", "--local", "--store", store)
	p.say("!roll 1d6")
	p.expect("^rosey: 🎲")
	p.say("remember me")
	p.expect("^operator: remember me")
	waitStored(t, store, "remember me")
	p.kill()
	r := rosey(t, "!roll 2d6\n", "run", "--local", "--store", store)
	if r.code != 0 || !strings.Contains(r.stdout, "Rolled 2d6") {
		t.Fatalf("after the kill: exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	said := replayed(t, store)
	for _, want := range []string{"!roll 1d6", "remember me", "!roll 2d6", "Rolled d6", "Rolled 2d6"} {
		if strings.Count(said, want) == 0 {
			t.Errorf("%q is not in the replay:\n%s", want, said)
		}
	}
}

func replayed(t *testing.T, store string) string {
	t.Helper()
	r := rosey(t, "", "replay", "--since", "1h", "--output", "json", "--store", store)
	if r.code != 0 {
		t.Fatalf("replay: exit code %d\n%s", r.code, r.stderr)
	}
	return r.stdout
}

func waitStored(t *testing.T, store, text string) {
	t.Helper()
	deadline := time.Now().Add(testPatience)
	for !strings.Contains(replayed(t, store), text) {
		if time.Now().After(deadline) {
			t.Fatalf("%q was not stored", text)
		}
	}
}

func TestStatus(t *testing.T) {
	t.Parallel()
	store := t.TempDir()
	if r := rosey(t, "", "status", "--store", filepath.Join(store, "none")); r.code != 1 || !strings.Contains(r.stderr, "rosey run") {
		t.Errorf("without a store: %+v", r)
	}
	p := start(t, "run", "--local", "--store", store)
	p.say("hi")
	p.expect("^operator: hi")
	r := rosey(t, "", "--store", store, "status", "--output", "json")
	var s fullStatus
	if err := json.Unmarshal([]byte(r.stdout), &s); err != nil || r.code != 0 || !s.Ready || s.Bot.Channel != "local" || len(s.Streams) < 6 {
		t.Errorf("status of a running bot: %v, %+v", err, r)
	}
	if r := rosey(t, "", "status", "--store", store); r.code != 0 || !strings.Contains(r.stdout, "ready: in channel local") || !strings.Contains(r.stdout, "CYTUBE") {
		t.Errorf("as text: %+v", r)
	}
	if r := rosey(t, "", "send", "--store", store, "good", "evening"); r.code != 0 {
		t.Errorf("send: %+v", r)
	}
	p.expect("^rosey: good evening$")
	// What the NATS CLI is told by --output env must not lead rosey itself astray.
	env := rosey(t, "", "status", "--output", "env", "--store", store)
	m := regexp.MustCompile(`NATS_URL='([^']+)'`).FindStringSubmatch(env.stdout)
	if m == nil {
		t.Fatalf("status --output env: %+v", env)
	}
	if r := roseyWith(t, []string{"NATS_URL=" + m[1]}, "", "status", "--store", store); r.code != 0 {
		t.Errorf("with NATS_URL in the environment: %+v", r)
	}
	if code := p.interrupt(); code != 0 {
		t.Errorf("Ctrl-C: exit code %d\n%s", code, p.stderr.String())
	}
	if r := rosey(t, "", "status", "--store", store); r.code != 1 || !strings.Contains(r.stdout, "NOT ready") {
		t.Errorf("of a stopped bot: %+v", r)
	}
	if said := replayed(t, store); !strings.Contains(said, `"reason":"user_requested"`) || !strings.Contains(said, "platform.startup") {
		t.Errorf("the bot's start and end are not in the replay:\n%s", said)
	}
}

// Each mistake gets one line that says what to do.
func TestMistakes(t *testing.T) {
	streamstest.Slow(t, "runs dozens of commands")
	t.Parallel()
	dir := t.TempDir()
	broken := filepath.Join(dir, "broken.yaml")
	if err := os.WriteFile(broken, []byte("prefix: '!'\nheartbeet: 5s\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	taken := l.Addr().String()
	held := start(t, "run", "--local", "--store", filepath.Join(dir, "held"))
	held.say("hi")
	held.expect("^operator: hi")
	for _, c := range mistakenCommands(dir, broken, taken) {
		r := rosey(t, "", c.args...)
		if r.code != c.code || !strings.Contains(r.stderr, c.says) || strings.Count(strings.TrimSpace(r.stderr), "\n") > 6 {
			t.Errorf("rosey %s: exit code %d, stderr %q; want %d and %q", strings.Join(c.args, " "), r.code, r.stderr, c.code, c.says)
		}
	}
}

// mistakenCommands lists command lines that cannot work, with what each says on stderr.
func mistakenCommands(dir, broken, taken string) []outcome {
	return []outcome{
		{[]string{"run", "--local", "--store", filepath.Join(dir, "held")}, 1, "is held by rosey run (pid"},
		{[]string{"run", "--config", broken}, 2, "heartbeet"},
		{[]string{"run", "--config", filepath.Join(dir, "none.yaml")}, 2, "none.yaml"},
		{[]string{"run", "--heartbeat", "soon"}, 2, `"soon" is not a duration`},
		{[]string{"run", "--plugins", "nonsense"}, 2, `no shipped plugin "nonsense"`},
		{[]string{"run", "hello"}, 2, "takes no arguments"},
		{[]string{"run", "--nonsense"}, 2, "nonsense"},
		{[]string{"run", "--prefix", " "}, 2, "prefix"},
		{[]string{"run", "--local", "--prefix", "hey rosey"}, 2, `the prefix "hey rosey"`},
		{[]string{"run", "--channel", "bad name!"}, 2, `"bad name!" is no channel`},
		{[]string{"run", "--channel", "#lounge"}, 2, `"#lounge" is no channel`},
		{[]string{"run", "--store", filepath.Join(dir, "nobody")}, 2, "there is nobody to type: set --channel"},
		{[]string{"replay", "--since", "1h", "--channel", "bad name!", "--store", filepath.Join(dir, "held")}, 1, "no event matches"},
		{[]string{"plugin", "pause"}, 2, "rosey plugin pause NAME"},
		{[]string{"audit", "seal", "--store", filepath.Join(dir, "held")}, 2, "rosey audit seal FILE"},
		{[]string{"plugin", "run", "trivia", "--nats", "nats://127.0.0.1:1", "--creds", filepath.Join(dir, "none.creds")}, 1, "none.creds"},
		{[]string{"plugin", "run", "trivia", "--nats", "nats://127.0.0.1:1", "--tlsca", filepath.Join(dir, "none.pem")}, 1, "none.pem"},
		{[]string{"run", "--log-level", "loud"}, 2, "loud"},
		{[]string{"nonsense"}, 2, `there is no command "rosey nonsense": see rosey --help`},
		{[]string{"plugin", "nonsense"}, 2, `there is no command "rosey plugin nonsense": see rosey plugin --help`},
		{[]string{"statsu"}, 2, `there is no command "rosey statsu": did you mean rosey status? see rosey --help`},
		{[]string{"lint", "--help"}, 2, `there is no command "rosey lint": see rosey --help`},
		{[]string{"help", "plugin", "lint"}, 2, `there is no command "rosey plugin lint": see rosey plugin --help`},
		{[]string{"audit", "seall"}, 2, `there is no command "rosey audit seall": did you mean rosey audit seal? see rosey audit --help`},
		{[]string{"status", "--output", "xml"}, 2, "choose text, json or env"},
		{[]string{"send", "--store", filepath.Join(dir, "s")}, 1, "no bot is running"},
		{[]string{"replay", "--since", "1h", "--store", filepath.Join(dir, "s")}, 1, "there is no store"},
		{[]string{"replay", "--since", "soon", "--store", filepath.Join(dir, "s")}, 2, `"soon" is not a time`},
		{[]string{"replay", "--since", "1h", "--until", "2h", "--store", filepath.Join(dir, "s")}, 2, "the start must be before the end"},
		{[]string{"replay", "--into", "dice-roller", "--until", "soon", "--store", filepath.Join(dir, "s")}, 2, `"soon" is not a time`},
		{[]string{"audit", "--until", "soon", "--store", filepath.Join(dir, "s")}, 2, `"soon" is not a time`},
		{[]string{"audit", "--grep", "(", "--store", filepath.Join(dir, "s")}, 2, "--grep"},
		{[]string{"audit", "seal", "--since", "soon", "--store", filepath.Join(dir, "s"), filepath.Join(dir, "x.seal")}, 2, `"soon" is not a time`},
		{[]string{"audit", "forget", "--user", "bob", "--since", "soon", "--store", filepath.Join(dir, "s")}, 2, `"soon" is not a time`},
		{[]string{"run", "--channel", "c", "--password-file", filepath.Join(dir, "pw"), "--store", filepath.Join(dir, "t")}, 1, "read a password"},
		{[]string{"status", "--nats", "nats://127.0.0.1:1"}, 1, "is the server running"},
		{[]string{"db", "get", "quotes", "--store", filepath.Join(dir, "held")}, 2, "COLLECTION ID"},
		{[]string{"db", "set", "quotes", "{", "--store", filepath.Join(dir, "held")}, 2, "is not JSON"},
		{[]string{"db", "get", "quotes", "99", "--store", filepath.Join(dir, "held")}, 1, "not found"},
		{[]string{"dead", "show", "nonsense", "--store", filepath.Join(dir, "held")}, 2, "STREAM:SEQ"},
		{[]string{"plugin", "run", "nonsense", "--store", filepath.Join(dir, "held")}, 2, "no shipped plugin"},
		{[]string{"plugin", "pause", "nonsense", "--store", filepath.Join(dir, "held")}, 1, `there is no plugin "nonsense"`},
		{[]string{"plugin", "rm", "nonsense", "--store", filepath.Join(dir, "held")}, 1, `there is no plugin "nonsense"`},
		{[]string{"replay", "--sinse", "1h"}, 2, "there is no flag --sinse: did you mean --since? see rosey replay --help"},
		{[]string{"replay", "--nonsense", "1h"}, 2, "there is no flag --nonsense: see rosey replay --help"},
		{[]string{"replay", "--since"}, 2, "flag needs an argument: --since: see rosey replay --help"},
		{[]string{"plugin", "pause", "--for", "ever", "trivia"}, 2, `--for: "ever" is not a time: write for example 2h30m, fri 20:00`},
		{[]string{"run", "--password", "x"}, 2, "give --password-file FILE, or ROSEY_PASSWORD"},
		{[]string{"status", "--store", ""}, 2, "name a directory with --store"},
		{[]string{"run", "--local", "--store", filepath.Join(dir, "t"), "--listen-room", taken}, 1, "--listen-room " + taken},
		{[]string{"run", "--local", "--store", filepath.Join(dir, "u"), "--metrics", taken}, 1, "--metrics " + taken},
	}
}

func TestDatabaseOnARunningAndOnAStoppedBot(t *testing.T) {
	streamstest.Slow(t, "restarts a bot")
	t.Parallel()
	store := t.TempDir()
	p := start(t, "run", "--local", "--store", store)
	p.say("hi")
	p.expect("^operator: hi")
	check := func() {
		t.Helper()
		batch := rosey(t, `{"op":"set","id":"a","data":{"n":1}}
			{"op":"delete","id":"none"}{"op":"update","id":"a","ops":{"$inc":{"n":1}}}`, "db", "batch", "batched", "--store", store)
		if lines := strings.Split(batch.stdout, "\n"); batch.code != 1 || len(lines) != 4 || !strings.Contains(lines[0], `"id":"a"`) ||
			!strings.Contains(lines[1], "RECORD_NOT_FOUND") || !strings.Contains(lines[2], `"changed":1`) || !strings.Contains(batch.stderr, "1 of 3") {
			t.Errorf("batch: %+v", batch)
		}
		for in, says := range map[string]string{`{"op":"drop"}`: "operation 0: op must be", `nonsense`: "operation 0 is not JSON", `{"op":"get","id":"a"} nonsense`: "operation 1 is not JSON"} {
			if batch := rosey(t, in, "db", "batch", "batched", "--store", store); !strings.Contains(batch.stdout+batch.stderr, says) {
				t.Errorf("batch of %s: %+v, want %s", in, batch, says)
			}
		}
		for _, c := range []struct {
			args   []string
			stdout string
		}{
			{[]string{"db", "set", "quotes", "42", `{"text":"Hello, world!","user":"alice"}`, "--output", "json"}, `"success":true,"id":42`},
			{[]string{"db", "get", "quotes", "42"}, `"text":"Hello, world!"`},
			{[]string{"db", "query", "quotes", "--filter", `{"user":"alice"}`, "--output", "json"}, `"count":1`},
			{[]string{"db", "update", "quotes", "42", `{"$inc":{"votes":2}}`, "--output", "json"}, `"changed":1`},
			{[]string{"db", "update", "quotes", "--filter", `{"user":"alice"}`, `{"$set":{"votes":2}}`, "--output", "json"}, `"matched":1,"changed":0`},
			{[]string{"db", "ls"}, "quotes"},
			{[]string{"db", "history", "quotes", "42"}, "votes"},
			{[]string{"db", "export", "quotes"}, `"votes":2`},
			{[]string{"db", "delete", "quotes", "42"}, "deleted"},
			{[]string{"db", "compact", "quotes"}, "forgot 0 deleted"},
			{[]string{"db", "compact", "quotes", "--older-than", "0s"}, "forgot 1 deleted"},
		} {
			r := rosey(t, "", append(c.args, "--store", store)...)
			if r.code != 0 || !strings.Contains(r.stdout, c.stdout) {
				t.Errorf("rosey %s: %+v, want %s", strings.Join(c.args, " "), r, c.stdout)
			}
		}
		r := rosey(t, "", "db", "get", "quotes", "42", "--output", "json", "--store", store)
		if r.code != 1 || !strings.Contains(r.stdout, `"error_code":"RECORD_NOT_FOUND"`) {
			t.Errorf("a deleted record: %+v", r)
		}
	}
	check()
	p.interrupt()
	check()
}

func TestPluginAsItsOwnProcess(t *testing.T) {
	streamstest.Slow(t, "kills processes")
	t.Parallel()
	store := t.TempDir()
	bot := start(t, "run", "--local", "--plugins", "none", "--store", store)
	bot.say("hi")
	bot.expect("^operator: hi")
	plugin := start(t, "plugin", "run", "dice-roller", "--store", store)
	waitPlugin(t, store, `"state":"running"`)
	bot.say("!roll 3d6")
	bot.expect("Rolled 3d6")
	if r := rosey(t, "", "plugin", "pause", "dice-roller", "--store", store); r.code != 0 {
		t.Fatalf("pause: %+v", r)
	}
	waitPlugin(t, store, `"state":"paused"`)
	bot.say("!roll 4d6")
	waitPlugin(t, store, `"lag":1`)
	if r := rosey(t, "", "plugin", "resume", "dice-roller", "--store", store); r.code != 0 || !strings.Contains(r.stdout, "1 event(s) waiting") {
		t.Fatalf("resume: %+v", r)
	}
	bot.expect("Rolled 4d6")
	if r := rosey(t, "", "plugin", "rm", "dice-roller", "--store", store); r.code != 1 || !strings.Contains(r.stderr, "still run") {
		t.Errorf("rm of a running plugin: %+v", r)
	}
	// Commands for a killed plugin wait for the next process.
	plugin.kill()
	bot.say("!roll 5d6")
	waitPlugin(t, store, `"lag":1`)
	plugin = start(t, "plugin", "run", "dice-roller", "--store", store)
	bot.expect("Rolled 5d6")
	if r := rosey(t, "", "plugin", "restart", "dice-roller", "--store", store); r.code != 0 {
		t.Errorf("restart: %+v", r)
	}
	bot.say("!roll 6d6")
	bot.expect("Rolled 6d6")
	if code := plugin.interrupt(); code != 0 {
		t.Errorf("the plugin's exit code is %d\n%s", code, plugin.stderr.String())
	}
	bot.interrupt()
	if r := rosey(t, "", "plugin", "ls", "--store", store); r.code != 0 || !regexp.MustCompile(`dice-roller +1\.0\.0 +stopped`).MatchString(r.stdout) {
		t.Errorf("ls on a stopped bot's store: %+v", r)
	}
	if r := rosey(t, "", "plugin", "rm", "dice-roller", "--store", store); r.code != 0 {
		t.Errorf("rm of a stopped plugin: %+v", r)
	}
}

func waitPlugin(t *testing.T, store, want string) {
	t.Helper()
	deadline := time.Now().Add(testPatience)
	for {
		r := rosey(t, "", "plugin", "ls", "--output", "json", "--store", store)
		if strings.Contains(r.stdout, want) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("timed out waiting for %s: %+v", want, r)
		}
	}
}

// What moderators and authors look into after the fact, on a stopped bot.
func TestLookingBack(t *testing.T) {
	streamstest.Slow(t, "runs several processes")
	t.Parallel()
	store, dir := t.TempDir(), t.TempDir()
	if r := rosey(t, "!roll 2d6\nalice: hello \x1b[31mred\nalice: !nonsense\n", "run", "--local", "--store", store); r.code != 0 {
		t.Fatalf("run: %+v", r)
	}
	seal := filepath.Join(dir, "a.seal")
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"replay", "--since", "1h"}, 0, "🎲 Rolled 2d6"},
		{[]string{"replay", "--since", "1h", "--tree"}, 0, "─ plugin.dice-roller.command"},
		{[]string{"replay", "--summary"}, 0, "dice-roller"},
		{[]string{"replay", "--subject", "plugin.*.command", "--output", "json"}, 0, `"stream":"PLUGIN"`},
		{[]string{"replay", "--user", "nobody"}, 1, "no event matches"},
		{[]string{"replay", "--since", "nonsense"}, 2, "--since"},
		{[]string{"replay", "--since", "today 25:00"}, 2, "--since"},
		{[]string{"replay", "--subject", "nonsense.>"}, 2, "nonsense"},
		{[]string{"replay", "--correlation", "nonsense-here"}, 1, "no event matches"},
		{[]string{"replay", "--follow"}, 1, "no bot is running"},
		{[]string{"trace", "PLUGIN:1"}, 0, "cytube.send.chat"},
		{[]string{"trace", "plugin:1"}, 0, "cytube.send.chat"},
		{[]string{"trace", "PLUGIN:0"}, 2, "numbered from 1"},
		{[]string{"trace", "PLUGIN:99"}, 1, "does not hold event 99"},
		{[]string{"trace", "PLUGIN:1", "--since", "1h"}, 0, "cytube.send.chat"},
		{[]string{"trace", "PLUGIN:1", "--since", "1ms"}, 1, "no event matches"},
		{[]string{"trace", "PLUGIN:1", "--since", "nonsense"}, 2, "--since"},
		{[]string{"audit", "--since", "1h", "--user", "alice"}, 0, `hello`},
		{[]string{"audit", "--output", "csv"}, 0, "hello"},
		{[]string{"audit", "--output", "html"}, 0, "<html"},
		{[]string{"audit", "--output", "xml"}, 2, "choose text"},
		{[]string{"audit", "seal", seal}, 2, "rosey audit key"},
		{[]string{"audit", "forget", "--user", "alice", "--yes"}, 2, "rosey audit key"},
		{[]string{"audit", "key"}, 0, "="},
		{[]string{"audit", "seal", seal}, 0, "public key"},
		{[]string{"audit", "seal", seal}, 1, "exists"},
		{[]string{"audit", "verify", seal}, 0, "intact"},
		{[]string{"audit", "forget", "--user", "alice"}, 2, "--dry-run"},
		{[]string{"audit", "forget", "--user", "alice", "--dry-run"}, 0, "would erase"},
		{[]string{"audit", "forget", "--user", "operator", "--dry-run"}, 0, "event(s) that answer these stay"},
		{[]string{"audit", "forget", "--user", "alice", "--yes"}, 0, "erased"},
		{[]string{"audit", "verify", seal}, 0, "erased on request"},
		{[]string{"audit", "--user", "alice"}, 0, "eras"},
		{[]string{"dead", "ls"}, 0, "no dead letters"},
	} {
		r := rosey(t, "", append(c.args, "--store", store)...)
		if r.code != c.code || !strings.Contains(r.stdout+r.stderr, c.says) {
			t.Errorf("rosey %s: %+v; want exit code %d and %q", strings.Join(c.args, " "), r, c.code, c.says)
		}
		if strings.Contains(r.stdout, "\x1b") {
			t.Errorf("rosey %s printed a raw escape: %q", strings.Join(c.args, " "), r.stdout)
		}
	}
}

func TestGlobalFlagsStandAnywhere(t *testing.T) {
	t.Parallel()
	app := newApp(shipped.All(), nil, io.Discard, io.Discard)
	for in, want := range map[string]string{
		"rosey --store s replay --since 1h":    "rosey replay --store s --since 1h",
		"rosey db get quotes 42 --store s":     "rosey db get --store s quotes 42",
		"rosey db --store s get quotes 42":     "rosey db get --store s quotes 42",
		"rosey --store s db --help":            "rosey --store s db --help",
		"rosey audit --user a --media forget":  "rosey audit --media forget --user a",
		"rosey db get quotes 42 --output=json": "rosey db get --output=json quotes 42",
		"rosey send hello --emote world":       "rosey send --emote hello world",
		"rosey send -- --emote":                "rosey send -- --emote",
		"rosey send a -- b --store s":          "rosey send a -- b --store s",
		"rosey plugin ls --output json":        "rosey plugin ls --output json",
		"rosey nonsense --store s":             "rosey --store s nonsense",
		"rosey help":                           "rosey --help",
		"rosey help help":                      "rosey --help --help",
		"rosey help plugin run":                "rosey plugin run --help",
		"rosey --store s help plugin":          "rosey --store s plugin --help",
		"rosey send --help help":               "rosey send --help help",
		"rosey db set c -1 {}":                 "rosey db set c -1 {}",
		"rosey db get -1 c":                    "rosey db get -- -1 c",
		"rosey":                                "rosey",
	} {
		if got := strings.Join(hoist(app, strings.Fields(in)), " "); got != want {
			t.Errorf("%s becomes %s, want %s", in, got, want)
		}
	}
}
