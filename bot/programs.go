package bot

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"reflect"
	"slices"
	"sync"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/internal/retry"
	"github.com/rosey-bot/rosey/internal/settings"
	"github.com/rosey-bot/rosey/plugins/host"
	"github.com/rosey-bot/rosey/plugins/process"
	"github.com/rosey-bot/rosey/streams"
)

// programs are the plugins that the bot runs as processes of their own: those of the
// settings file, and those added to the store, also while the bot runs.
type programs struct {
	c   *composition
	log *slog.Logger

	mu      sync.Mutex
	running map[string]supervised
	plugins settings.Plugins // of the settings file, as it was last read

	reconciling sync.Mutex
	reloaded    chan struct{}
	issuing     sync.Mutex // of credentials, which are one file
}

type supervised struct {
	program settings.Program
	*process.Supervisor
	stop func() // returns when the program has ended
}

func newPrograms(c *composition) *programs {
	return &programs{c: c, log: c.log, running: map[string]supervised{}, plugins: c.settings.Plugins, reloaded: make(chan struct{}, 1)}
}

// reload starts, changes and stops programs as the settings file says now.
func (p *programs) reload(plugins settings.Plugins) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.plugins = plugins
	select {
	case p.reloaded <- struct{}{}:
	default:
	}
}

// run keeps the programs going until ctx ends. It is ready once each of them reads its
// commands, or has failed once.
func (p *programs) run(ctx context.Context, ready func()) error {
	restarts, err := p.c.server.conn.Subscribe(streams.RestartSubject("*"), p.restart)
	if err != nil {
		return fmt.Errorf("subscribe to restarts of plugins: %w", err)
	}
	defer func() { _ = restarts.Unsubscribe() }()
	p.reconcile(ctx)
	go func() {
		if p.awaitStart(ctx) == nil {
			ready()
		}
	}()
	var watching sync.WaitGroup
	defer watching.Wait()
	watching.Go(func() {
		if err := p.watchAdded(ctx); err != nil {
			p.log.WarnContext(ctx, "added plugins not watched, rosey plugin add takes effect at the next start", "error", err)
		}
	})
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-p.reloaded:
			p.reconcile(ctx)
		}
	}
	p.reconciling.Lock()
	defer p.reconciling.Unlock()
	p.stop(func(string, settings.Program) bool { return true })
	return nil
}

