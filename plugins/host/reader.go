package host

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/consumers/pluginsettings"
	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/replay"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/monitor"
)

// reader implements plugins.Reader on a bus.
type reader struct {
	bus    *streams.Bus
	onRead func() // see Host.OnRead

	settings *pluginsettings.Store // nil has none set
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

func (r reader) Event(ctx context.Context, ref event.Ref) (replay.Event, error) {
	r.read()
	s, err := r.bus.JetStream().Stream(ctx, ref.Stream)
	if err != nil {
		return replay.Event{}, fmt.Errorf("read event %s: %w", ref, err)
	}
	raw, err := s.GetMsg(ctx, ref.Seq)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return replay.Event{}, event.Errorf(event.RecordNotFound, "event %s is not stored any more", ref)
	}
	if err != nil {
		return replay.Event{}, fmt.Errorf("read event %s: %w", ref, err)
	}
	return replay.NewEvent(ref.Stream, raw), nil
}

func (r reader) Stream(ctx context.Context, name string) (*jetstream.StreamInfo, error) {
	r.read()
	s, err := r.bus.JetStream().Stream(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("read stream %s: %w", name, err)
	}
	return s.CachedInfo(), nil
}

func (r reader) Consumers(ctx context.Context) ([]monitor.ConsumerState, error) {
	r.read()
	return monitor.Consumers(ctx, r.bus.JetStream())
}

func (r reader) Instances(ctx context.Context) (map[string][]plugins.Instance, error) {
	r.read()
	return Instances(ctx, r.bus.Conn())
}

func (r reader) Registrations(ctx context.Context) ([]router.Registration, error) {
	channel := ""
	if of, ok := ctx.(*plugins.Context); ok {
		channel = of.Channel()
	}
	return router.Known(ctx, r.bus.JetStream(), r.settings, channel)
}
