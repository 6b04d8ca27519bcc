package streams

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"

	"github.com/rosey-bot/rosey/internal/retry"
	"github.com/rosey-bot/rosey/streams/jsapi"
)

// Selection says which of a stream's messages are read. The zero value of a field
// excludes nothing.
type Selection struct {
	Stream   string
	Subjects []string  // patterns, one of which the subject matches; they may overlap
	Since    time.Time // stored then or later
	From, To uint64    // sequences, both inclusive
}

// Messages returns the selected messages that the stream held when the iteration
// began, in the order of their sequences, without fillers (see IsFiller), and ends. It
// reads by batched direct gets.
// From a stream that does not allow these it gets message by message, which is some
// ten times slower.
//
// Any server of a cluster answers a direct get, also one that lags. Messages
// therefore asks the stream's leader before it ends: it misses no message that was
// acknowledged before the iteration began, and waits for a replica that lags, up to
// 15 s without progress. It may return a message that was deleted in the
// meantime. Headers are those that were stored, without those of direct gets.
//
// The error that ends the iteration names the stream and wraps
// jetstream.ErrStreamNotFound or the context's error where it is one of these.
func Messages(ctx context.Context, js jetstream.JetStream, s Selection) iter.Seq2[*jetstream.RawStreamMsg, error] {
	return func(yield func(*jetstream.RawStreamMsg, error) bool) {
		if err := s.read(ctx, js, withoutFillers(yield)); err != nil {
			yield(nil, fmt.Errorf("read stream %s: %w", s.Stream, err))
		}
	}
}

func withoutFillers(yield yieldFunc) yieldFunc {
	return func(msg *jetstream.RawStreamMsg, err error) bool {
		if err == nil && IsFiller(msg.Subject, msg.Data) {
			return true
		}
		return yield(msg, err)
	}
}

// errLagging is returned when the servers of a cluster did not catch up with a stream's
// leader for lagTimeout.
var errLagging = errors.New("the replicas that answer lag behind the stream's leader")

// lagTimeout is how long Messages waits for the next message that the leader has.
const lagTimeout = 15 * time.Second

const lagInterval = 50 * time.Millisecond

// A fetch does what GetBatch does, for a given stream.
type fetch func(ctx context.Context, subject string, next, last uint64, yield yieldFunc) (uint64, error)

func (s Selection) read(ctx context.Context, js jetstream.JetStream, yield yieldFunc) error {
	stream, err := js.Stream(ctx, s.Stream)
	if err != nil {
		return err
	}
	state := stream.CachedInfo().State
	next, last := max(s.From, state.FirstSeq, 1), state.LastSeq
	if s.To > 0 {
		last = min(last, s.To)
	}
	if !s.Since.IsZero() {
		since, err := SequenceSince(ctx, js, stream, s.Since)
		if err != nil {
			return err
		}
		next = max(next, since)
	}
	get := func(ctx context.Context, subject string, next, last uint64, yield yieldFunc) (uint64, error) {
		if stream.CachedInfo().Config.AllowDirect {
			return GetBatch(ctx, js, s.Stream, subject, next, last, yield)
		}
		return getEach(ctx, stream, subject, next, last, yield)
	}
	switch len(s.Subjects) {
	case 0:
		return s.each(ctx, js, get, ">", next, last, yield)
	case 1:
		return s.each(ctx, js, get, s.Subjects[0], next, last, yield)
	}
	return s.merge(ctx, js, get, next, last, yield)
}

type yieldFunc = func(*jetstream.RawStreamMsg, error) bool

// each fetches until the leader has no more messages up to last.
func (s Selection) each(ctx context.Context, js jetstream.JetStream, get fetch, subject string, next, last uint64, yield yieldFunc) error {
	progress := time.Now()
	for next <= last {
		after, err := get(ctx, subject, next, last, yield)
		if err != nil {
			return err
		}
		if after > next {
			if next, progress = after, time.Now(); next > last {
				return nil
			}
		}
		more, err := Selection{Stream: s.Stream, Subjects: []string{subject}}.Holds(ctx, js, next, last)
		switch {
		case err != nil:
			return err
		case !more:
			return nil
		case time.Since(progress) > lagTimeout:
			return errLagging
		case time.Since(progress) > lagInterval: // nothing came at once
			if err := retry.Sleep(ctx, lagInterval); err != nil {
				return err
			}
		}
	}
	return nil
}

// Holds reports whether the stream holds a message of the selection's subjects
// within [from, to]. The stream's leader answers, which knows all messages that were
// acknowledged before.
func (s Selection) Holds(ctx context.Context, js jetstream.JetStream, from, to uint64) (bool, error) {
	subjects := s.Subjects
	if len(subjects) == 0 {
		subjects = []string{">"}
	}
	for _, subject := range subjects {
		found, err := leaderGet(ctx, js, s.Stream, map[string]any{"seq": from, "next_by_subj": subject})
		if err != nil && !errors.Is(err, jetstream.ErrMsgNotFound) {
			return false, err
		}
		if err == nil && found.Seq <= to {
			return true, nil
		}
	}
	return false, nil
}

// The most that one direct get asks for.
const (
	batchMessages = 1000
	batchBytes    = 4 << 20
)