// restart starts the program of a plugin again when somebody restarts that: its files may be newer.
func (p *programs) restart(m *nats.Msg) {
	if len(m.Data) > 0 || len(m.Header) > 0 { // a reply, to who named this subject for it
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for name, s := range p.running {
		if m.Subject == streams.RestartSubject(name) {
			go s.Restart() // it waits for the old process
		}
	}
}

// stop stops the programs that match, beside each other.
func (p *programs) stop(matches func(string, settings.Program) bool) {
	var ending sync.WaitGroup
	defer ending.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	for name, s := range p.running {
		if matches(name, s.program) {
			p.log.Info("plugin process stopping", "plugin", name)
			delete(p.running, name)
			ending.Go(s.stop)
		}
	}
}

// watchAdded reconciles whenever a plugin is added or removed.
func (p *programs) watchAdded(ctx context.Context) error {
	if p.c.settings.Store == "" {
		return nil
	}
	dir := settings.AddedDir(p.c.settings.Store)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return process.WatchFolder(ctx, dir, func() { p.reconcile(ctx) })
}

// awaitStart waits until each program reads its commands, or has failed once.
func (p *programs) awaitStart(ctx context.Context) error {
	return retry.Do(ctx, poll, func(ctx context.Context) error {
		for _, s := range p.states() {
			if s.LastExit != "" {
				continue
			}
			if reads, err := host.Reads(ctx, p.c.server.js, s.Plugin); err != nil || !reads {
				return errBusy
			}
		}
		return nil
	})
}

// reconcile starts and stops programs until those run that are wanted.
func (p *programs) reconcile(ctx context.Context) {
	p.reconciling.Lock()
	defer p.reconciling.Unlock()
	wanted, err := p.wanted()
	if err != nil {
		p.log.ErrorContext(ctx, "added plugin not run", "error", err)
	}
	p.stop(func(name string, runs settings.Program) bool { return !reflect.DeepEqual(wanted[name], runs) })
	p.mu.Lock()
	defer p.mu.Unlock()
	for name, program := range wanted {
		if _, runs := p.running[name]; !runs && ctx.Err() == nil {
			p.log.InfoContext(ctx, "plugin process starting", "plugin", name, "command", program.Run)
			p.running[name] = p.supervise(ctx, name, program)
		}
	}
}

// names lists the programs to run: commands wait for those that never registered.
func (p *programs) names() []string {
	wanted, _ := p.wanted() // what cannot be is logged when it would start
	return slices.Sorted(maps.Keys(wanted))
}

// wanted returns the programs to run, each with its settings: those of the settings file, and
// those added to the store that the file does not name. The error says which cannot be.
func (p *programs) wanted() (map[string]settings.Program, error) {
	p.mu.Lock()
	inFile := p.plugins
	p.mu.Unlock()
	all := map[string]settings.Program{}
	var err error
	if p.c.settings.Store != "" {
		all, err = settings.Added(p.c.settings.Store)
	}
	maps.Copy(all, inFile.Programs)
	for name, program := range all {
		switch {
		case !inFile.Runs(name):
			delete(all, name)
		case slices.Contains(PluginNames(p.c.shipped), name):
			delete(all, name)
			err = settings.Errorf("plugin %s: a plugin that ships has this name: give yours another", name)
		default:
			values := map[string]string{}
			maps.Copy(values, program.Settings)
			maps.Copy(values, inFile.Values[name])
			program.Settings = values
			all[name] = program
		}
	}
	return all, err
}

func (p *programs) supervise(ctx context.Context, name string, program settings.Program) supervised {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s := supervised{program: program, Supervisor: &process.Supervisor{
		Command: process.Command{
			Plugin: name, Args: program.Run, Dir: program.Dir, Memory: int64(program.Memory), ID: p.c.settings.Store + "/" + name, Log: p.log,
		},
		Grace: program.Grace, Watch: program.Watch,
		Prepare: func(ctx context.Context, command *process.Command) (err error) {
			command.Env, err = p.environment(ctx, name, program)
			return err
		},
	}}
	var running sync.WaitGroup
	running.Go(func() {
		p.applyFile(ctx, name, program)
		s.Run(ctx)
	})
	s.stop = func() {
		cancel()
		running.Wait()
		p.revoke(name)
	}
	return s
}

// states returns how the programs are, in the order of their names.
func (p *programs) states() []process.State {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := make([]process.State, 0, len(p.running))
	for _, name := range slices.Sorted(maps.Keys(p.running)) {
		list = append(list, p.running[name].State())
	}
	return list
}

// applyFile sets what the settings file holds for a program that has registered before.
func (p *programs) applyFile(ctx context.Context, name string, program settings.Program) {
	entry, err := p.c.registrations.Get(ctx, name)
	switch {
	case errors.Is(err, jetstream.ErrKeyNotFound): // it is set when the program registers
	case err != nil:
		p.log.WarnContext(ctx, "settings of a file not applied", "plugin", name, "error", err)
	default:
		p.apply(ctx, name, entry.Value(), program)
	}
}

// registered sets what the settings file holds for a program that registers: its commands
// are not routed before.
func (p *programs) registered(ctx context.Context, name string, registration []byte) {
	p.mu.Lock()
	s, runs := p.running[name]
	p.mu.Unlock()
	if runs {
		p.apply(ctx, name, registration, s.program)
	}
}

func (p *programs) apply(ctx context.Context, name string, registration []byte, program settings.Program) {
	if err := p.c.applyFileToEntry(ctx, name, registration, program.Settings); err != nil {
		p.log.WarnContext(ctx, "settings of a file not applied", "plugin", name, "error", err)
	}
}
