package router

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/rosey-bot/rosey/consumers"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

// missingTimeout is how long commands that nobody registered wait for the registrations
// that are missing when Watch begins. A plugin's process writes its own again within
// seconds; see host.Host.
const missingTimeout = time.Minute

// missing are the plugins that have a durable consumer and no registration, as after the
// bucket was deleted while no process knew what it held: what nobody registered may be
// a command of theirs. A plugin that was removed has neither.
type missing struct {
	plugins  map[string]bool
	deadline time.Time
	seen     map[string]bool // keys of the bucket, those of deleted registrations included
	changed  chan struct{}   // is closed when commands were settled
}

// settle removes those that are registered by now, once their commands are known.
func (m *missing) settle() {
	maps.DeleteFunc(m.plugins, func(name string, _ bool) bool { return m.seen[name] })
	close(m.changed)
	m.changed = make(chan struct{})
}

func (m *missing) names() []string { return slices.Sorted(maps.Keys(m.plugins)) }

// expectMissing finds the plugins whose registration is missing.
func (g *Registry) expectMissing(ctx context.Context) error {
	if g.Durables == nil {
		return nil
	}
	durables, err := g.Durables(ctx)
	if err != nil {
		return fmt.Errorf("find registrations that are missing: %w", err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.missing.plugins, g.missing.deadline = map[string]bool{}, time.Now().Add(missingTimeout)
	for _, durable := range durables {
		if name, ok := strings.CutPrefix(durable, streams.Durable("")); ok && !g.missing.seen[name] {
			g.missing.plugins[name] = true
		}
	}
	if len(g.missing.plugins) > 0 {
		g.log.WarnContext(ctx, "registrations missing, unknown commands wait for them", "plugins", g.missing.names(), "for", missingTimeout,
			"remedy", "start the plugin, or rosey plugin rm NAME")
	}
	return nil
}

// absent returns the plugins whose registration is missing, how long commands still wait
// for it, and what is closed when commands become known.
func (g *Registry) absent() (plugins []string, left time.Duration, changed <-chan struct{}) {
	g.mu.RLock()
	defer g.mu.RUnlock()
	return g.missing.names(), time.Until(g.missing.deadline), g.missing.changed
}

// catchUpTimeout is how long a command that nobody registered waits until the registry has all that is
// stored. It is far more than that takes, and less than users wait.
const catchUpTimeout = 2 * time.Second

// catchUpPause is how long no command waits after the registry could not catch up.
const catchUpPause = 10 * time.Second

// catchUp waits until the commands are routed that were stored before: whoever reads that a command
// was added may type it before the watcher has told of it. Other lines are handled while it waits.
func (g *Registry) catchUp(ctx context.Context) {
	g.mu.RLock()
	stored, settled, paused := g.stored, g.settled, time.Until(g.catchUpAfter) > 0
	g.mu.RUnlock()
	if stored == nil || paused {
		return // nothing is watched, or NATS does not answer
	}
	ctx, cancel := context.WithTimeout(ctx, catchUpTimeout)
	defer cancel()
	last, err := stored(ctx)
	if err == nil && settled < last {
		consumers.ReadNext(ctx)
		err = g.awaitSettled(ctx, last)
	}
	if err != nil {
		g.log.WarnContext(ctx, "registrations not read to the end", "revision", last, "known", settled, "error", err)
		g.mu.Lock()
		g.catchUpAfter = time.Now().Add(catchUpPause)
		g.mu.Unlock()
	}
}

// awaitSettled waits until the commands of a revision are routed.
func (g *Registry) awaitSettled(ctx context.Context, revision uint64) error {
	for {
		g.mu.RLock()
		settled, changed := g.settled, g.missing.changed
		g.mu.RUnlock()
		if settled >= revision {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// findOrWait is find, which it repeats once all that is stored is known, and while a registration
// is missing. Other lines are handled while it waits.
func (r Router) findOrWait(ctx context.Context, name, channel string, ref event.Ref) (to route, ok bool, err error) {
	if to, ok, err = r.find(ctx, name, channel); ok || err != nil {
		return to, ok, err
	}
	r.Registry.catchUp(ctx)
	for held := false; ; held = true {
		plugins, left, changed := r.Registry.absent()
		to, ok, err = r.find(ctx, name, channel)
		if ok || err != nil || len(plugins) == 0 || left <= 0 {
			return to, ok, err
		}
		if !held {
			r.Logger.WarnContext(ctx, "command waits for missing registrations", "command", event.Personal(name), "event", ref.String(), "plugins", plugins)
			consumers.ReadNext(ctx)
		}
		select {
		case <-changed:
		case <-time.After(left):
		case <-r.Stopping:
			return to, false, consumers.ErrStopping
		case <-ctx.Done():
			return to, false, ctx.Err()
		}
	}
}
