package router

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/internal/fold"
)

// Registry is an in-memory view of the bucket: which plugin handles which command.
type Registry struct {
	log    *slog.Logger
	prefix string

	reopen chan struct{} // the bucket was made again

	mu       sync.RWMutex
	plugins  map[string]Registration
	commands map[string]route
}

type route struct {
	plugin  Registration
	command Command
}

// NewRegistry returns an empty registry for commands typed with prefix.
func NewRegistry(prefix string, log *slog.Logger) *Registry {
	return &Registry{log: log, prefix: prefix, reopen: make(chan struct{}, 1), plugins: map[string]Registration{}, commands: map[string]route{}}
}

// Watch stores the registrations own and then follows the bucket until ctx ends.
// It calls ready once the view holds everything stored so far. Own are the plugins
// of this process, whose commands may be typed before the plugins have started.
func (g *Registry) Watch(ctx context.Context, kv jetstream.KeyValue, own []Registration, ready func()) error {
	pending := map[string]uint64{}
	for _, r := range own {
		revision, err := Register(ctx, kv, r)
		if err != nil {
			return err
		}
		pending[r.Name] = revision
	}
	w, err := kv.WatchAll(ctx)
	if err != nil {
		return fmt.Errorf("watch bucket %s: %w", Bucket, err)
	}
	defer w.Stop()
	for listed := false; ; {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-g.reopen:
			return fmt.Errorf("watch bucket %s: %w", Bucket, jetstream.ErrNoStreamResponse)
		case entry, ok := <-w.Updates():
			switch {
			case !ok:
				return fmt.Errorf("watch bucket %s: watcher closed", Bucket)
			case entry == nil:
				listed = true
			default:
				g.update(ctx, entry)
				// The replica that lists the bucket may lag behind the leader.
				if revision, ok := pending[entry.Key()]; ok && entry.Revision() >= revision {
					delete(pending, entry.Key())
				}
			}
			if listed && len(pending) == 0 {
				ready()
				listed = false
			}
		}
	}
}

// Remade writes all registrations into the bucket again, which somebody deleted and which
// is there again, and makes Watch end with an error to be retried.
func (g *Registry) Remade(ctx context.Context, kv jetstream.KeyValue) error {
	g.mu.RLock()
	known := slices.Collect(maps.Values(g.plugins))
	g.mu.RUnlock()
	for _, r := range known {
		if _, err := Register(ctx, kv, r); err != nil {
			return err
		}
	}
	select {
	case g.reopen <- struct{}{}:
	default:
	}
	return nil
}

func (g *Registry) update(ctx context.Context, entry jetstream.KeyValueEntry) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if entry.Operation() != jetstream.KeyValuePut {
		delete(g.plugins, entry.Key())
	} else {
		r, err := ParseRegistration(entry.Key(), entry.Value())
		if err != nil {
			g.log.WarnContext(ctx, "invalid registration ignored", "plugin", entry.Key(), "error", err)
			return
		}
		g.plugins[r.Name] = r
	}
	g.commands = map[string]route{}
	for _, name := range slices.Sorted(maps.Keys(g.plugins)) {
		for _, c := range g.plugins[name].Commands {
			key := fold.Key(c.key(g.prefix))
			if taken, ok := g.commands[key]; ok {
				if taken.plugin.Name != name {
					g.log.WarnContext(ctx, "command registered twice",
						"command", key, "owner", taken.plugin.Name, "ignored", name)
				}
				continue
			}
			g.commands[key] = route{g.plugins[name], c}
		}
	}
}

// lookup returns the route of a command that is the same but for what fold.Key replaces.
func (g *Registry) lookup(command string) (route, bool) {
	g.mu.RLock()
	defer g.mu.RUnlock()
	r, ok := g.commands[fold.Key(command)]
	return r, ok
}

// Plugins returns the registrations in the order of their names.
func (g *Registry) Plugins() []Registration {
	g.mu.RLock()
	defer g.mu.RUnlock()
	list := make([]Registration, 0, len(g.plugins))
	for _, name := range slices.Sorted(maps.Keys(g.plugins)) {
		list = append(list, g.plugins[name])
	}
	return list
}
