package access

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/telemetry/propagation"
)

// delegate is the streams.Manager of a plugin with credentials of its own.
type delegate struct {
	js     jetstream.JetStream
	plugin string
}

// Delegate returns the Manager of a plugin whose credentials allow no consumers
// and timers: it calls the Provisioner.
func Delegate(js jetstream.JetStream, plugin string) streams.Manager { return delegate{js, plugin} }

// OpenConsumer implements streams.Manager. The provisioner ignores the settings that
// durableRequest does not have.
func (d delegate) OpenConsumer(ctx context.Context, stream string, want jetstream.ConsumerConfig) (jetstream.Consumer, error) {
	request := durableRequest{
		Stream: stream, Subjects: want.FilterSubjects, AckWait: want.AckWait, MaxDeliver: want.MaxDeliver, MaxAckPending: want.MaxAckPending,
	}
	if want.OptStartTime != nil {
		request.Since = *want.OptStartTime
	}
	verb := verbDurable
	if want.Durable == streams.PastDurable(d.plugin) {
		verb = verbPast
	}
	if _, err := d.request(ctx, verb, nil, request); err != nil {
		return nil, err
	}
	return d.js.Consumer(ctx, stream, want.Durable)
}

// SetTimer implements streams.Manager.
func (d delegate) SetTimer(ctx context.Context, msg *nats.Msg, timer string, at time.Time) (ack jetstream.PubAck, err error) {
	msg.Header.Set(headerTimer, timer)
	msg.Header.Set(headerAt, at.UTC().Format(time.RFC3339Nano))
	reply, err := d.request(ctx, verbTimer, msg.Header, json.RawMessage(msg.Data))
	if err == nil {
		err = json.Unmarshal(reply, &ack)
	}
	return ack, err
}

// CancelTimer implements streams.Manager.
func (d delegate) CancelTimer(ctx context.Context, _, timer string, own uint64) error {
	header := nats.Header{headerTimer: {timer}, headerKeepOwn: {"true"}}
	if own > 0 {
		header.Set(headerKeepOwn, strconv.FormatUint(own, 10))
	}
	if cause := propagation.Cause(ctx); cause != (event.Ref{}) {
		header.Set(headerCause, cause.String())
	}
	_, err := d.request(ctx, verbCancelTimer, header, struct{}{})
	return err
}

// Outputs implements streams.Manager. A bot of an earlier release finds none.
func (d delegate) Outputs(ctx context.Context, _, subject string, since time.Time) (outputs map[string]event.Ref, err error) {
	reply, err := d.request(ctx, verbOutputs, nil, outputsRequest{subject, since})
	if errors.Is(err, nats.ErrNoResponders) {
		return nil, nil
	}
	if err == nil {
		err = json.Unmarshal(reply, &outputs)
	}
	return outputs, err
}

// SaveExchanges implements streams.Manager.
func (d delegate) SaveExchanges(ctx context.Context, _ string, of event.Ref, x streams.Exchanges) error {
	_, err := d.request(ctx, verbExchanges, nil, keepRequest{of.String(), x})
	return err
}

func (d delegate) request(ctx context.Context, verb string, header nats.Header, request any) ([]byte, error) {
	body, err := json.Marshal(request)
	if err != nil {
		return nil, fmt.Errorf("request the provisioner: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, streams.DefaultTimeout)
	defer cancel()
	reply, err := d.js.Conn().RequestMsgWithContext(ctx, &nats.Msg{Subject: provisionSubject(d.plugin, verb), Header: header, Data: body})
	if errors.Is(err, nats.ErrNoResponders) {
		return nil, event.Errorf(event.NATSError, "nothing provisions consumers and timers for %s, whose credentials do not allow them: is the bot running? %w", d.plugin, err)
	}
	if err != nil {
		return nil, event.Errorf(event.NATSError, "request the provisioner: %w", err)
	}
	return reply.Data, event.ReplyError(reply.Data)
}
