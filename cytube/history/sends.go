package history

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

// Delivered reports whether a cytube.delivery of a send is recorded.
func (r *Reader) Delivered(ctx context.Context, send event.Ref) (delivered bool, err error) {
	_, last, err := r.bounds(ctx)
	if err != nil {
		return false, err
	}
	err = r.each(ctx, event.SubjectDelivery, send.Seq+1, last, func(s streams.Stored) bool {
		d, err := event.As[event.Delivery](s.Envelope)
		delivered = err == nil && d.Send == send.String()
		return !delivered
	})
	return delivered, err
}

// Unsettled returns since when the channel's outbox holds sends that may have to be
// spoken. Earlier ones are older than age, or one behind them was confirmed or given
// up, and they are taken in order.
func (r *Reader) Unsettled(ctx context.Context, age time.Duration) (since time.Time, err error) {
	stream, err := r.js.Stream(ctx, streams.Cytube)
	if err != nil {
		return since, fmt.Errorf("open stream %s: %w", streams.Cytube, err)
	}
	info := stream.CachedInfo()
	since = info.TimeStamp.Add(-age)
	from, err := streams.SequenceSince(ctx, r.js, stream, since)
	if err != nil {
		return since, err
	}
	settled := map[string]bool{}
	for _, subject := range []string{event.SubjectChat, event.SubjectPM, event.SubjectDelivery} {
		err := r.each(ctx, subject, from, info.State.LastSeq, func(s streams.Stored) bool {
			if cause, ok := s.Causation(); ok {
				settled[cause.String()] = true
			}
			if d, err := event.As[event.Delivery](s.Envelope); err == nil && s.Subject == event.SubjectDelivery {
				settled[d.Send] = true
			}
			return true
		})
		if err != nil {
			return since, err
		}
	}
	err = r.each(ctx, event.OutboxSubject(r.channel), from, info.State.LastSeq, func(s streams.Stored) bool {
		if o, err := event.As[event.Outbox](s.Envelope); err == nil && settled[o.Send] {
			since = s.At.Add(time.Nanosecond)
		}
		return true
	})
	return since, err
}

// Next returns the first event of a subject at a sequence or after it; ok is false if
// there is none. It passes over malformed ones.
func (r *Reader) Next(ctx context.Context, subject string, from uint64) (s streams.Stored, ok bool, err error) {
	stream, err := r.stream(ctx)
	if err != nil {
		return s, false, err
	}
	for {
		msg, err := stream.GetMsg(ctx, from, jetstream.WithGetMsgSubject(subject))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return s, false, nil
		}
		if err != nil {
			return s, false, fmt.Errorf("read %s from %s: %w", subject, streams.Cytube, err)
		}
		if s, err := streams.ReadRaw(streams.Cytube, msg); err == nil {
			return s, true, nil
		}
		from = msg.Sequence + 1
	}
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
