package sender

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/streams"
)

// VacatedChannels lists the channels that have a consumer for their sends and are not
// among the channels given.
func VacatedChannels(ctx context.Context, js jetstream.JetStream, channels []string) (vacated []string, err error) {
	stream, err := js.Stream(ctx, streams.Cytube)
	if err != nil {
		return nil, fmt.Errorf("list vacated channels: %w", err)
	}
	lister := stream.ConsumerNames(ctx)
	for name := range lister.Name() {
		if channel, ok := ChannelOf(name); ok && !slices.ContainsFunc(channels, func(c string) bool { return OutboxDurable(c) == name }) {
			vacated = append(vacated, channel)
		}
	}
	if err := lister.Err(); err != nil {
		return nil, fmt.Errorf("list vacated channels: %w", err)
	}
	return vacated, nil
}

// Vacate records a channel's pending sends as refused, and deletes its consumer. No bot may
// be in the channel.
func Vacate(ctx context.Context, bus *streams.Bus, channel string, log *slog.Logger) error {
	s := New(bus, Config{Channel: channel, Channels: []string{""}, Logger: log})
	c, err := bus.JetStream().Consumer(ctx, streams.Cytube, OutboxDurable(channel))
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	from := c.CachedInfo().AckFloor.Stream + 1
	if err := s.refuseWaiting(ctx, from); err != nil {
		return err
	}
	if err := s.deleteConsumer(ctx, OutboxDurable(channel)); err != nil {
		return err
	}
	// From now on others refuse what is sent to the channel. What came while they still
	// saw its consumer is refused here.
	return s.refuseWaiting(ctx, from)
}

// refuseWaiting refuses the channel's sends from a sequence on whose end is not recorded.
func (s *Sender) refuseWaiting(ctx context.Context, from uint64) error {
	for u, err := range s.unfinished(ctx, from, "") {
		if err != nil {
			return err
		}
		if err := s.refuse(streams.ContextWithEvent(ctx, u.send), u.send, s.cfg.Channel); err != nil {
			return err
		}
	}
	return nil
}
