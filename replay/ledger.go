package replay

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/rosey-bot/rosey/streams"
)

// sentBucket is the KV bucket that remembers, for sentKept, which spans were sent
// where: there are collectors that show a span twice which they got twice.
const (
	sentBucket = "traces_sent"
	sentKept   = 7 * 24 * time.Hour
)

// ledger is the memory of what one collector was sent. Each key is a trace, its
// value the IDs of the spans one after another.
type ledger struct {
	kv     jetstream.KeyValue
	prefix string
	again  bool
	fresh  map[string][]byte // values to be kept once the batch is sent
}

func openLedger(ctx context.Context, js jetstream.JetStream, destination string, again bool) (*ledger, error) {
	kv, err := streams.OpenBucketLike(ctx, js, streams.Cytube, jetstream.KeyValueConfig{
		Bucket: sentBucket, Description: "Spans that were sent to a collector afterwards", TTL: sentKept,
	})
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(destination))
	return &ledger{kv: kv, prefix: fmt.Sprintf("%x.", sum[:8]), again: again, fresh: map[string][]byte{}}, nil
}

// unsent are those spans of one trace that were not sent before.
func (s *ledger) unsent(ctx context.Context, spans []sdktrace.ReadOnlySpan) ([]sdktrace.ReadOnlySpan, error) {
	if len(spans) == 0 {
		return nil, nil
	}
	key := s.prefix + spans[0].SpanContext().TraceID().String()
	var ids []byte
	switch entry, err := s.kv.Get(ctx, key); {
	case err == nil:
		ids = entry.Value()
	case !errors.Is(err, jetstream.ErrKeyNotFound):
		return nil, fmt.Errorf("look up what was sent: %w", err)
	}
	known := map[trace.SpanID]bool{}
	for id := range slices.Chunk(ids, len(trace.SpanID{})) {
		known[trace.SpanID(id)] = true
	}
	var fresh []sdktrace.ReadOnlySpan
	for _, span := range spans {
		id := span.SpanContext().SpanID()
		if !known[id] {
			ids = append(ids, id[:]...)
		}
		if !known[id] || s.again {
			fresh = append(fresh, span)
		}
	}
	s.fresh[key] = ids
	return fresh, nil
}

// keep remembers what unsent let pass: it was sent.
func (s *ledger) keep(ctx context.Context) error {
	for key, ids := range s.fresh {
		if _, err := s.kv.Put(ctx, key, ids); err != nil {
			return fmt.Errorf("remember what was sent: %w", err)
		}
	}
	clear(s.fresh)
	return nil
}
