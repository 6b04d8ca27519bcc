package streams

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strconv"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Put stores a message in a stream as jetstream's PublishMsg does, with the same
// errors and the same timeout where ctx has no deadline. By far the most
// acknowledgements are nothing but a sequence, and reading those as what they are
// makes storing a good deal cheaper. The rest is left to jetstream, but for a
// message whose ID is in process, on a cluster: that one waits for the outcome.
func Put(ctx context.Context, js jetstream.JetStream, stream string, msg *nats.Msg) (jetstream.PubAck, error) {
	if _, limited := ctx.Deadline(); !limited {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, js.Options().DefaultTimeout)
		defer cancel()
	}
	return retryWhile(ctx, isInProcess, func() (jetstream.PubAck, error) { return put(ctx, js, stream, msg) })
}

func put(ctx context.Context, js jetstream.JetStream, stream string, msg *nats.Msg) (jetstream.PubAck, error) {
	reply, err := js.Conn().RequestMsgWithContext(ctx, msg)
	if errors.Is(err, nats.ErrNoResponders) {
		// The stream may have no leader for a moment: jetstream tries again.
		ack, err := js.PublishMsg(ctx, msg)
		if err != nil {
			return jetstream.PubAck{}, err
		}
		return *ack, nil
	}
	if err != nil {
		return jetstream.PubAck{}, err
	}
	if seq, ok := plainAck(reply.Data, stream); ok {
		return jetstream.PubAck{Stream: stream, Sequence: seq}, nil
	}
	return readAck(reply.Data)
}

// plainAck reads an acknowledgement that says nothing but the stream, which is
// known, and the sequence.
func plainAck(body []byte, stream string) (seq uint64, ok bool) {
	rest, ok := bytes.CutPrefix(body, []byte(`{"stream":"`))
	if !ok || len(rest) < len(stream) || string(rest[:len(stream)]) != stream {
		return 0, false
	}
	if rest, ok = bytes.CutPrefix(rest[len(stream):], []byte(`","seq":`)); !ok {
		return 0, false
	}
	if rest, ok = bytes.CutSuffix(rest, []byte("}")); !ok {
		return 0, false
	}
	seq, err := strconv.ParseUint(string(rest), 10, 64)
	return seq, err == nil
}

func readAck(body []byte) (jetstream.PubAck, error) {
	var ack struct {
		Error *jetstream.APIError `json:"error"`
		jetstream.PubAck
	}
	if err := json.Unmarshal(body, &ack); err != nil || ack.Error == nil && ack.Stream == "" {
		return jetstream.PubAck{}, jetstream.ErrInvalidJSAck
	}
	if ack.Error != nil {
		return jetstream.PubAck{}, ack.Error
	}
	return ack.PubAck, nil
}
