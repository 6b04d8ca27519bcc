package crashtest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"
)

// process is a program that is started again whenever it ends, as a supervisor
// of services would do.
type process struct {
	name string
	args []string
	env  []string
	dir  string // where its log goes
	log  *logbook

	mu      sync.Mutex
	running *os.Process
	down    time.Duration // how long the one that was killed stays down
	killed  bool
	ended   []string // how it ended without being killed
}

// supervised is how long a supervisor waits before it starts again what ended by
// itself.
const supervised = time.Second

// run keeps the program running until ctx ends.
func (p *process) run(ctx context.Context) {
	out, err := os.Create(filepath.Join(p.dir, p.name+".log"))
	if err != nil {
		p.log.add("%s cannot be logged: %s", p.name, err)
		return
	}
	defer out.Close()
	for ctx.Err() == nil {
		cmd := exec.CommandContext(ctx, p.args[0], p.args[1:]...)
		cmd.Env, cmd.Stdout, cmd.Stderr = p.env, out, out
		err := cmd.Start()
		if err == nil {
			fmt.Fprintf(out, "--- %s: pid %d\n", time.Now().Format(clock), cmd.Process.Pid)
			p.mu.Lock()
			p.running, p.killed = cmd.Process, false
			p.mu.Unlock()
			err = cmd.Wait()
		}
		if ctx.Err() != nil {
			return
		}
		p.mu.Lock()
		p.running = nil
		wait := p.down
		if !p.killed {
			wait = supervised
			p.ended = append(p.ended, fmt.Sprintf("%s ended by itself at %s: %v", p.name, time.Now().Format(clock), err))
			p.log.add("%s ended by itself: %v", p.name, err)
		}
		p.mu.Unlock()
		pause(ctx, wait)
	}
}

// kill ends the program with SIGKILL and keeps it down for a while; false when
// it does not run.
func (p *process) kill(down time.Duration) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running == nil || p.killed {
		return false
	}
	p.killed, p.down = true, down
	return p.running.Kill() == nil
}

// exits lists how the program ended when nobody had killed it.
func (p *process) exits() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.ended...)
}

// clock is how times are written, to be compared with those in the logs.
const clock = "15:04:05.000"

// logbook says what was done to whom and when.
type logbook struct {
	mu   sync.Mutex
	file *os.File
}

func openLogbook(path string) (*logbook, error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, fmt.Errorf("open the log: %w", err)
	}
	return &logbook{file: f}, nil
}

func (l *logbook) add(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintf(l.file, "%s %s\n", time.Now().Format(clock), fmt.Sprintf(format, args...))
}

func (l *logbook) close() { _ = l.file.Close() }
