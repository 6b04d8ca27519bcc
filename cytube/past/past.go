// Package past reads a channel as it is or was, by folding the stored events: from the
// snapshot before a moment on, so that it takes as long however much is stored.
package past

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/klauspost/compress/s2"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/cytube/view"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

const (
	// interval is how many sequences of CYTUBE, at least, lie between two snapshots of a
	// channel: how many messages are read for any moment.
	interval = 2048
	// lookback is how many sequences are read where there is no snapshot, as in what
	// earlier releases stored.
	lookback = 100_000
)

// Moment is a channel at one moment.
type Moment struct {
	*view.View
	Seq uint64 // of the last event of CYTUBE up to then, of any channel; 0 if there is none

	base uint64 // Seq of the snapshot that it was folded from, 0 without one
}

// saved is a snapshot as it is stored, in JSON compressed by S2.
type saved struct {
	Seq  uint64     `json:"seq"`
	View *view.View `json:"view"`
}

// At returns a channel as it was at a time, or as it is if that is zero. What no stored
// event says is not known, see view.View.
func At(ctx context.Context, js jetstream.JetStream, channel string, at time.Time) (Moment, error) {
	m := Moment{View: view.New(strings.ToLower(channel))}
	stream, err := js.Stream(ctx, streams.Cytube)
	if err != nil {
		return m, fmt.Errorf("open stream %s: %w", streams.Cytube, err)
	}
	state := stream.CachedInfo().State
	m.Seq = state.LastSeq
	if !at.IsZero() {
		after, err := streams.SequenceSince(ctx, js, stream, at)
		if err != nil {
			return m, err
		}
		m.Seq = max(after, 1) - 1
	}
	from, err := m.load(ctx, js, at)
	if err != nil {
		return m, err
	}
	if m.base == 0 {
		from = max(state.FirstSeq, 1)
		if m.Seq > lookback {
			from = max(from, m.Seq-lookback+1)
		}
	}
	return m, m.fold(ctx, js, from)
}

// Advance folds what was stored since, so that m is the channel as it is. It is read anew if
// the stream is another.
func (m *Moment) Advance(ctx context.Context, js jetstream.JetStream) error {
	stream, err := js.Stream(ctx, streams.Cytube)
	if err != nil {
		return fmt.Errorf("open stream %s: %w", streams.Cytube, err)
	}
	last := stream.CachedInfo().State.LastSeq
	if last < m.Seq || last > m.Seq+lookback {
		*m, err = At(ctx, js, m.Channel, time.Time{})
		return err
	}
	from := m.Seq + 1
	m.Seq = last
	return m.fold(ctx, js, from)
}

// load takes the last snapshot by a time, and returns the sequence to go on from.
func (m *Moment) load(ctx context.Context, js jetstream.JetStream, at time.Time) (from uint64, err error) {
	raw, err := streams.ChannelSnapshot(ctx, js, m.Channel, at)
	if err != nil || raw == nil {
		return 0, err
	}
	var s saved
	if raw, err = s2.Decode(nil, raw); err == nil {
		err = json.Unmarshal(raw, &s)
	}
	if err != nil || s.View == nil || s.Seq > m.Seq { // of a later release, or of another store
		return 0, nil //nolint:nilerr // it is made again
	}
	m.View, m.base = s.View, s.Seq
	return s.Seq + 1, nil
}

// fold applies the events from a sequence on.
func (m *Moment) fold(ctx context.Context, js jetstream.JetStream, from uint64) error {
	if from > m.Seq {
		return nil
	}
	for msg, err := range streams.Messages(ctx, js, streams.Selection{Stream: streams.Cytube, From: from, To: m.Seq}) {
		if err != nil {
			return err
		}
		if !view.Relevant(msg.Subject) {
			continue
		}
		if s, err := streams.ReadRaw(streams.Cytube, msg); err == nil && s.Meta(event.MetaRetryFor) == "" {
			m.Apply(s.Envelope, s.Ref)
		}
	}
	return nil
}

// Save stores a snapshot of a channel if enough was stored since the one before.
func Save(ctx context.Context, js jetstream.JetStream, channel string) error {
	m, err := At(ctx, js, channel, time.Time{})
	if err != nil {
		return err
	}
	return m.Save(ctx, js)
}

// Save stores m as a snapshot if enough was stored since the one that it was read from.
func (m *Moment) Save(ctx context.Context, js jetstream.JetStream) error {
	if m.Seq < m.base+interval || !m.Whole() {
		return nil
	}
	raw, err := json.Marshal(saved{m.Seq, m.View})
	if err != nil {
		return err
	}
	return streams.SaveChannelSnapshot(ctx, js, m.Channel, s2.Encode(nil, raw))
}
