package crashtest

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/monitor"
)

// reader reads the streams, as long as a server serves them, and leaves no trace there.
type reader struct {
	js       jetstream.JetStream
	next     uint64       // sequence of CYTUBE to go on from
	recorded map[int]bool // the commands recorded so far
}

const readTimeout = time.Second

// each calls f with a stream's events from a sequence on. It returns the sequence to go on from, also with an error.
func (r *reader) each(ctx context.Context, stream string, from uint64, f func(streams.Stored)) (next uint64, err error) {
	for msg, err := range streams.Messages(ctx, r.js, streams.Selection{Stream: stream, From: from}) {
		if err != nil {
			return from, err
		}
		s, err := streams.ReadRaw(stream, msg)
		if err != nil {
			return from, fmt.Errorf("%s: %w", s.Ref, err)
		}
		f(s)
		from = msg.Sequence + 1
	}
	return from, nil
}

// poll updates recorded. While NATS is down it does nothing.
func (r *reader) poll(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	r.next, _ = r.each(ctx, streams.Cytube, r.next, func(s streams.Stored) {
		if chat, err := event.As[event.Chat](s.Envelope); s.Subject == event.SubjectChat && err == nil && chat.User != botName {
			if n, ok := numberOf(chat.Message); ok {
				r.recorded[n] = true
			}
		}
	})
}

func (r *reader) all(ctx context.Context, stream string) (list []streams.Stored, err error) {
	_, err = r.each(ctx, stream, 1, func(s streams.Stored) { list = append(list, s) })
	return list, err
}

// backlog returns the last sequences of the streams, added up, and which consumers have events left.
func (r *reader) backlog(ctx context.Context) (end uint64, waiting string, err error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	states, err := monitor.Streams(ctx, r.js)
	if err != nil {
		return 0, "", err
	}
	for _, s := range states {
		if s.Name == streams.Cytube || s.Name == streams.Plugin {
			end += s.LastSeq
		}
	}
	consumers, err := monitor.Consumers(ctx, r.js)
	var busy []string
	for _, c := range consumers {
		if c.Backlog() > 0 {
			busy = append(busy, fmt.Sprintf("%s on %s has %d events pending and %d unacknowledged", c.Name, c.Stream, c.Lag, c.Unacked))
		}
	}
	return end, strings.Join(busy, "; "), err
}

// quotes returns the texts that the database holds.
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
