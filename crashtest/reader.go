package crashtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

// reader looks into the streams, as long as somebody serves them, and leaves no
// trace there.
type reader struct {
	js jetstream.JetStream

	mu   sync.Mutex
	next uint64 // sequence of CYTUBE to go on from
	seen map[int]bool
}

const (
	batchSize   = 500
	readTimeout = time.Second
)

// each hands a stream's events from a sequence on to f.
func (r *reader) each(ctx context.Context, stream string, from uint64, f func(streams.Stored)) (next uint64, err error) {
	for {
		batch, err := jetstreamext.GetBatch(ctx, r.js, stream, batchSize, jetstreamext.GetBatchSeq(from))
		if err != nil {
			return from, err
		}
		before := from
		for msg, err := range batch {
			if errors.Is(err, jetstreamext.ErrNoMessages) {
				return from, nil
			}
			if err != nil {
				return from, err
			}
			from = msg.Sequence + 1
			s, err := streams.ReadRaw(stream, msg)
			if err != nil {
				return from, fmt.Errorf("%s: %w", s.Ref, err)
			}
			f(s)
		}
		if from == before {
			return from, nil
		}
	}
}

// poll takes note of what was recorded since the last time. It fails without a
// word while NATS is down.
func (r *reader) poll(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.seen == nil {
		r.seen, r.next = map[int]bool{}, 1
	}
	r.next, _ = r.each(ctx, streams.Cytube, r.next, func(s streams.Stored) {
		if chat, err := event.As[event.Chat](s.Envelope); s.Subject == event.SubjectChat && err == nil && chat.User != botName {
			if n, ok := numberOf(chat.Message); ok {
				r.seen[n] = true
			}
		}
	})
}

// recorded is how many different commands were recorded.
func (r *reader) recorded() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.seen)
}

// all reads a whole stream.
func (r *reader) all(ctx context.Context, stream string) (list []streams.Stored, err error) {
	_, err = r.each(ctx, stream, 1, func(s streams.Stored) { list = append(list, s) })
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", stream, err)
	}
	return list, nil
}

// work is how far the streams are, and which consumers have something to do.
func (r *reader) work(ctx context.Context) (end uint64, waiting string, err error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	var busy []string
	for _, name := range []string{streams.Cytube, streams.Plugin} {
		s, err := r.js.Stream(ctx, name)
		if err != nil {
			return 0, "", fmt.Errorf("stream %s: %w", name, err)
		}
		end += s.CachedInfo().State.LastSeq
		lister := s.ListConsumers(ctx)
		for info := range lister.Info() {
			if info.Config.Durable != "" && info.NumPending+uint64(info.NumAckPending) > 0 {
				busy = append(busy, fmt.Sprintf("%s on %s has %d events before it and %d in hand", info.Name, name, info.NumPending, info.NumAckPending))
			}
		}
		if err := lister.Err(); err != nil {
			return 0, "", fmt.Errorf("consumers of %s: %w", name, err)
		}
	}
	return end, strings.Join(busy, "; "), nil
}

// quotes are the texts that the database holds.
func quotes(ctx context.Context, bus *streams.Bus) (texts []string, err error) {
	limit := 1000
	for {
		offset := len(texts)
		body, err := bus.Request(ctx, event.SubjectQuery, event.Query{Collection: "quotes", Limit: &limit, Offset: &offset, OrderBy: "id"})
		if err != nil {
			return nil, fmt.Errorf("query the database: %w", err)
		}
		var reply struct{ Data []struct{ Text string } }
		if err := json.Unmarshal(body, &reply); err != nil {
			return nil, fmt.Errorf("query the database: %w", err)
		}
		for _, q := range reply.Data {
			texts = append(texts, q.Text)
		}
		if len(reply.Data) < limit {
			return texts, nil
		}
	}
}
