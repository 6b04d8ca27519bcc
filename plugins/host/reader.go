package host

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
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/replay"
	"github.com/rosey-bot/rosey/streams"
)

// reader implements plugins.Reader on a bus.
type reader struct {
	bus    *streams.Bus
	onRead func() // see Host.OnRead
}

func (r reader) read() {
	if r.onRead != nil {
		r.onRead()
	}
}

func (r reader) Events(ctx context.Context, q replay.Query) iter.Seq2[replay.Event, error] {
	r.read()
	return replay.Read(ctx, r.bus.JetStream(), q)
}

func (r reader) Stream(ctx context.Context, name string) (*jetstream.StreamInfo, error) {
	r.read()
	s, err := r.bus.JetStream().Stream(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("read stream %s: %w", name, err)
	}
	return s.CachedInfo(), nil
}

func (r reader) Consumers(ctx context.Context, stream string) ([]*jetstream.ConsumerInfo, error) {
	r.read()
	s, err := r.bus.JetStream().Stream(ctx, stream)
	if err != nil {
		return nil, fmt.Errorf("read stream %s: %w", stream, err)
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

func (r reader) Instances(ctx context.Context) (map[string][]plugins.Instance, error) {
	r.read()
	return Instances(ctx, r.bus.Conn())
}

// Registrations reads the bucket by direct gets: a plugin with credentials of its
// own may not create a consumer on it.
func (r reader) Registrations(ctx context.Context) ([]router.Registration, error) {
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
