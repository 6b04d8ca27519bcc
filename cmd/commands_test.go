package cmd

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rosey-bot/rosey/plugins/shipped"
)

// result is what one run of the program gave.
type result struct {
	code           int
	stdout, stderr string
}

// rosey runs the program to its end: what starts a bot or a plugin as a process of its own, every
// other command in one that runs many.
func rosey(t *testing.T, stdin string, args ...string) result {
	t.Helper()
	if slices.Contains(args, "run") {
		return roseyWith(t, nil, stdin, args...)
	}
	c := idleCommand(t)
	r := c.run(t, commandLine{args, stdin})
	select {
	case idleCommands <- c:
	default:
		c.end()
	}
	return r
}

// roseyWith runs the program as a process of its own, with more variables in its environment.
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

// roseyAll runs command lines in one process, with the race detector where the tests have it.
func roseyAll(t *testing.T, lines [][]string) (results []result) {
	t.Helper()
	c := startCommands(t, self(t))
	defer c.end()
	for _, args := range lines {
		results = append(results, c.run(t, commandLine{Args: args}))
	}
	return results
}

// commandProcess is a process of the test binary that runs one command line after the other: to start a
// process takes longer than most commands. It is a process because the command line's parser
// keeps its help flag in a variable of the package.
type commandProcess struct {
	cmd    *exec.Cmd
	env    []string
	stdin  io.Closer
	lines  *json.Encoder
	ended  *json.Decoder // what the lines gave
	stderr lockedBuffer
}

type commandLine struct {
	Args  []string
	Stdin string
}

// endedCommand is a result as a commandProcess prints it.
type endedCommand struct {
	Code           int
	Stdout, Stderr []byte
}

// executeAll runs one command line after the other in this process.
func executeAll(in io.Reader, out io.Writer) int {
	dec, enc := json.NewDecoder(in), json.NewEncoder(out)
	for {
		var line commandLine
		if err := dec.Decode(&line); err != nil {
			return exitOK
		}
		var stdout, stderr bytes.Buffer
		code := execute(context.Background(), shipped.All(), append([]string{"rosey"}, line.Args...), strings.NewReader(line.Stdin), &stdout, &stderr)
		if err := enc.Encode(endedCommand{code, stdout.Bytes(), stderr.Bytes()}); err != nil {
			return exitFailed
		}
	}
}

func startCommands(t *testing.T, exe string) *commandProcess {
	t.Helper()
	c := &commandProcess{cmd: exec.Command(exe), env: os.Environ()}
	c.cmd.Env = append(slices.Clip(c.env), "ROSEY_TEST_MAIN=all")
	c.cmd.Stderr = &c.stderr
	in, err := c.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.stdin, c.lines, c.ended = in, json.NewEncoder(in), json.NewDecoder(out)
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *commandProcess) run(t *testing.T, line commandLine) result {
	t.Helper()
	late := time.AfterFunc(testPatience, func() { _ = c.cmd.Process.Kill() })
	defer late.Stop()
	var r endedCommand
	err := c.lines.Encode(line)
	if err == nil {
		err = c.ended.Decode(&r)
	}
	if err != nil {
		c.end()
		t.Fatalf("rosey %s: %v\n%s", strings.Join(line.Args, " "), err, c.stderr.String())
	}
	return result{r.Code, string(r.Stdout), string(r.Stderr)}
}

func (c *commandProcess) end() {
	_ = c.stdin.Close()
	_ = c.cmd.Wait()
}

// idleCommands are the processes that no test uses just now.
var idleCommands = make(chan *commandProcess, 16)

// idleCommand returns a process with the environment of this one. It is the test binary that make
// test built without the race detector, or else this one.
func idleCommand(t *testing.T) *commandProcess {
	t.Helper()
	for {
		select {
		case c := <-idleCommands:
			if slices.Equal(c.env, os.Environ()) {
				return c
			}
			c.end()
		default:
			return startCommands(t, cmp.Or(os.Getenv("ROSEY_TEST_COMMANDS"), self(t)))
		}
	}
}

func endIdleCommands() {
	for {
		select {
		case c := <-idleCommands:
			c.end()
		default:
			return
		}
	}
}
