package process

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os/exec"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/rosey-bot/rosey/event"
)

// outputDelay is how long the output of a program that ended is waited for, where what it
// started holds it open.
const outputDelay = time.Second

// memoryInterval is how often the memory of a program is looked at.
const memoryInterval = 500 * time.Millisecond

// Process is a running program. Everything that it starts is ended with it.
type Process struct {
	command  Command
	cmd      *exec.Cmd
	tail     *tail
	ended    chan struct{}
	err      error        // once ended
	overused atomic.Int64 // bytes of memory, beyond the limit
}

// Start starts a program. Its errors say what to do.
func Start(c Command) (*Process, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	if c.ID == "" {
		c.ID = event.NewCorrelationID()
	} else if n := killMarked(c.ID); n > 0 {
		c.logger().Warn("processes left behind by an earlier run killed", "processes", n)
	}
	path, err := c.program()
	if err != nil {
		return nil, err
	}
	p := &Process{command: c, tail: &tail{}, ended: make(chan struct{})}
	stdout, stderr := newOutput(c.logger(), "stdout", nil), newOutput(c.logger(), "stderr", p.tail)
	p.cmd = &exec.Cmd{
		Path: path, Args: c.Args, Dir: c.Dir, Env: append(c.Env, IDVariable+"="+c.ID), Stdout: stdout, Stderr: stderr,
		WaitDelay: outputDelay, SysProcAttr: attributes(),
	}
	started := make(chan error)
	go func() {
		// The kernel ends the program with the thread that started it, where attributes ask
		// for that: this one stays until then.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			p.wait(stdout, stderr)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", c.Args[0], err)
	}
	return p, nil
}

func (c Command) logger() *slog.Logger { return cmp.Or(c.Log, slog.Default()).With("plugin", c.Plugin) }

// wait waits for the end of the program and ends what it left.
func (p *Process) wait(outputs ...*output) {
	watching, stop := context.WithCancel(context.Background())
	if p.command.Memory > 0 {
		if err := limitMemory(p.pid(), p.command.Memory); err != nil {
			p.command.logger().Warn("memory limit of plugin not set", "error", err)
		} else {
			go p.watchMemory(watching)
		}
	}
	err := p.cmd.Wait()
	stop()
	killGroup(p.pid())
	killMarked(p.command.ID)
	for _, o := range outputs {
		o.Close()
	}
	p.err = p.explain(err)
	close(p.ended)
}

// explain returns why a program ended.
func (p *Process) explain(err error) error {
	state := p.cmd.ProcessState
	switch used := p.overused.Load(); {
	case used > 0:
		return fmt.Errorf("it used %s of memory, more than its limit of %s", humanize.Bytes(uint64(used)), humanize.Bytes(uint64(p.command.Memory)))
	case state == nil:
		return fmt.Errorf("wait for %s: %w", p.command.Args[0], err)
	case state.Success():
		return errors.New("it ended by itself, with exit status 0")
	}
	why := "it ended with " + state.String() // exit status 1, or signal: killed
	if limit := p.command.Memory; limit > 0 {
		why += ", when its memory was limited to " + humanize.Bytes(uint64(limit))
	}
	return errors.New(why)
}

// watchMemory kills the program when it and what it started use too much memory.
func (p *Process) watchMemory(ctx context.Context) {
	tick := time.NewTicker(memoryInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if used := memoryOf(p.pid()); used > p.command.Memory {
				p.overused.Store(used)
				p.Kill()
			}
		}
	}
}

// pid returns the number of the process, which is that of its process group, too.
func (p *Process) pid() int { return p.cmd.Process.Pid }

// Ended is closed when the program has ended.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// Wait waits until the program has ended and returns why, which is never nil.
func (p *Process) Wait() error {
	<-p.ended
	return p.err
}

// Tail returns the last lines that the program wrote to stderr.
func (p *Process) Tail() []string { return p.tail.get() }

// Kill ends the program at once, with all that it started. Wait returns when it has.
func (p *Process) Kill() {
	select {
	case <-p.ended: // its number may be another's
	default:
		killGroup(p.pid())
		_ = p.cmd.Process.Kill()
	}
}

// Stop asks the program to end, by SIGTERM to its process group, and kills it after a time
// of grace. It returns when the program has ended.
func (p *Process) Stop(grace time.Duration) {
	select {
	case <-p.ended:
		return
	default:
		terminateGroup(p.cmd.Process)
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-p.ended:
	case <-timer.C:
		p.command.logger().Warn("plugin did not end in time, killed", "grace", grace)
		p.Kill()
		<-p.ended
	}
}
