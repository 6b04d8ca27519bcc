package host

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/streams"
)

// The states of a registered plugin.
const (
	StateRunning = "running"
	StatePaused  = "paused"
	StateStopped = "stopped"
)

// Status is the state of a registered plugin.
type Status struct {
	Name      string   `json:"name"`
	Version   string   `json:"version"`
	State     string   `json:"state"` // StateRunning, StatePaused or StateStopped
	Processes int      `json:"processes"`
	Lag       uint64   `json:"lag"` // events not delivered yet
	Unacked   int      `json:"unacked"`
	Commands  []string `json:"commands"`
	MinRank   int      `json:"min_rank"`
	Problem   string   `json:"problem,omitempty"` // why its registration is invalid

	Description string `json:"-"`
}

// Statuses returns the registered plugins in the order of their names, whichever
// processes run them.
func Statuses(ctx context.Context, nc *nats.Conn, js jetstream.JetStream) ([]Status, error) {
	kv, err := js.KeyValue(ctx, router.Bucket)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open bucket %s: %w", router.Bucket, err)
	}
	found, err := registered(ctx, kv)
	if err != nil {
		return nil, err
	}
	running, err := Instances(ctx, nc)
	if err != nil {
		return nil, err
	}
	durables, err := streams.Consumers(ctx, js)
	for _, c := range durables {
		p := found[strings.TrimPrefix(c.Name, streams.Durable(""))]
		if p == nil || streams.Durable(p.Name) != c.Name {
			continue
		}
		p.Lag += c.Lag
		p.Unacked += c.Unacked
		if c.Paused {
			p.State = StatePaused
		}
	}
	list := make([]Status, 0, len(found))
	for _, name := range slices.Sorted(maps.Keys(found)) {
		p := found[name]
		p.Processes = len(running[name])
		if p.State != StatePaused && p.Processes > 0 {
			p.State = StateRunning
		}
		list = append(list, *p)
	}
	return list, err
}

// registered reads the bucket of registrations.
func registered(ctx context.Context, kv jetstream.KeyValue) (map[string]*Status, error) {
	keys, err := kv.ListKeys(ctx)
	if err != nil {
		return nil, fmt.Errorf("list plugins: %w", err)
	}
	found := map[string]*Status{}
	for key := range keys.Keys() {
		entry, err := kv.Get(ctx, key)
		if errors.Is(err, jetstream.ErrKeyNotFound) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read plugin %s: %w", key, err)
		}
		p := &Status{Name: key, State: StateStopped}
		if r, err := router.ParseRegistration(key, entry.Value()); err != nil {
			p.Problem = err.Error()
		} else {
			p.Version, p.MinRank, p.Description = r.Version, r.MinRank, r.Description
			for _, command := range r.Commands {
				p.Commands = append(p.Commands, command.Name)
			}
		}
		found[key] = p
	}
	return found, nil
}

// Consumers returns the durable consumers of a plugin, if any.
func Consumers(ctx context.Context, js jetstream.JetStream, plugin string) ([]streams.ConsumerState, error) {
	list, err := streams.Consumers(ctx, js)
	return slices.DeleteFunc(list, func(c streams.ConsumerState) bool { return c.Name != streams.Durable(plugin) }), err
}

// Registered reports whether a plugin of that name is registered.
func Registered(ctx context.Context, js jetstream.JetStream, plugin string) (bool, error) {
	kv, err := bucketWith(ctx, js, plugin)
	return kv != nil, err
}

// bucketWith returns the bucket of registrations, or nil if it holds no plugin of
// that name.
func bucketWith(ctx context.Context, js jetstream.JetStream, plugin string) (jetstream.KeyValue, error) {
	kv, err := js.KeyValue(ctx, router.Bucket)
	if err == nil {
		_, err = kv.Get(ctx, plugin)
	}
	for _, none := range [...]error{jetstream.ErrBucketNotFound, jetstream.ErrKeyNotFound, jetstream.ErrInvalidKey} {
		if errors.Is(err, none) {
			return nil, nil
		}
	}
	if err != nil {
		return nil, fmt.Errorf("look up plugin %s: %w", plugin, err)
	}
	return kv, nil
}
