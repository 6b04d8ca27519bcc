package crashtest

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"github.com/rosey-bot/rosey/internal/retry"
)

// process is a program that is started again whenever it ends, as by a supervisor of services.
type process struct {
	name string
	args []string
	env  []string
	dir  string // where its log goes
	log  *log.Logger

	mu      sync.Mutex
	running *os.Process
	down    time.Duration // how long the one that was killed stays down
	killed  bool
	then    func()   // called once the one that was killed has ended
	ended   []string // how it ended without being killed
}

// restartDelay is how long a supervisor waits before it restarts what ended by itself.
const restartDelay = time.Second

// run keeps the program running until ctx ends.
func (p *process) run(ctx context.Context) {
	out, err := os.Create(filepath.Join(p.dir, p.name+".log"))
	if err != nil {
		p.log.Printf("%s cannot be logged: %s", p.name, err)
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
		if p.then != nil {
			p.then()
			p.then = nil
		}
		if !p.killed {
			wait = restartDelay
			p.ended = append(p.ended, fmt.Sprintf("%s ended by itself at %s: %v", p.name, time.Now().Format(clock), err))
			p.log.Printf("%s ended by itself: %v", p.name, err)
		}
		p.mu.Unlock()
		_ = retry.Sleep(ctx, wait)
	}
}

// kill ends the program with SIGKILL and keeps it down for a while; false when it does not run. It calls then, unless that
// is nil, once the program has ended, before it starts again.
func (p *process) kill(down time.Duration, then func()) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running == nil || p.killed {
		return false
	}
	p.killed, p.down, p.then = true, down, then
	return p.running.Kill() == nil
}

// exits returns how the program ended when it was not killed.
func (p *process) exits() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.ended...)
}

// clock is the format of times, to be compared with those in the logs.
const clock = "15:04:05.000"
