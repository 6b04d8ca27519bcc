package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"
	"github.com/synadia-io/orbit.go/natsext"

	"github.com/rosey-bot/rosey/internal/retry"
	"github.com/rosey-bot/rosey/plugins"
)

const (
	instancesTimeout = 2 * time.Second
	// answerGap is how long Instances waits for one more answer.
	answerGap = 150 * time.Millisecond
)

// AwaitEnd waits until none of the instances of a plugin in before runs any more.
func AwaitEnd(ctx context.Context, nc *nats.Conn, plugin string, before []plugins.Instance) error {
	return retry.Do(ctx, retry.Every(retry.DefaultInitial), func(ctx context.Context) error {
		now, err := Instances(ctx, nc)
		if err == nil && slices.ContainsFunc(now[plugin], func(i plugins.Instance) bool { return slices.Contains(before, i) }) {
			err = fmt.Errorf("%s has not restarted yet: it does after its current event", plugin)
		}
		return err
	})
}

// Instances returns the running instances of all plugins, by plugin, in the bot or
// in any other process. With an error it returns those that answered before it.
func Instances(ctx context.Context, nc *nats.Conn) (map[string][]plugins.Instance, error) {
	subject, err := micro.ControlSubject(micro.InfoVerb, "", "")
	if err != nil {
		return nil, fmt.Errorf("list plugin instances: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, instancesTimeout)
	defer cancel()
	answers, err := natsext.RequestMany(ctx, nc, subject, nil, natsext.RequestManyStall(answerGap))
	if errors.Is(err, nats.ErrNoResponders) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list plugin instances: %w", err)
	}
	running := map[string][]plugins.Instance{}
	for msg, err := range answers {
		if errors.Is(err, nats.ErrNoResponders) {
			return running, nil
		}
		if err != nil {
			return running, fmt.Errorf("list plugin instances: %w", err)
		}
		var info micro.Info
		if err := json.Unmarshal(msg.Data, &info); err != nil {
			continue // not a micro service
		}
		if name := info.Metadata["plugin"]; name != "" {
			running[name] = append(running[name], plugins.Instance{Plugin: name, ID: info.ID, Version: info.Version})
		}
	}
	return running, nil
}
