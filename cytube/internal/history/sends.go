package history

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

// Delivered reports whether a cytube.delivery of a send is recorded.
func (r *Reader) Delivered(ctx context.Context, send event.Ref) (delivered bool, err error) {
	err = r.Since(ctx, event.SubjectDelivery, send.Seq+1, func(s streams.Stored) bool {
		d, err := event.As[event.Delivery](s.Envelope)
		delivered = err == nil && d.Send == send.String()
		return !delivered
	})
	return delivered, err
}

// Referred returns the send that an outbox event refers to; ok is false if the stream
// does not hold it. The error of a malformed reference has the code INVALID_INPUT.
func (r *Reader) Referred(ctx context.Context, outbox streams.Stored) (send streams.Stored, ok bool, err error) {
	o, err := event.As[event.Outbox](outbox.Envelope)
	if err != nil {
		return send, false, err
	}
	ref, err := event.ParseRef(o.Send)
	if err != nil {
		return send, false, err
	}
	if ref.Stream != streams.Cytube {
		return send, false, event.Errorf(event.InvalidInput, "%s refers to %s, which is no send", outbox.Ref, ref)
	}
	stream, err := r.stream(ctx)
	if err != nil {
		return send, false, err
	}
	raw, err := stream.GetMsg(ctx, ref.Seq)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return send, false, nil
	}
	if err == nil {
		send, err = streams.ReadRaw(ref.Stream, raw)
	}
	if err != nil {
		return send, false, fmt.Errorf("read %s: %w", ref, err)
	}
	send.Attempt = outbox.Attempt
	return send, true, nil
}

// stream returns the stream CYTUBE, looked up once: asking for its state for each
// send would cost more than the send.
func (r *Reader) stream(ctx context.Context) (jetstream.Stream, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cytube == nil {
		s, err := r.js.Stream(ctx, streams.Cytube)
		if err != nil {
			return nil, fmt.Errorf("open stream %s: %w", streams.Cytube, err)
		}
		r.cytube = s
	}
	return r.cytube, nil
}
