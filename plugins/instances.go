package plugins

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"
	"github.com/synadia-io/orbit.go/natsext"
)

// Instance is a running process of a plugin.
type Instance struct {
	Plugin  string `json:"plugin"`
	ID      string `json:"id"`
	Version string `json:"version"`
}

// answerGap is how long to wait for one more instance to answer.
const answerGap = 150 * time.Millisecond

// Running asks around which plugins have a running process, in the bot or
// anywhere else, and lists their instances by plugin.
func Running(ctx context.Context, nc *nats.Conn) (map[string][]Instance, error) {
	subject, err := micro.ControlSubject(micro.InfoVerb, "", "")
	if err != nil {
		return nil, fmt.Errorf("ask for running plugins: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	answers, err := natsext.RequestMany(ctx, nc, subject, nil, natsext.RequestManyStall(answerGap))
	if errors.Is(err, nats.ErrNoResponders) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("ask for running plugins: %w", err)
	}
	running := map[string][]Instance{}
	for msg, err := range answers {
		if errors.Is(err, nats.ErrNoResponders) {
			return running, nil
		}
		if err != nil {
			return running, fmt.Errorf("ask for running plugins: %w", err)
		}
		var info micro.Info
		if err := json.Unmarshal(msg.Data, &info); err != nil {
			continue // another service's answer that is none of ours
		}
		if name := info.Metadata["plugin"]; name != "" {
			running[name] = append(running[name], Instance{Plugin: name, ID: info.ID, Version: info.Version})
		}
	}
	return running, nil
}
