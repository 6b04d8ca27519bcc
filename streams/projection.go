package streams

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/streams/jsapi"
)

// projection is the mark in the bucket Checkpoints of what a plugin has made of the past.
type projection struct {
	Version int `json:"version"`
}

func projectionKey(plugin string) string { return "projection." + plugin }

// ProjectionVersion returns the version of a plugin's projection, 1 if none is stored.
func ProjectionVersion(ctx context.Context, js jetstream.JetStream, plugin string) (int, error) {
	kv, err := openCheckpoints(ctx, js, Cytube)
	if err != nil {
		return 0, err
	}
	p, revision, err := jsapi.ReadJSON[projection](ctx, kv, projectionKey(plugin))
	if err != nil {
		return 0, fmt.Errorf("read the version of the projection of plugin %s: %w", plugin, err)
	}
	if revision == 0 {
		return 1, nil
	}
	return p.Version, nil
}

// NoteProjection stores the version of a plugin's projection.
func NoteProjection(ctx context.Context, js jetstream.JetStream, plugin string, version int) error {
	kv, err := openCheckpoints(ctx, js, Cytube)
	if err != nil {
		return err
	}
	note := func(p *projection) bool { p.Version = version; return true }
	if err := jsapi.ChangeJSON(ctx, kv, projectionKey(plugin), note); err != nil {
		return fmt.Errorf("note the version of the projection of plugin %s: %w", plugin, err)
	}
	return nil
}

// HasRead reports whether a durable consumer has settled events, now or before it was lost.
func HasRead(ctx context.Context, js jetstream.JetStream, stream, durable string) (bool, error) {
	settled, err := Settled(ctx, js, stream, durable)
	if err != nil || settled > 0 {
		return settled > 0, err
	}
	c, err := js.Consumer(ctx, stream, durable)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look at consumer %s: %w", durable, err)
	}
	return c.CachedInfo().AckFloor.Stream > 0, nil
}

// Rewind has a PastDurable begin at the first event of its stream again.
func Rewind(ctx context.Context, js jetstream.JetStream, stream, durable string) error {
	if _, err := js.ResetConsumerToSequence(ctx, stream, durable, 1); err == nil {
		return nil
	}
	// It is gone, or was made to begin after its checkpoint, or the server cannot reset.
	return DeleteDurable(ctx, js, stream, durable)
}
