package router

import (
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/fold"
	"github.com/rosey-bot/rosey/internal/retry"
	"github.com/rosey-bot/rosey/streams/jsapi"
)

// Registry is an in-memory view of the bucket: which plugin handles which command. It
// gives a command that is new to the plugin that registered it.
type Registry struct {
	// Durables, if set, lists the names of the durable consumers, by which Watch knows the
	// plugins whose registration is missing.
	Durables func(context.Context) ([]string, error)

	log    *slog.Logger
	prefix string

	mu       sync.RWMutex
	plugins  map[string]Registration
	removed  map[string]bool    // plugins whose registration was deleted
	own      []string           // the plugins of this process
	commands map[string][]route // by name; the first that is in a channel counts there
	waiting  map[string]bool    // claims that are logged

	owners         owners
	ownersRevision uint64
	grants         map[string][]byte // the values of grantedKey and capabilitiesKey
	granted        capabilities
	earlier        capabilities

	// OnCapabilities, if set, is called after an operator has changed what plugins may do.
	OnCapabilities func()

	// OnRegister, if set, is called with each registration that is stored, before the
	// plugin's commands are routed.
	OnRegister func(ctx context.Context, plugin string, registration []byte)

	missing      missing
	stored       func(context.Context) (uint64, error) // the last revision of the bucket that is watched
	settled      uint64                                // the revision up to which commands are routed
	catchUpAfter time.Time                             // until then commands do not wait for it
}

type route struct {
	plugin  Registration
	command Command
}

// NewRegistry returns an empty registry for commands typed with prefix.
func NewRegistry(prefix string, log *slog.Logger) *Registry {
	return &Registry{log: log, prefix: prefix, plugins: map[string]Registration{},
		grants: map[string][]byte{}, removed: map[string]bool{}, waiting: map[string]bool{}, owners: owners{}, missing: missing{seen: map[string]bool{}, changed: make(chan struct{})}}
}

// Watch stores the registrations own and then follows the bucket until ctx ends, also when
// NATS is away or the bucket is made again. It calls ready once, when the view holds
// everything stored so far. Own are the plugins of this process, whose commands may be typed
// before the plugins have started.
func (g *Registry) Watch(ctx context.Context, js jetstream.JetStream, kv jetstream.KeyValue, own []Registration, ready func()) error {
	ready = sync.OnceFunc(ready)
	return retry.Do(ctx, jsapi.RetryMissing(g.log), func(ctx context.Context) error { return g.watch(ctx, js, kv, own, ready) })
}

func (g *Registry) watch(ctx context.Context, js jetstream.JetStream, kv jetstream.KeyValue, own []Registration, ready func()) error {
	pending := map[string]uint64{}
	names := make([]string, 0, len(own))
	for _, r := range own {
		names = append(names, r.Name)
	}
	g.mu.Lock()
	g.own, g.settled = names, 0
	g.stored = func(ctx context.Context) (uint64, error) { return jsapi.LastRevision(ctx, js, kv.Bucket()) }
	g.mu.Unlock()
	for _, r := range own {
		revision, err := Register(ctx, kv, r)
		if err != nil {
			return err
		}
		pending[r.Name] = revision
	}
	highest, err := g.stored(ctx) // of what the watcher lists
	if err != nil {
		return err
	}
	listed, told := false, false
	return jsapi.Watch(ctx, js, kv, func(entry jetstream.KeyValueEntry) error {
		if entry == nil {
			listed = true
		} else {
			if g.OnRegister != nil && entry.Operation() == jetstream.KeyValuePut {
				g.OnRegister(ctx, entry.Key(), entry.Value())
			}
			g.update(ctx, entry)
			highest = max(highest, entry.Revision())
			// The replica that lists the bucket may lag behind the leader.
			if revision, ok := pending[entry.Key()]; ok && entry.Revision() >= revision {
				delete(pending, entry.Key())
			}
		}
		if !listed || len(pending) > 0 {
			return nil
		}
		if !told {
			if err := g.expectMissing(ctx); err != nil {
				return err
			}
		}
		settled, err := g.settleOwners(ctx, kv, highest)
		if settled && !told {
			ready()
			told = true
		}
		return err
	})
}

