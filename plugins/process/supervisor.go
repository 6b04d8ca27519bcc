package process

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/rosey-bot/rosey/internal/retry"
)

// DefaultGrace is how long a program may take to end when it is asked to.
const DefaultGrace = 10 * time.Second

// The states of a supervised program.
const (
	Starting = "starting"
	Running  = "running"
	Waiting  = "waiting" // for the next attempt, after it ended or could not start
	Stopped  = "stopped"
)

// State is how a supervised program is.
type State struct {
	Plugin   string    `json:"plugin"`
	Command  string    `json:"command"`
	State    string    `json:"state"`
	PID      int       `json:"pid,omitempty"`
	Since    time.Time `json:"since"`               // of the state
	Restarts int       `json:"restarts"`            // starts after the first
	LastExit string    `json:"last_exit,omitempty"` // why it last ended, or could not start
	Output   []string  `json:"output,omitempty"`    // the last lines of its stderr
}

// Text says how the program is, in a line.
func (s State) Text() string {
	text := s.State
	if s.PID > 0 {
		text += fmt.Sprintf(", pid %d", s.PID)
	}
	if s.Restarts > 0 {
		text += fmt.Sprintf(", %d restart(s)", s.Restarts)
	}
	if s.LastExit != "" {
		text += ", last: " + s.LastExit
	}
	return text
}

// Supervisor keeps a program going.
type Supervisor struct {
	// Command is what to run.
	Command Command
	// Prepare, if set, completes the command before each start, as with new credentials.
	Prepare func(context.Context, *Command) error
	// Grace is how long the program may take to end; DefaultGrace if 0.
	Grace time.Duration
	// Watch restarts the program when a file in its folder changes.
	Watch bool
	// Backoff is the wait before the program is started again; a second to a minute if zero.
	Backoff retry.Policy
	// OnState, if set, is called after each change of the state.
	OnState func(State)

	mu      sync.Mutex
	state   State
	process *Process           // the last that was started
	starts  int                // that succeeded
	again   context.CancelFunc // ends the attempt
}

// Run runs the program until ctx ends, and then stops it.
func (s *Supervisor) Run(ctx context.Context) {
	policy := s.Backoff
	if policy.Initial == 0 {
		policy = retry.Policy{Initial: time.Second, Max: time.Minute, ResetAfter: time.Minute}
	}
	log := cmp.Or(s.Command.Log, slog.Default()).With("plugin", s.Command.Plugin)
	policy.Notify = func(err error, wait time.Duration) {
		s.enter(Waiting, err)
		log.WarnContext(ctx, "plugin process ended, restarting", "reason", err, "after", wait.Round(time.Millisecond))
	}
	var watching sync.WaitGroup
	defer watching.Wait()
	if s.Watch {
		watching.Go(func() { s.watch(ctx, log) })
	}
	for ctx.Err() == nil {
		attempt, again := context.WithCancel(ctx)
		s.mu.Lock()
		s.again = again
		s.mu.Unlock()
		_ = retry.Do(attempt, policy, func(context.Context) error { return s.once(attempt) })
		again()
	}
	s.enter(Stopped, nil)
}

// Restart stops the program, or ends the wait for its next start, and starts it at once. It
// returns when the old process has ended.
func (s *Supervisor) Restart() {
	s.mu.Lock()
	old := s.process
	if s.again != nil {
		s.again()
	}
	s.mu.Unlock()
	if old != nil {
		<-old.Ended()
	}
}

// State returns how the program is.
func (s *Supervisor) State() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.state
	st.Plugin, st.Command = s.Command.Plugin, strings.Join(s.Command.Args, " ")
	st.State = cmp.Or(st.State, Starting)
	st.Restarts = max(0, s.starts-1)
	if s.process != nil {
		st.Output = s.process.Tail()
	}
	return st
}

// once runs the program until it ends, or ctx does, and returns why it ended.
func (s *Supervisor) once(ctx context.Context) error {
	s.enter(Starting, nil)
	command := s.Command
	if s.Prepare != nil {
		if err := s.Prepare(ctx, &command); err != nil {
			return err
		}
	}
	p, err := Start(command)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.process = p
	s.starts++
	s.mu.Unlock()
	s.enter(Running, nil)
	select {
	case <-p.Ended():
	case <-ctx.Done():
		p.Stop(cmp.Or(s.Grace, DefaultGrace))
	}
	return p.Wait()
}

// enter changes the state, with the error for which the program ended.
func (s *Supervisor) enter(state string, why error) {
	s.mu.Lock()
	s.state.State, s.state.Since, s.state.PID = state, time.Now(), 0
	if state == Running {
		s.state.PID = s.process.pid()
	}
	if why != nil {
		s.state.LastExit = why.Error()
	}
	s.mu.Unlock()
	if s.OnState != nil {
		s.OnState(s.State())
	}
}
