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

// Find returns where the Bus's source has stored an event of a subject with a message ID
// since a point in time. It reads the stream: the server forgets IDs after DuplicateWindow,
// and the same ID is another one to it under another secret. A restricted plugin, which may
// not read the stream, finds nothing.
func (b *Bus) Find(ctx context.Context, subject, id string, since time.Time) (ack Ack, found bool, err error) {
	stream, ok := For(subject)
	if _, trusted := b.manager.(*manager); !trusted || !ok {
		return Ack{}, false, nil
	}
	for msg, err := range Messages(ctx, b.js, Selection{Stream: stream.Name, Subjects: []string{subject}, Since: since}) {
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			break
		}
		if err != nil {
			return Ack{}, false, fmt.Errorf("find %s: %w", subject, err)
		}
		if msgid.Unsigned(msg.Header.Get(jetstream.MsgIDHeader)) != id {
			continue
		}
		// Only the source's own: a plugin may use an ID that it guessed.
		if s, err := ReadRaw(stream.Name, msg); err == nil && s.Meta(event.MetaSource) == b.Source() {
			return Ack{Ref: s.Ref, Duplicate: true}, true, nil
		}
	}
	return Ack{}, false, nil
}
