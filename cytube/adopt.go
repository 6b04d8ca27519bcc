package cytube

import (
	"context"

	"go.opentelemetry.io/otel/trace"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

// adopt looks for the send that a process before this one died speaking: a line
// of the bot's in the chat buffer that is not recorded is the echo of it.
func (r *recorder) adopt(ctx context.Context) {
	type reader struct{ durable, subject string }
	readers := []reader{{SenderDurable(r.cfg.Channel), event.OutboxSubject(r.cfg.Channel)}}
	if !r.cfg.Dispatched { // an outbox that is left comes first: see finishOutbox
		readers = append(readers, reader{r.cfg.durable(), event.AllSends})
	}
	for _, from := range readers {
		var adopted bool
		r.retry(ctx, func() (err error) {
			adopted, err = r.adoptFrom(ctx, from.durable, from.subject)
			return err
		})
		if adopted {
			return
		}
	}
}

// adoptFrom adopts the first send of which a durable consumer has not seen the
// end, and of which no end is recorded: one is spoken after the other.
func (r *recorder) adoptFrom(ctx context.Context, durable, subject string) (adopted bool, err error) {
	seq, ok, err := r.history.unacknowledged(ctx, durable)
	for ; err == nil && ok && !adopted; seq++ {
		var send streams.Stored
		if send, ok, err = r.history.next(ctx, subject, seq); err == nil && ok {
			seq = send.Ref.Seq
			adopted, err = r.adoptSend(ctx, send)
		}
	}
	return adopted, err
}

// adoptSend adopts a send, or the one that an outbox event refers to, unless its
// end is recorded.
func (r *recorder) adoptSend(ctx context.Context, send streams.Stored) (bool, error) {
	if event.Match(event.AllOutboxes, send.Subject) {
		s, ok, err := r.history.referred(ctx, send)
		if event.CodeOf(err) == event.InvalidInput {
			return false, nil // malformed: it is not spoken
		}
		if err != nil || !ok {
			return false, err
		}
		send = s
	}
	parts, channel, err := utterances(send, r.cfg.MessageLimit,
		trace.SpanContextFromContext(streams.Handling(context.Background(), send)))
	if err != nil || len(parts) == 0 || !r.cfg.accepts(channel) {
		return false, nil
	}
	heard, err := r.history.spoken(ctx, send.Ref, parts, r.room.self)
	if err != nil || len(heard) == len(parts) {
		return false, err
	}
	if over, err := r.history.delivered(ctx, send.Ref); err != nil || over {
		return false, err
	}
	r.voice.adopt(parts, heard)
	return true, nil
}
