package kvstore

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/streams"
)

type earlierKey struct{}

// earlierWrites finds the writes of an earlier attempt of a request, which the server no
// longer knows by their message IDs or got under another signature.
type earlierWrites struct {
	since time.Time

	mu   sync.Mutex
	read map[string]map[string]uint64 // sequences by unsigned message ID, by collection
}

// WithEarlier returns a context whose writes with a message ID (see WithMsgID) are looked
// for among those that were made since a point in time, and not made again.
func WithEarlier(ctx context.Context, since time.Time) context.Context {
	return context.WithValue(ctx, earlierKey{}, &earlierWrites{since: since, read: map[string]map[string]uint64{}})
}

// earlierWrite returns the sequence of an earlier write with a message ID, or 0.
func (b *bucket) earlierWrite(ctx context.Context, id string) (uint64, error) {
	w, _ := ctx.Value(earlierKey{}).(*earlierWrites)
	if w == nil || id == "" {
		return 0, nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	seqs, ok := w.read[b.collection]
	if !ok {
		seqs = map[string]uint64{}
		selection := streams.Selection{Stream: b.stream.CachedInfo().Config.Name, Since: w.since}
		for msg, err := range streams.Messages(ctx, b.store.js, selection) {
			if err != nil {
				return 0, fmt.Errorf("look for an earlier write: %w", err)
			}
			if id := unsigned(msg.Header.Get(jetstream.MsgIDHeader)); id != "" && seqs[id] == 0 {
				seqs[id] = msg.Sequence
			}
		}
		w.read[b.collection] = seqs
	}
	return seqs[unsigned(id)], nil
}

// unsigned returns a message ID without its signature, which the name of a part may follow.
func unsigned(id string) string {
	head, rest, _ := strings.Cut(id, "~")
	if _, part, ok := strings.Cut(rest, "/"); ok {
		head += "/" + part
	}
	return head
}
