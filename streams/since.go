package streams

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// SequenceSince is the sequence of the first event that a stream stored at t or
// later, or the one behind its last event where there is none.
//
// A consumer of several filter subjects must begin there and not at the time
// itself: the server (nats-server 2.15.2) has one that begins at a time skip to the
// first event of whichever subject the stream has had since then only.
func SequenceSince(ctx context.Context, js jetstream.JetStream, stream string, t time.Time) (uint64, error) {
	ctx, cancel := AnswerWithin(ctx)
	defer cancel()
	// What is stored while the question is asked must not be passed over.
	s, err := js.Stream(ctx, stream)
	var seq uint64
	if err == nil {
		seq, err = sequenceSince(ctx, js, stream, t)
	}
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return s.CachedInfo().State.LastSeq + 1, nil
	case err != nil:
		return 0, fmt.Errorf("find what %s stored since %s: %w", stream, t, err)
	}
	return seq, nil
}

func sequenceSince(ctx context.Context, js jetstream.JetStream, stream string, t time.Time) (uint64, error) {
	request, err := json.Marshal(map[string]any{"start_time": t.UTC(), "next_by_subj": ">", "no_hdr": true})
	if err != nil {
		return 0, err
	}
	reply, err := js.Conn().RequestWithContext(ctx, API(js, "STREAM.MSG.GET."+stream), request)
	if err != nil {
		return 0, err
	}
	var found struct {
		Error   *jetstream.APIError `json:"error"`
		Message struct {
			Seq uint64 `json:"seq"`
		} `json:"message"`
	}
	if err := json.Unmarshal(reply.Data, &found); err != nil {
		return 0, err
	}
	if found.Error != nil {
		return 0, found.Error
	}
	return found.Message.Seq, nil
}

// API is the subject of a request to JetStream that nats.go has no call for.
func API(js jetstream.JetStream, request string) string {
	prefix := cmp.Or(js.Options().APIPrefix, jetstream.DefaultAPIPrefix)
	return strings.TrimSuffix(prefix, ".") + "." + request
}