// Recreated writes all registrations into the bucket again, which somebody deleted and which
// is there again.
func (g *Registry) Recreated(ctx context.Context, kv jetstream.KeyValue) error {
	g.mu.Lock()
	known, have, granted := slices.Collect(maps.Values(g.plugins)), g.owners, maps.Clone(g.grants)
	g.ownersRevision = 0
	g.mu.Unlock()
	if _, err := saveOwners(ctx, kv, have, 0); err != nil && !jsapi.IsConflict(err) {
		return err
	}
	for key, value := range granted {
		if _, err := kv.Create(ctx, key, value); err != nil && !jsapi.IsConflict(err) {
			return wrap(err, "write", key)
		}
	}
	for _, r := range known {
		if _, err := Register(ctx, kv, r); err != nil {
			return err
		}
	}
	return nil
}

func (g *Registry) update(ctx context.Context, entry jetstream.KeyValueEntry) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.removed, entry.Key())
	g.missing.seen[entry.Key()] = true
	switch {
	case entry.Key() == ownersKey:
		known := owners{}
		if err := json.Unmarshal(entry.Value(), &known); err != nil {
			g.log.WarnContext(ctx, "owners of commands not readable, assigned anew", "error", err)
		}
		g.owners, g.ownersRevision = known, entry.Revision()
	case entry.Key() == capabilitiesKey, entry.Key() == grantedKey:
		g.updateGrants(ctx, entry)
	case entry.Operation() != jetstream.KeyValuePut:
		delete(g.plugins, entry.Key())
		g.removed[entry.Key()] = true
	default:
		r, err := ParseRegistration(entry.Key(), entry.Value())
		if err != nil {
			g.log.WarnContext(ctx, "invalid registration ignored", "plugin", entry.Key(), "error", err)
			return
		}
		g.plugins[r.Name] = r
	}
	g.route(ctx)
}

// updateGrants takes over what plugins may do.
func (g *Registry) updateGrants(ctx context.Context, entry jetstream.KeyValueEntry) {
	of := capabilities{}
	if err := json.Unmarshal(entry.Value(), &of); err != nil {
		g.log.ErrorContext(ctx, "capabilities of plugins not readable, those before hold", "key", entry.Key(), "error", err)
		return
	}
	g.grants[entry.Key()] = entry.Value()
	if entry.Key() == grantedKey {
		g.granted = of
	} else {
		g.earlier = of
	}
	if g.OnCapabilities != nil {
		go g.OnCapabilities()
	}
}

// Capabilities returns what a plugin with credentials of its own may do, as far as Watch has
// seen it. It does not wait.
func (g *Registry) Capabilities(plugin string) event.Capabilities {
	g.mu.RLock()
	defer g.mu.RUnlock()
	list, recorded := g.granted[plugin]
	return effective(list, g.earlier[plugin], recorded)
}

// Confined reports whether an operator has said what a plugin may do which does not run in this
// process.
func (g *Registry) Confined(plugin string) bool {
	g.mu.RLock()
	defer g.mu.RUnlock()
	_, recorded := g.granted[plugin]
	return recorded && !slices.Contains(g.own, plugin)
}

// lookup returns the route in a channel of a command that is the same but for what fold.Key
// replaces.
func (g *Registry) lookup(command, channel string) (route, bool) {
	g.mu.RLock()
	defer g.mu.RUnlock()
	for _, r := range g.commands[fold.Key(command)] {
		if r.command.in(channel) {
			return r, true
		}
	}
	return route{}, false
}

// commandOf returns the route of a plugin's command in a channel.
func (g *Registry) commandOf(plugin, command, channel string) (route, bool) {
	g.mu.RLock()
	defer g.mu.RUnlock()
	p := g.plugins[plugin]
	for _, c := range p.Commands {
		if c.key(g.prefix) == command && c.in(channel) {
			return route{p, c}, true
		}
	}
	return route{}, false
}

// Routes reports whether a command, written without its prefix, goes to a plugin in a channel.
func (g *Registry) Routes(command, channel string) bool {
	_, ok := g.lookup(command, channel)
	return ok
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
