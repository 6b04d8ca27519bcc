package plugins

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

// The states of a registered plugin.
const (
	StateRunning = "running"
	StatePaused  = "paused"
	StateStopped = "stopped"
)

// pausedUntil is when a pause without an end ends.
var pausedUntil = time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC)

// Status is how a registered plugin is.
type Status struct {
	Name      string   `json:"name"`
	Version   string   `json:"version"`
	State     string   `json:"state"` // StateRunning, StatePaused or StateStopped
	Processes int      `json:"processes"`
	Lag       uint64   `json:"lag"` // events that wait
	Unacked   int      `json:"unacked"`
	Commands  []string `json:"commands"`
	MinRank   int      `json:"min_rank"`
	Problem   string   `json:"problem,omitempty"` // what is wrong with its registration

	Description string `json:"-"`
}

// Statuses lists the registered plugins by name, wherever they run.
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
	running, err := Running(ctx, nc)
	if err != nil {
		return nil, err
	}
	durables, err := streams.Consumers(ctx, js)
	for _, c := range durables {
		p := found[strings.TrimPrefix(c.Name, Durable(""))]
		if p == nil || Durable(p.Name) != c.Name {
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

// Consumers lists the durable consumers of a plugin; there may be none.
func Consumers(ctx context.Context, js jetstream.JetStream, plugin string) ([]streams.ConsumerState, error) {
	list, err := streams.Consumers(ctx, js)
	return slices.DeleteFunc(list, func(c streams.ConsumerState) bool { return c.Name != Durable(plugin) }), err
}

// Registered reports whether a plugin of that name is registered, wherever it runs.
func Registered(ctx context.Context, js jetstream.JetStream, plugin string) (bool, error) {
	kv, err := registry(ctx, js, plugin)
	return kv != nil, err
}

// registry is the bucket of registrations, when a plugin of that name is in it.
func registry(ctx context.Context, js jetstream.JetStream, plugin string) (jetstream.KeyValue, error) {
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
		return nil, fmt.Errorf("look for plugin %s: %w", plugin, err)
	}
	return kv, nil
}

// Remove forgets a plugin: its registration and its consumers, with what waits in
// them. It is an error when a process of it runs, or there is nothing of it.
func Remove(ctx context.Context, nc *nats.Conn, js jetstream.JetStream, plugin string) error {
	running, err := Running(ctx, nc)
	if err != nil {
		return err
	}
	if n := len(running[plugin]); n > 0 {
		return fmt.Errorf("%d process(es) of %s still run and would register again: stop them first", n, plugin)
	}
	kv, err := registry(ctx, js, plugin)
	if err != nil {
		return err
	}
	durables, err := Consumers(ctx, js, plugin)
	if err != nil {
		return err
	}
	if kv == nil && len(durables) == 0 {
		return errNoPlugin(plugin)
	}
	if kv != nil {
		if err := kv.Delete(ctx, plugin); err != nil {
			return fmt.Errorf("remove the registration of %s: %w", plugin, err)
		}
	}
	for _, c := range durables {
		if e := js.DeleteConsumer(ctx, c.Stream, c.Name); e != nil {
			err = errors.Join(err, fmt.Errorf("remove %s on %s: %w", c.Name, c.Stream, e))
		}
	}
	return err
}

func errNoPlugin(plugin string) error {
	return fmt.Errorf("there is no plugin %q: see rosey plugin ls", plugin)
}

// Pause leaves a plugin's events in the streams until a point in time, or until
// Resume when that is zero. It is an error when the plugin has no consumer.
func Pause(ctx context.Context, js jetstream.JetStream, plugin string, until time.Time) error {
	durables, err := known(ctx, js, plugin)
	if err != nil {
		return err
	}
	if until.IsZero() {
		until = pausedUntil
	}
	for _, c := range durables {
		if _, err := js.PauseConsumer(ctx, c.Stream, c.Name, until); err != nil {
			return fmt.Errorf("pause %s on %s: %w", c.Name, c.Stream, err)
		}
	}
	return nil
}

// Resume ends a pause and returns how many events had waited.
func Resume(ctx context.Context, js jetstream.JetStream, plugin string) (waiting uint64, err error) {
	durables, err := known(ctx, js, plugin)
	if err != nil {
		return 0, err
	}
	for _, c := range durables {
		if _, err := js.ResumeConsumer(ctx, c.Stream, c.Name); err != nil {
			return waiting, fmt.Errorf("resume %s on %s: %w", c.Name, c.Stream, err)
		}
		waiting += c.Lag
	}
	return waiting, nil
}

// known is Consumers for a plugin that must have some.
func known(ctx context.Context, js jetstream.JetStream, plugin string) ([]streams.ConsumerState, error) {
	list, err := Consumers(ctx, js, plugin)
	if err != nil || len(list) > 0 {
		return list, err
	}
	registered, err := Registered(ctx, js, plugin)
	switch {
	case err != nil:
		return nil, err
	case registered:
		return nil, fmt.Errorf("plugin %q has no consumer: see rosey plugin ls", plugin)
	}
	return nil, errNoPlugin(plugin)
}

// RestartAll is Restart for a person: it returns how many processes were told,
// and an error when none runs.
func RestartAll(ctx context.Context, nc *nats.Conn, plugin string) (told int, err error) {
	running, err := Running(ctx, nc)
	if err != nil {
		return 0, err
	}
	if told = len(running[plugin]); told == 0 {
		return 0, fmt.Errorf("no process of plugin %q runs: see rosey plugin ls", plugin)
	}
	return told, Restart(nc, plugin)
}

// AwaitHandled waits until the plugins that listen to an event that is stored are
// done with it: those named, which the caller runs, and those of which another
// process runs. It returns ctx's error, with their names, when that ends before.
func AwaitHandled(ctx context.Context, js jetstream.JetStream, ours []string, subject string, ref event.Ref) error {
	for {
		behind, err := notHandled(ctx, js, ours, subject, ref)
		if err != nil || len(behind) == 0 {
			return err
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", strings.Join(behind, ", "), ctx.Err())
		}
	}
}

// notHandled lists the plugins that are not done with an event.
func notHandled(ctx context.Context, js jetstream.JetStream, ours []string, subject string, ref event.Ref) (behind []string, err error) {
	stream, err := js.Stream(ctx, ref.Stream)
	if err != nil {
		return nil, fmt.Errorf("stream %s: %w", ref.Stream, err)
	}
	lister := stream.ListConsumers(ctx)
	for info := range lister.Info() {
		name, ok := strings.CutPrefix(info.Config.Durable, Durable(""))
		listens := streams.Reads(info.Config, subject)
		runs := slices.Contains(ours, name) || streams.Attended(info)
		if ok && listens && runs && !info.Paused && info.AckFloor.Stream < ref.Seq {
			behind = append(behind, name)
		}
	}
	if err := lister.Err(); err != nil {
		return nil, fmt.Errorf("consumers of %s: %w", ref.Stream, err)
	}
	return behind, nil
}
