package pluginsettings

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/jsapi"
)

// outbox is the durable consumer of the bucket's revisions: those whose events are not
// known to be stored.
const outbox = "settings-events"

const (
	// settleWait is how long the events of a revision may take to be stored.
	settleWait = time.Minute
	// outboxRetry is the time between two attempts.
	outboxRetry = time.Second
)

// openOutbox makes the consumer if it is missing. The events of earlier revisions, which
// earlier releases wrote, are not its.
func (s *Store) openOutbox(ctx context.Context) (jetstream.Consumer, error) {
	stream := jsapi.BucketStream(Bucket)
	c, err := s.js.Consumer(ctx, stream, outbox)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		c, err = s.js.CreateOrUpdateConsumer(ctx, stream, jetstream.ConsumerConfig{
			Durable: outbox, Description: "Stores the event of each change of a setting", DeliverPolicy: jetstream.DeliverNewPolicy,
			AckPolicy: jetstream.AckExplicitPolicy, AckWait: 2 * settleWait, MaxAckPending: 1,
		})
	}
	if err != nil {
		return nil, fmt.Errorf("open consumer %s: %w", outbox, err)
	}
	return c, nil
}

// KeepPublished stores the events of every revision that lacks them, because the process
// that wrote it ended before it had stored them, until ctx ends. A revision whose events
// cannot be stored comes again until they are. It returns an error earlier if the consumer
// cannot be read.
func (s *Store) KeepPublished(ctx context.Context, bus *streams.Bus, log *slog.Logger) error {
	c, err := s.openOutbox(ctx)
	if err != nil {
		return err
	}
	messages, err := streams.PullOne(c)
	if err != nil {
		return fmt.Errorf("read consumer %s: %w", outbox, err)
	}
	defer messages.Stop()
	defer context.AfterFunc(ctx, messages.Stop)()
	for {
		msg, err := streams.NextMsg(messages)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read consumer %s: %w", outbox, err)
		}
		if err := s.settle(ctx, bus, msg); err != nil {
			log.WarnContext(ctx, "events of settings not stored, retrying", "error", err)
			_ = msg.NakWithDelay(outboxRetry) // or it is redelivered after AckWait
		}
	}
}

// settle stores what events a revision lacks, and acks it.
func (s *Store) settle(ctx context.Context, bus *streams.Bus, msg jetstream.Msg) error {
	ctx, cancel := context.WithTimeout(ctx, settleWait)
	defer cancel()
	meta, err := msg.Metadata()
	if err != nil {
		return err
	}
	r := revisionOf(strings.TrimPrefix(msg.Subject(), "$KV."+Bucket+"."), msg.Data(), msg.Headers().Get("KV-Operation") == "")
	r.Revision, r.At = meta.Sequence.Stream, meta.Timestamp
	if r.Err == nil && !r.Recreated { // else there is nothing to be told
		if err := publishMissing(ctx, bus, r); err != nil {
			return err
		}
	}
	if err := msg.DoubleAck(ctx); err != nil {
		return fmt.Errorf("ack revision %d of bucket %s: %w", r.Revision, Bucket, err)
	}
	return nil
}

// publishMissing stores the events of a revision that are not stored. What the writer stores
// at the same time has the same message ID.
func publishMissing(ctx context.Context, bus *streams.Bus, r Revision) error {
	stored := map[string]bool{}
	read := streams.Selection{Stream: streams.Platform, Subjects: []string{event.SubjectSettings}, Since: r.At.Add(-settleWait)}
	for msg, err := range streams.Messages(ctx, bus.JetStream(), read) {
		if err != nil {
			return fmt.Errorf("read the events of settings: %w", err)
		}
		e, err := streams.ReadRaw(streams.Platform, msg)
		if err != nil {
			continue
		}
		c, err := event.As[event.SettingChange](e.Envelope)
		if err == nil && c.Plugin == r.Plugin && strings.EqualFold(c.Channel, r.Channel) && c.Revision == int64(r.Revision) {
			stored[c.Key] = true
		}
	}
	return publish(ctx, bus, r, stored)
}