// GetBatch yields, by one batched direct get and without asking the stream's leader,
// messages of a subject pattern with sequences from next to last. It returns the
// sequence to go on from: next if the server had none, last+1 if no more are wanted.
func GetBatch(ctx context.Context, js jetstream.JetStream, stream, subject string, next, last uint64, yield yieldFunc) (uint64, error) {
	batch, err := jetstreamext.GetBatch(ctx, js, stream, int(min(last-next+1, batchMessages)),
		jetstreamext.GetBatchSeq(next), jetstreamext.GetBatchSubject(subject), jetstreamext.GetBatchMaxBytes(batchBytes))
	if err != nil {
		return next, err
	}
	for msg, err := range batch {
		switch {
		case ctx.Err() != nil:
			return next, ctx.Err()
		case errors.Is(err, jetstreamext.ErrNoMessages):
			return next, nil
		case err != nil:
			return next, err
		case msg.Sequence > last:
			return last + 1, nil
		}
		for _, h := range directGetHeaders {
			delete(msg.Header, h)
		}
		next = msg.Sequence + 1
		if !yield(msg, nil) {
			return last + 1, nil
		}
	}
	return next, ctx.Err()
}

// getEach is a fetch from the leader of a stream without direct gets, one message a
// request.
func getEach(ctx context.Context, stream jetstream.Stream, subject string, next, last uint64, yield yieldFunc) (uint64, error) {
	for next <= last {
		msg, err := stream.GetMsg(ctx, next, jetstream.WithGetMsgSubject(subject))
		switch {
		case errors.Is(err, jetstream.ErrMsgNotFound):
			return last + 1, nil
		case err != nil:
			return next, err
		case msg.Sequence > last || !yield(msg, nil):
			return last + 1, nil
		}
		next = msg.Sequence + 1
	}
	return next, nil
}

// directGetHeaders are those that the server adds to a message that it returns.
var directGetHeaders = [...]string{
	jetstream.StreamHeader, jetstream.SubjectHeader, jetstream.SequenceHeader, jetstream.TimeStampHeaer, jetstream.LastSequenceHeader,
	"Nats-Num-Pending", "Nats-UpTo-Sequence",
}

// merge reads each subject by itself, since a direct get has one pattern, and yields
// the messages in the order of their sequences.
func (s Selection) merge(ctx context.Context, js jetstream.JetStream, get fetch, next, last uint64, yield yieldFunc) error {
	type head struct {
		msg  *jetstream.RawStreamMsg
		pull func() (*jetstream.RawStreamMsg, error, bool)
	}
	var heads []head
	for _, subject := range s.Subjects {
		pull, stop := iter.Pull2(func(yield func(*jetstream.RawStreamMsg, error) bool) {
			if err := s.each(ctx, js, get, subject, next, last, yield); err != nil {
				yield(nil, err)
			}
		})
		defer stop()
		heads = append(heads, head{pull: pull})
	}
	for previous := uint64(0); ; {
		for i := range heads {
			for h := &heads[i]; h.pull != nil && (h.msg == nil || h.msg.Sequence <= previous); { // patterns may overlap
				msg, err, ok := h.pull()
				if err != nil {
					return err
				}
				if h.msg = msg; !ok {
					h.pull = nil
				}
			}
		}
		heads = slices.DeleteFunc(heads, func(h head) bool { return h.pull == nil })
		if len(heads) == 0 {
			return nil
		}
		first := slices.MinFunc(heads, func(a, b head) int { return int(int64(a.msg.Sequence) - int64(b.msg.Sequence)) })
		if previous = first.msg.Sequence; !yield(first.msg, nil) {
			return nil
		}
	}
}

// SequenceSince returns the sequence of the first event that a stream stored at t or later,
// or the one after what was its last event when it was looked up where there is none.
//
// A consumer of several filter subjects must begin there and not at the time
// itself: the server (nats-server 2.15.2) has one that begins at a time skip to the
// first event of whichever subject the stream has had since then only.
func SequenceSince(ctx context.Context, js jetstream.JetStream, stream jetstream.Stream, t time.Time) (uint64, error) {
	info := stream.CachedInfo()
	found, err := leaderGet(ctx, js, info.Config.Name, map[string]any{"start_time": t.UTC(), "next_by_subj": ">"})
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return info.State.LastSeq + 1, nil
	case err != nil:
		return 0, fmt.Errorf("find the first message of %s since %s: %w", info.Config.Name, t, err)
	}
	return found.Seq, nil
}

// position is where and when a message was stored.
type position struct {
	Seq  uint64    `json:"seq"`
	Time time.Time `json:"time"`
}

// leaderTimeout is how long leaderGet waits for one answer before it asks again.
const leaderTimeout = 2 * time.Second

// leaderGet returns the position of the message that a request for one names, or
// jetstream.ErrMsgNotFound. The stream's leader answers; nats.go's own calls use
// direct gets where the stream allows them, which any replica answers. A busy server
// and a cluster that elects a leader are asked again for lagTimeout.
func leaderGet(ctx context.Context, js jetstream.JetStream, stream string, request map[string]any) (position, error) {
	request["no_hdr"] = true
	return retry.Value(ctx, jsapi.RetryUnavailable(lagTimeout, nil), func(ctx context.Context) (position, error) {
		ctx, cancel := context.WithTimeout(ctx, leaderTimeout)
		defer cancel()
		var found struct {
			Message position `json:"message"`
		}
		err := jsapi.Request(ctx, js, "STREAM.MSG.GET."+stream, request, &found)
		return found.Message, err
	})
}
