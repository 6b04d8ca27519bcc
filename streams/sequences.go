package streams

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
)

// AdvanceSequence takes one of our event streams past its sequences up to seq, so that no new
// event gets one of them. Other streams are left as they are.
//
// It is for sequences that were given out to events that are gone, while what
// those caused is not: its Nats-Msg-Id names the cause, and what a new event with
// the same sequence causes would be dropped as a repeat.
func AdvanceSequence(ctx context.Context, js jetstream.JetStream, stream string, seq uint64) error {
	spec, ok := acknowledging(stream)
	if !ok {
		return nil
	}
	s, err := js.Stream(ctx, stream)
	if err != nil {
		return fmt.Errorf("pass sequences of %s: %w", stream, err)
	}
	subject := strings.NewReplacer("*", passed, ">", passed).Replace(spec.Subjects[len(spec.Subjects)-1])
	for last := s.CachedInfo().State.LastSeq; last < seq; {
		before := last
		if last, err = fill(ctx, js, s, subject, min(seq-last, passAtOnce)); err == nil && last == before {
			err = fmt.Errorf("it stays at %d", last)
		}
		if err != nil {
			return fmt.Errorf("pass sequences of %s up to %d: %w", stream, seq, err)
		}
	}
	return nil
}

// stallTimeout is how long the server may leave the sequences that fill publishes
// unacknowledged.
const stallTimeout = 2 * time.Minute

// passAtOnce is how many sequences are taken up before what does so goes: it is not
// to take the room of events, where a stream may hold only so much.
const passAtOnce = 1000

// fill takes up n sequences and returns the last of the stream.
func fill(ctx context.Context, js jetstream.JetStream, s jetstream.Stream, subject string, n uint64) (last uint64, err error) {
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

// passed stands where the subject of what only takes up a sequence has a name.
const passed = "_passed_"

// acknowledging is one of our streams that recognises repeats.
func acknowledging(stream string) (Spec, bool) {
	i := slices.IndexFunc(topology[:], func(s Spec) bool { return s.Name == stream && !s.NoAck })
	if i < 0 {
		return Spec{}, false
	}
	return topology[i], true
}

// mostLost is more events than a stream can lose in a power cut. A message ID that
// names a later cause is somebody's invention.
const mostLost = 200_000

// unsynced is longer than a server leaves what it wrote to the operating system
// before it has it put on the disk, which is 2 minutes unless set.
const unsynced = 3 * time.Minute

// Reconcile makes the streams agree after a power cut, which can take the last
// moments of one stream and leave those of another: it looks at what the streams
// hold last for causes that are gone, and has their sequences passed. It may run
// beside others, also where nothing is wrong. The log is told what it did, and of
// an error what may come of it: nobody is to be kept from running by that.
func Reconcile(ctx context.Context, js jetstream.JetStream, log *slog.Logger) {
	passed, err := reconcile(ctx, js)
	for _, ref := range passed {
		log.WarnContext(ctx, "the last events of a stream are lost, as after a power cut; sync_always prevents that", "stream", ref.Stream, "up_to", ref.Seq)
	}
	if err != nil {
		log.WarnContext(ctx, "the streams were not reconciled: after a power cut, a command may be taken for one that was lost, and stay unanswered", "error", err)
	}
}

// reconcile returns up to where sequences were passed.
func reconcile(ctx context.Context, js jetstream.JetStream) (passed []event.Ref, err error) {
	states, err := States(ctx, js)
	if err != nil {
		return nil, err
	}
	var last time.Time
	for _, s := range states {
		if s.Last.After(last) {
			last = s.Last
		}
	}
	causes := map[string]uint64{}
	limits := map[string]uint64{}
	for _, s := range states {
		limits[s.Name] = s.LastSeq + mostLost
	}
	var errs []error
	for _, s := range states {
		if s.Messages == 0 || s.Last.Before(last.Add(-unsynced)) || !holdsEffects(s.Name) {
			continue
		}
		if err := eachCause(ctx, js, s.Name, last.Add(-unsynced), func(ref event.Ref) {
			if ref.Seq <= limits[ref.Stream] {
				causes[ref.Stream] = max(causes[ref.Stream], ref.Seq)
			}
		}); err != nil {
			errs = append(errs, fmt.Errorf("read what %s holds last: %w", s.Name, err))
		}
	}
	// Only now, as events may be stored meanwhile.
	if states, err = States(ctx, js); err != nil {
		return nil, errors.Join(append(errs, err)...)
	}
	for _, s := range states {
		if seq := causes[s.Name]; seq > s.LastSeq {
			if err := AdvanceSequence(ctx, js, s.Name, seq); err != nil {
				errs = append(errs, err)
				continue
			}
			passed = append(passed, event.Ref{Stream: s.Name, Seq: seq})
		}
	}
	return passed, errors.Join(errs...)
}

// holdsEffects reports whether a stream is one of ours, or a bucket, in which there
// is what events have caused.
func holdsEffects(stream string) bool {
	return strings.HasPrefix(stream, BucketStream("")) || IsOurs(stream)
}

// IsOurs reports whether a stream is one of the topology.
func IsOurs(stream string) bool {
	return slices.ContainsFunc(topology[:], func(s Spec) bool { return s.Name == stream })
}

// eachCause visits the events of our streams that Nats-Msg-Ids in a stream name as
// causes.
func eachCause(ctx context.Context, js jetstream.JetStream, stream string, since time.Time, visit func(event.Ref)) error {
	for msg, err := range Messages(ctx, js, Selection{Stream: stream, Since: since}) {
		if err != nil {
			return err
		}
		if ref, ok := causeOf(msg.Header.Get(jetstream.MsgIDHeader)); ok {
			visit(ref)
		}
	}
	return nil
}

// causeOf is the event that a Nats-Msg-Id <consumer>/<STREAM>:<SEQ>/… names.
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
