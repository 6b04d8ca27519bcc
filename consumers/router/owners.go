package router

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/fold"
	"github.com/rosey-bot/rosey/streams/jsapi"
)

// ownersKey is the key of the bucket that says which plugin has a command. It is no
// plugin's name, so that no plugin with credentials of its own may write it.
const ownersKey = "=owners"

// owners are the plugins that have the commands, by command, and the collections, by
// collectionKey. The plugin that registered a command first owns it, until it gives it up
// or Prefer gives it to another; the first that registered a collection or wrote a record
// owns that, until it is removed.
type owners map[string]string

// collectionKey is the key of a collection among the owners. No command has a space.
func collectionKey(collection string) string { return collectionPrefix + collection }

const collectionPrefix = "collection "

// settle returns the owners after registrations changed: what has none, or whose owner gave
// it up, goes to the first of the plugins that have it registered. own
// are the names of the process's plugins, which come first.
func (o owners) settle(plugins map[string]Registration, removed map[string]bool, own []string, prefix string) owners {
	settled := maps.Clone(o)
	for key, owner := range o {
		r, ok := plugins[owner]
		gaveUp := ok && !strings.HasPrefix(key, collectionPrefix) && !r.has(key, prefix)
		if gaveUp || removed[owner] {
			delete(settled, key)
		}
	}
	names := slices.Sorted(maps.Keys(plugins))
	slices.SortStableFunc(names, func(a, b string) int {
		return cmp.Compare(rankOf(own, a), rankOf(own, b))
	})
	for _, name := range names {
		for _, c := range plugins[name].Commands {
			if key := fold.Key(c.key(prefix)); settled[key] == "" {
				settled[key] = name
			}
		}
		for c := range plugins[name].Collections {
			if key := collectionKey(c); settled[key] == "" {
				settled[key] = name
			}
		}
	}
	return settled
}

func rankOf(own []string, name string) int {
	if slices.Contains(own, name) {
		return 0
	}
	return 1
}

func (r Registration) has(command, prefix string) bool {
	return slices.ContainsFunc(r.Commands, func(c Command) bool { return fold.Key(c.key(prefix)) == command })
}

// hasIn is has in a channel.
func (r Registration) hasIn(command, prefix, channel string) bool {
	return slices.ContainsFunc(r.Commands, func(c Command) bool { return fold.Key(c.key(prefix)) == command && c.in(channel) })
}

// everywhere reports whether one of the plugin's commands of a name is in all channels.
func (r Registration) everywhere(command, prefix string) bool {
	return slices.ContainsFunc(r.Commands, func(c Command) bool { return fold.Key(c.key(prefix)) == command && len(c.Channels) == 0 })
}

// settleOwners saves the owners of commands that have none, as of a revision of the bucket. It
// reports false if another process changed them, which the watcher will tell.
func (g *Registry) settleOwners(ctx context.Context, kv jetstream.KeyValue, revision uint64) (settled bool, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	next := g.owners.settle(g.plugins, g.removed, g.own, g.prefix)
	if !maps.Equal(next, g.owners) {
		saved, err := saveOwners(ctx, kv, next, g.ownersRevision)
		if jsapi.IsConflict(err) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		g.owners, g.ownersRevision = next, saved
	}
	g.settled = max(g.settled, revision)
	g.route(ctx)
	g.missing.settle()
	return true, nil
}

// saveOwners writes the owners unless they were changed since a revision.
func saveOwners(ctx context.Context, kv jetstream.KeyValue, o owners, revision uint64) (uint64, error) {
	revision, err := jsapi.UpdateJSON(ctx, kv, ownersKey, o, revision)
	if err != nil {
		return 0, fmt.Errorf("save the owners of commands: %w", err)
	}
	return revision, nil
}

// route builds the routes of the commands that plugins own, and logs once who waits for a
// command of another. Behind those of an owner that has the command in some channels only come
// those of others.
func (g *Registry) route(ctx context.Context) {
	g.commands = map[string][]route{}
	others := map[string][]route{}
	for _, name := range slices.Sorted(maps.Keys(g.plugins)) {
		for _, c := range g.plugins[name].Commands {
			key := fold.Key(c.key(g.prefix))
			switch owner := g.owners[key]; {
			case owner == name:
				g.commands[key] = append(g.commands[key], route{g.plugins[name], c})
			case owner != "":
				others[key] = append(others[key], route{g.plugins[name], c})
				if g.waiting[name+" "+key] {
					continue
				}
				g.waiting[name+" "+key] = true
				g.log.WarnContext(ctx, "command belongs to another plugin", "command", key, "owner", owner, "waiting", name,
					"remedy", fmt.Sprintf("rosey plugin prefer %s %s", name, key))
			}
		}
	}
	for key, more := range others {
		if len(g.commands[key]) > 0 && !g.plugins[g.owners[key]].everywhere(key, g.prefix) {
			g.commands[key] = append(g.commands[key], more...)
		}
	}
}

// Prefer gives a command to a plugin that has it registered, whoever had it before.
func Prefer(ctx context.Context, kv jetstream.KeyValue, plugin, command, prefix string) error {
	command = fold.Key(strings.TrimPrefix(command, prefix))
	entry, err := kv.Get(ctx, plugin)
	if errors.Is(err, jetstream.ErrKeyNotFound) || errors.Is(err, jetstream.ErrInvalidKey) {
		return event.Errorf(event.RecordNotFound, "there is no plugin %q: see rosey plugin ls", plugin)
	}
	if err != nil {
		return fmt.Errorf("look up %s: %w", plugin, err)
	}
	r, err := ParseRegistration(plugin, entry.Value())
	if err != nil {
		return err
	}
	if !r.has(command, prefix) {
		return event.Errorf(event.RecordNotFound, "%s has no command %q", plugin, command)
	}
	return change(ctx, kv, ownersKey, func(o owners) { o[command] = plugin })
}

// change changes a value of the bucket that is a map, and does it again if another process
// was faster.
func change[M ~map[string]V, V any](ctx context.Context, kv jetstream.KeyValue, key string, do func(M)) error {
	return wrap(jsapi.ChangeJSON(ctx, kv, key, func(m *M) bool {
		if *m == nil {
			*m = M{}
		}
		before := maps.Clone(*m)
		do(*m)
		return !reflect.DeepEqual(*m, before)
	}), "change", key)
}

// read returns a value of the bucket that is a map.
func read[M ~map[string]V, V any](ctx context.Context, kv jetstream.KeyValue, key string) (M, error) {
	m, _, err := jsapi.ReadJSON[M](ctx, kv, key)
	return m, wrap(err, "read", key)
}

func wrap(err error, what, key string) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s key %s of bucket %s: %w", what, key, Bucket, err)
}
