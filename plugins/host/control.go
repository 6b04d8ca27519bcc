package host

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/retry"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/monitor"
)

// Remove deletes a plugin's registration and consumers, with their pending events, which it
// does not handle if it comes back.
// It is an error if a process of the plugin runs, or the plugin does not exist.
func Remove(ctx context.Context, nc *nats.Conn, js jetstream.JetStream, plugin string) error {
	running, err := Instances(ctx, nc)
	if err != nil {
		return err
	}
	if n := len(running[plugin]); n > 0 {
		return fmt.Errorf("%d process(es) of %s still run and would register again: stop them first", n, plugin)
	}
	kv, err := bucketWith(ctx, js, plugin)
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
		if err := router.DeleteCapabilities(ctx, kv, plugin); err != nil {
			return fmt.Errorf("revoke what was granted to %s: %w", plugin, err)
		}
	}
	for _, c := range durables {
		err = errors.Join(err, streams.RemoveDurable(ctx, js, c.Stream, c.Name))
	}
	return err
}

func errNoPlugin(plugin string) error {
	return fmt.Errorf("there is no plugin %q: see rosey plugin ls", plugin)
}

// indefinitely is the end of a pause without one.
var indefinitely = time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC)

// Pause pauses a plugin's consumers until a point in time, or until Resume if that
// is zero. It is an error if the plugin has no consumer.
func Pause(ctx context.Context, js jetstream.JetStream, plugin string, until time.Time) error {
	durables, err := existing(ctx, js, plugin)
	if err != nil {
		return err
	}
	if until.IsZero() {
		until = indefinitely
	}
	for _, c := range durables {
		if _, err := js.PauseConsumer(ctx, c.Stream, c.Name, until); err != nil {
			return fmt.Errorf("pause %s on %s: %w", c.Name, c.Stream, err)
		}
	}
	return nil
}

// Resume ends a pause and returns how many events were pending.
func Resume(ctx context.Context, js jetstream.JetStream, plugin string) (waiting uint64, err error) {
	durables, err := existing(ctx, js, plugin)
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

// existing returns a plugin's consumers, or an error if there are none.
func existing(ctx context.Context, js jetstream.JetStream, plugin string) ([]monitor.ConsumerState, error) {
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

// Restart makes every running instance of a plugin start again, and returns how
// many there are. It is an error if there is none.
func Restart(ctx context.Context, nc *nats.Conn, plugin string) (instances int, err error) {
	running, err := Instances(ctx, nc)
	if err != nil {
		return 0, err
	}
	if instances = len(running[plugin]); instances == 0 {
		return 0, fmt.Errorf("no process of plugin %q runs: see rosey plugin ls", plugin)
	}
	if err := nc.Publish(streams.RestartSubject(plugin), nil); err != nil {
		return 0, fmt.Errorf("restart plugin %s: %w", plugin, err)
	}
	return instances, nc.Flush()
}

// AwaitHandled waits until the plugins that subscribe to a stored event have
// acknowledged it: those of this process, named by local, and those that another
// process runs. If ctx ends before, the error wraps ctx's and names them.
func AwaitHandled(ctx context.Context, js jetstream.JetStream, local []string, subject string, ref event.Ref) error {
	handles := func(info *jetstream.ConsumerInfo) bool {
		plugin, ok := strings.CutPrefix(info.Name, streams.Durable("")) // not of what reads the past
		runs := slices.Contains(local, plugin) || monitor.HasReader(info)
		return ok && runs && info.Stream == ref.Stream && streams.MatchesFilter(info.Config, subject) && !info.Paused && info.AckFloor.Stream < ref.Seq
	}
	var behind []string
	err := monitor.EachConsumer(ctx, js, func(info *jetstream.ConsumerInfo) {
		if handles(info) {
			behind = append(behind, info.Name)
		}
	})
	for err == nil && len(behind) > 0 {
		if err := retry.Sleep(ctx, 20*time.Millisecond); err != nil {
			return fmt.Errorf("%s: %w", strings.ReplaceAll(strings.Join(behind, ", "), streams.Durable(""), ""), err)
		}
		behind = slices.DeleteFunc(behind, func(name string) bool {
			consumer, err := js.Consumer(ctx, ref.Stream, name)
			return err == nil && !handles(consumer.CachedInfo()) || errors.Is(err, jetstream.ErrConsumerNotFound)
		})
	}
	return err
}
