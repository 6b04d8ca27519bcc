package streams

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams/msgid"
)

// Outputs returns what the Bus's source has stored on a subject since a point in time, by
// message ID without the signature. It reads the stream: the server forgets IDs after
// DuplicateWindow, and the same ID is another one to it under another secret.
func (b *Bus) Outputs(ctx context.Context, subject string, since time.Time) (map[string]event.Ref, error) {
	return b.manager.Outputs(ctx, b.Source(), subject, since)
}

// Outputs implements Manager.
func (m *manager) Outputs(ctx context.Context, source, subject string, since time.Time) (map[string]event.Ref, error) {
	stream, ok := For(subject)
	if !ok {
		return nil, nil
	}
	outputs := map[string]event.Ref{}
	for msg, err := range Messages(ctx, m.js, Selection{Stream: stream.Name, Subjects: []string{subject}, Since: since}) {
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("read what was stored on %s: %w", subject, err)
		}
		id := msgid.Unsigned(msg.Header.Get(jetstream.MsgIDHeader))
		if id == "" {
			continue
		}
		// Only the source's own: a plugin may use an ID that it guessed.
		if s, err := ReadRaw(stream.Name, msg); err == nil && s.Meta(event.MetaSource) == source {
			if _, repeated := outputs[id]; !repeated {
				outputs[id] = s.Ref
			}
		}
	}
	return outputs, nil
}
