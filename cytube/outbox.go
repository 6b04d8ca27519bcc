package cytube

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/consumers"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

// Left lists the channels that a bot was in, so that they have a SenderDurable, and
// that are not among channels.
func Left(ctx context.Context, js jetstream.JetStream, channels []string) (left []string, err error) {
	stream, err := js.Stream(ctx, streams.Cytube)
	if err != nil {
		return nil, fmt.Errorf("look for channels that were left: %w", err)
	}
	lister := stream.ConsumerNames(ctx)
	for name := range lister.Name() {
		if channel, ok := ChannelOf(name); ok && !slices.ContainsFunc(channels, func(c string) bool { return SenderDurable(c) == name }) {
			left = append(left, channel)
		}
	}
	if err := lister.Err(); err != nil {
		return nil, fmt.Errorf("look for channels that were left: %w", err)
	}
	return left, nil
}

// Leave records what still waits to be said in a channel as refused, and removes its
// SenderDurable. No bot may be in the channel. Observe, which may be nil, is told of
// each send.
func Leave(ctx context.Context, bus *streams.Bus, channel string, log *slog.Logger, observe func(consumers.Outcome)) error {
	cfg := Config{Channel: channel, Dispatched: true}.withDefaults()
	s := &sender{cfg: cfg, history: &history{js: bus.JetStream(), channel: cfg.Channel}, left: true, log: log, stats: new(counters), settled: observe}
	return s.finish(ctx, bus)
}

// finishOutbox speaks what a Dispatcher left for the channel before this was the
// bot's only one.
func (c *Connector) finishOutbox(ctx context.Context, s *sender) error {
	if c.cfg.Dispatched {
		return nil
	}
	several := *s
	several.cfg.Dispatched = true
	return several.finish(ctx, c.bus)
}

// finish is run until nothing waits in the channel's outbox, into which nothing may be
// put any more. Then it removes the durable consumer.
func (s *sender) finish(ctx context.Context, bus *streams.Bus) error {
	durable := s.cfg.durable()
	outbox, err := bus.JetStream().Consumer(ctx, streams.Cytube, durable)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look up consumer %s: %w", durable, err)
	}
	if info := outbox.CachedInfo(); !drained(info) {
		s.log.InfoContext(ctx, "settling first what waits since the bot was in several channels", "channel", s.cfg.Channel, "sends", int(info.NumPending)+info.NumAckPending)
		if err := s.drain(ctx, bus, outbox); err != nil {
			return err
		}
	}
	err = bus.JetStream().DeleteConsumer(ctx, streams.Cytube, durable)
	if err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
		return fmt.Errorf("remove consumer %s: %w", durable, err)
	}
	return nil
}

func drained(outbox *jetstream.ConsumerInfo) bool {
	return outbox.NumPending == 0 && outbox.NumAckPending == 0
}

// drain is run until nothing waits for the consumer.
func (s *sender) drain(ctx context.Context, bus *streams.Bus, outbox jetstream.Consumer) error {
	work, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- s.run(work, bus) }()
	tick := time.NewTicker(outboxLook)
	defer tick.Stop()
	for {
		select {
		case err := <-ended:
			return err
		case <-tick.C:
		}
		if info, err := outbox.Info(ctx); err == nil && drained(info) {
			cancel()
			<-ended
			return nil
		}
	}
}

// outboxLook is how often it is looked whether an outbox is drained.
const outboxLook = 200 * time.Millisecond

// run is consumers.Run.
func (s *sender) run(ctx context.Context, bus *streams.Bus) error {
	if err := s.open(ctx, bus); err != nil {
		return err
	}
	return consumers.Run(ctx, bus, s.config(), s.handle)
}

// open makes the durable consumer exist. That of an outbox begins behind what is
// settled: there may have been one, when the bot was in several channels before.
func (s *sender) open(ctx context.Context, bus *streams.Bus) error {
	if !s.cfg.Dispatched {
		return nil // Run makes it
	}
	config := s.config()
	_, err := bus.JetStream().Consumer(ctx, streams.Cytube, config.Durable)
	if !errors.Is(err, jetstream.ErrConsumerNotFound) {
		return err
	}
	if config.Since, err = s.history.unsettled(ctx, s.cfg.MaxAge); err != nil {
		return fmt.Errorf("look where consumer %s begins: %w", config.Durable, err)
	}
	return consumers.Open(ctx, bus, config)
}

// unsettled is since when the channel's outbox holds what may have to be spoken. What
// came before is older than a send may be, or one behind it was heard or given up:
// they are taken in order.
func (h *history) unsettled(ctx context.Context, age time.Duration) (since time.Time, err error) {
	stream, err := h.js.Stream(ctx, streams.Cytube)
	if err != nil {
		return since, fmt.Errorf("open stream %s: %w", streams.Cytube, err)
	}
	info := stream.CachedInfo()
	since = info.TimeStamp.Add(-age)
	from, err := streams.SequenceSince(ctx, h.js, stream, since)
	if err != nil {
		return since, err
	}
	ended := map[string]bool{}
	for _, subject := range []string{event.SubjectChat, event.SubjectPM, event.SubjectDelivery} {
		err := h.each(ctx, subject, from, info.State.LastSeq, func(s streams.Stored) bool {
			if cause, ok := s.Causation(); ok {
				ended[cause.String()] = true
			}
			if d, err := event.As[event.Delivery](s.Envelope); err == nil && s.Subject == event.SubjectDelivery {
				ended[d.Send] = true
			}
			return true
		})
		if err != nil {
			return since, err
		}
	}
	err = h.each(ctx, event.OutboxSubject(h.channel), from, info.State.LastSeq, func(s streams.Stored) bool {
		if o, err := event.As[event.Outbox](s.Envelope); err == nil && ended[o.Send] {
			since = s.At.Add(time.Nanosecond)
		}
		return true
	})
	return since, err
}

// refuse records that a send was not heard, in a channel that no bot is in any more:
// unless it was, by one that died before it could acknowledge it.
func (s *sender) refuse(ctx context.Context, d streams.Stored, parts []*utterance) ([]event.Envelope, error) {
	if len(parts) > 0 {
		heard, err := s.history.spoken(ctx, d.Ref, parts, "")
		if err != nil || len(heard) == len(parts) {
			return nil, err
		}
	}
	return s.delivery(ctx, d, event.DeliveryRefused, "the bot is not in channel "+s.cfg.Channel)
}
