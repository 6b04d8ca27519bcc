package streams

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// SequenceSince is the sequence of the first event that a stream stored at t or
// later, or the one behind what was its last event when it was looked up where
// there is none.
//
// A consumer of several filter subjects must begin there and not at the time
// itself: the server (nats-server 2.15.2) has one that begins at a time skip to the
// first event of whichever subject the stream has had since then only.
func SequenceSince(ctx context.Context, js jetstream.JetStream, stream jetstream.Stream, t time.Time) (uint64, error) {
	info := stream.CachedInfo()
	seq, err := find(ctx, js, info.Config.Name, map[string]any{"start_time": t.UTC(), "next_by_subj": ">"})
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return info.State.LastSeq + 1, nil
	case err != nil:
		return 0, fmt.Errorf("find what %s stored since %s: %w", info.Config.Name, t, err)
	}
	return seq, nil
}

// find is the sequence of the message that a request for one names, or
// jetstream.ErrMsgNotFound. The stream's leader answers it, where any of a
// cluster's servers answers what nats.go asks of a stream that allows direct reads.
func find(ctx context.Context, js jetstream.JetStream, stream string, request map[string]any) (uint64, error) {
	ctx, cancel := AnswerWithin(ctx)
	defer cancel()
	var found struct {
		Message struct {
			Seq uint64 `json:"seq"`
		} `json:"message"`
	}
	request["no_hdr"] = true
	err := API(ctx, js, "STREAM.MSG.GET."+stream, request, &found)
	return found.Message.Seq, err
}
