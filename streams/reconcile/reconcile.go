// Package reconcile advances streams past sequences that were lost, so that no message ID
// that names one comes a second time.
package reconcile

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/jsapi"
	"github.com/rosey-bot/rosey/streams/monitor"
	"github.com/rosey-bot/rosey/streams/msgid"
)

// The Nats-Msg-Id of what an event causes names the event's position, as in
// "router/CYTUBE:42/1". A power cut can take the last events of one stream and leave
// what they caused in another; so can damaged files, and a backup, whose streams are
// copied one after the other. A new event with a lost sequence would then have its
// effects dropped as duplicates. Here streams are advanced past lost sequences.

// AdvanceSequence makes the next event of one of our event streams get a sequence
// greater than seq. Other streams are left as they are.
func AdvanceSequence(ctx context.Context, js jetstream.JetStream, stream string, seq uint64) error {
	spec, ok := acknowledging(stream)
	if !ok {
		return nil
	}
	s, err := js.Stream(ctx, stream)
	if err != nil {
		return fmt.Errorf("advance the sequence of %s: %w", stream, err)
	}
	subject := spec.FillerSubject()
	for last := s.CachedInfo().State.LastSeq; last < seq; {
		before := last
		if last, err = publishFillers(ctx, js, s, subject, min(seq-last, fillersAtOnce)); err == nil && last == before {
			err = fmt.Errorf("it stays at %d", last)
		}
		if err != nil {
			return fmt.Errorf("advance the sequence of %s to %d: %w", stream, seq, err)
		}
	}
	return nil
}

const (
	// fillersAtOnce are purged before more are published, so that they displace no
	// events from a stream that may hold only so much.
	fillersAtOnce = 1000
	stallTimeout  = 2 * time.Minute
)

// publishFillers publishes and purges n empty messages, and returns the stream's last
// sequence.
func publishFillers(ctx context.Context, js jetstream.JetStream, s jetstream.Stream, subject string, n uint64) (last uint64, err error) {
	for range n {
		if _, err := js.PublishAsync(subject, nil, jetstream.WithStallWait(stallTimeout)); err != nil {
			return 0, err
		}
	}
	select {
	case <-js.PublishAsyncComplete():
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	if err := s.Purge(ctx, jetstream.WithPurgeSubject(subject)); err != nil {
		return 0, err
	}
	info, err := s.Info(ctx)
	if err != nil {
		return 0, err
	}
	return info.State.LastSeq, nil
}

const (
	// maxLost is more events than a stream can lose in a power cut.
	maxLost = 200_000
	// maxUnverified bounds how far an ID advances a stream that is not signed with the
	// store's secret: it is a plugin's with credentials of its own, or forged.
	maxUnverified = 10_000
	// unsynced is longer than a server leaves writes to the operating system before
	// it syncs them, which is 2 minutes unless configured.
	unsynced = 3 * time.Minute
)

// Run advances streams past the events that a power cut took and that message
// IDs of what was stored last still name as causes. It may run beside others, also
// where nothing is lost. It logs what it did and its failure, which is no reason not
// to run.
func Run(ctx context.Context, js jetstream.JetStream, log *slog.Logger) {
	advanced, err := reconcile(ctx, js)
	for _, ref := range advanced {
		log.WarnContext(ctx, "last events of a stream lost, as after a power cut; sync_always prevents that", "stream", ref.Stream, "up_to", ref.Seq)
	}
	if err != nil {
		log.WarnContext(ctx, "streams not reconciled: after a power cut, a new command may be dropped as a duplicate", "error", err)
	}
}

// reconcile returns the sequences to which streams were advanced.
func reconcile(ctx context.Context, js jetstream.JetStream) (advanced []event.Ref, err error) {
	signer, err := msgid.ReadSigner(ctx, js)
	if err != nil {
		return nil, err
	}
	causes, errs, err := lastCauses(ctx, js, signer)
	if err != nil {
		return nil, err
	}
	// The states are read again because events may have been stored meanwhile.
	states, err := monitor.Streams(ctx, js)
	if err != nil {
		return nil, errors.Join(append(errs, err)...)
	}
	for _, s := range states {
		if seq := causes[s.Name]; seq > s.LastSeq {
			if err := AdvanceSequence(ctx, js, s.Name, seq); err != nil {
				errs = append(errs, err)
				continue
			}
			advanced = append(advanced, event.Ref{Stream: s.Name, Seq: seq})
		}
	}
	return advanced, errors.Join(errs...)
}

// lastCauses returns, by stream, the greatest sequence that the latest messages of all
// streams and buckets name as their cause. Errs are about single streams.
func lastCauses(ctx context.Context, js jetstream.JetStream, signer msgid.Signer) (causes map[string]uint64, errs []error, err error) {
	states, err := monitor.Streams(ctx, js)
	if err != nil {
		return nil, nil, err
	}
	var last time.Time
	lastSeqs := map[string]uint64{}
	for _, s := range states {
		lastSeqs[s.Name] = s.LastSeq
		if s.Last.After(last) {
			last = s.Last
		}
	}
	causes = map[string]uint64{}
	since := last.Add(-unsynced)
	for _, s := range states {
		holdsEffects := strings.HasPrefix(s.Name, jsapi.BucketStream("")) || streams.InTopology(s.Name)
		if s.Messages == 0 || s.Last.Before(since) || !holdsEffects {
			continue
		}
		for msg, err := range streams.Messages(ctx, js, streams.Selection{Stream: s.Name, Since: since}) {
			if err != nil {
				errs = append(errs, err)
				break
			}
			id := msg.Header.Get(jetstream.MsgIDHeader)
			ref, ok := causeOf(id)
			if !ok || ref.Seq <= lastSeqs[ref.Stream] {
				continue
			}
			lost := ref.Seq - lastSeqs[ref.Stream]
			if lost <= maxUnverified || lost <= maxLost && signer.Verify(id) {
				causes[ref.Stream] = max(causes[ref.Stream], ref.Seq)
			}
		}
	}
	return causes, errs, nil
}

// causeOf returns the event that a Nats-Msg-Id <consumer>/<STREAM>:<SEQ>/… names.
func causeOf(id string) (event.Ref, bool) {
	_, rest, _ := strings.Cut(id, "/")
	name, _, more := strings.Cut(rest, "/")
	ref, err := event.ParseRef(name)
	if err != nil || !more {
		return event.Ref{}, false
	}
	_, ours := acknowledging(ref.Stream)
	return ref, ours
}

// acknowledging returns the Spec of one of our streams that drops duplicates.
func acknowledging(stream string) (streams.Spec, bool) {
	specs := streams.Specs()
	i := slices.IndexFunc(specs, func(s streams.Spec) bool { return s.Name == stream && !s.NoAck })
	if i < 0 {
		return streams.Spec{}, false
	}
	return specs[i], true
}
