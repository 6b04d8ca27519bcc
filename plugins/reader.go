package plugins

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"

	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/replay"
	"github.com/rosey-bot/rosey/streams"
)

// Reader reads the streams and what is known of the plugins. It changes nothing.
type Reader struct {
	bus    *streams.Bus
	looked func() // see Host.Looked
}

func (r Reader) look() {
	if r.looked != nil {
		r.looked()
	}
}

// Events reads the past; see replay.Read.
func (r Reader) Events(ctx context.Context, q replay.Query) iter.Seq2[replay.Event, error] {
	r.look()
	return replay.Read(ctx, r.bus.JetStream(), q)
}

// Stream tells of a stream: how much it holds and since when.
func (r Reader) Stream(ctx context.Context, name string) (*jetstream.StreamInfo, error) {
	r.look()
	s, err := r.bus.JetStream().Stream(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("look at stream %s: %w", name, err)
	}
	return s.CachedInfo(), nil
}

// Consumers tells of a stream's consumers: what waits for each, and whether
// anybody reads it.
func (r Reader) Consumers(ctx context.Context, stream string) ([]*jetstream.ConsumerInfo, error) {
	r.look()
	s, err := r.bus.JetStream().Stream(ctx, stream)
	if err != nil {
		return nil, fmt.Errorf("look at stream %s: %w", stream, err)
	}
	var all []*jetstream.ConsumerInfo
	list := s.ListConsumers(ctx)
	for info := range list.Info() {
		all = append(all, info)
	}
	if err := list.Err(); err != nil {
		return nil, fmt.Errorf("list consumers of %s: %w", stream, err)
	}
	return all, nil
}

// Running lists the running instances of plugins; see the function of that name.
func (r Reader) Running(ctx context.Context) (map[string][]Instance, error) {
	r.look()
	return Running(ctx, r.bus.Conn())
}

// Plugins lists the registrations, in the order of their names. One that cannot
// be read is left out.
func (r Reader) Plugins(ctx context.Context) ([]router.Registration, error) {
	// With no consumer, which a plugin with credentials of its own may not make.
	subject := "$KV." + router.Bucket + "."
	values, err := jetstreamext.GetLastMsgsFor(ctx, r.bus.JetStream(), "KV_"+router.Bucket, []string{subject + ">"})
	if err != nil {
		return nil, fmt.Errorf("list plugins: %w", err)
	}
	var all []router.Registration
	for msg, err := range values {
		if errors.Is(err, jetstreamext.ErrNoMessages) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("list plugins: %w", err)
		}
		if p, err := router.ParseRegistration(strings.TrimPrefix(msg.Subject, subject), msg.Data); err == nil {
			all = append(all, p)
		}
	}
	slices.SortFunc(all, func(a, b router.Registration) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}
