package access

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nats.go/micro"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

// durableRequest is all that a plugin may say of its consumer, or of its consumers on all
// streams that hold the subjects.
type durableRequest struct {
	Stream        string        `json:"stream"`   // "" is all that hold the subjects
	Subjects      []string      `json:"subjects"` // filters; patterns of the contract, too, where Stream is ""
	Since         time.Time     `json:"since"`
	CommandsSince time.Time     `json:"commands_since,omitzero"` // where Stream is "": Since, of the stream of commands
	AckWait       time.Duration `json:"ack_wait"`                // ns
	MaxDeliver    int           `json:"max_deliver"`
	MaxAckPending int           `json:"max_ack_pending"`
}

// config returns the consumer of a name that a plugin asks for.
func (d durableRequest) config(durable string) jetstream.ConsumerConfig {
	c := jetstream.ConsumerConfig{
		Durable: durable, FilterSubjects: d.Subjects, DeliverPolicy: jetstream.DeliverAllPolicy, AckPolicy: jetstream.AckExplicitPolicy,
		AckWait: d.AckWait, MaxDeliver: d.MaxDeliver, MaxAckPending: d.MaxAckPending,
	}
	if !d.Since.IsZero() {
		c.DeliverPolicy, c.OptStartTime = jetstream.DeliverByStartTimePolicy, &d.Since
	}
	return c
}

// durableReply names the streams on which a durable was opened.
type durableReply struct {
	Streams []string `json:"streams"`
}

// openDurable opens the durables of a plugin that name names.
func (p *Provisioner) openDurable(name func(plugin string) string) func(context.Context, string, micro.Request) (any, error) {
	return func(ctx context.Context, plugin string, r micro.Request) (any, error) {
		var d durableRequest
		if err := json.Unmarshal(r.Data(), &d); err != nil {
			return nil, event.Errorf(event.InvalidInput, "%w", err)
		}
		all, err := d.byStream(plugin)
		if err != nil {
			return nil, err
		}
		for _, d := range all { // before any is opened
			if err := p.checkSubjects(ctx, plugin, d); err != nil {
				return nil, err
			}
		}
		var reply durableReply
		for _, d := range all {
			if _, err := p.manager.OpenConsumer(ctx, d.Stream, d.config(name(plugin))); err != nil {
				return nil, err
			}
			reply.Streams = append(reply.Streams, d.Stream)
		}
		return reply, nil
	}
}

// byStream returns a request for each stream. A plugin may not read the streams of requests.
func (d durableRequest) byStream(plugin string) (all []durableRequest, err error) {
	filters := map[string][]string{d.Stream: d.Subjects}
	if d.Stream == "" {
		if filters, err = streams.Filters(d.Subjects...); err != nil {
			return nil, err
		}
	}
	for _, stream := range streams.ReadableStreams() {
		subjects, ok := filters[stream]
		if !ok {
			continue
		}
		of := d
		of.Stream, of.Subjects = stream, subjects
		if d.Stream == "" && stream == streams.Plugin && !d.CommandsSince.IsZero() {
			of.Since = d.CommandsSince
		}
		all = append(all, of)
	}
	if len(all) == 0 {
		return nil, event.Errorf(event.PermissionDenied, "plugin %s may read subjects of the streams %s, not %v of %q", plugin, strings.Join(streams.ReadableStreams(), ", "), d.Subjects, d.Stream)
	}
	return all, nil
}
