package snapshot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/streams/jsapi"
)

const (
	chunkSize  = 128 << 10
	windowSize = 8 << 20
	// stepTimeout bounds each step of the server. A stream with large gaps, or a slow
	// disk, makes it pause.
	stepTimeout = time.Minute
)

// state is the part of a stream's state that a manifest repeats.
type state struct {
	Messages  uint64 `json:"messages"`
	Bytes     uint64 `json:"bytes"`
	FirstSeq  uint64 `json:"first_seq"`
	LastSeq   uint64 `json:"last_seq"`
	Consumers int    `json:"consumer_count"`
}

// request is jsapi.Request with a timeout.
func request(ctx context.Context, js jetstream.JetStream, subject string, body, reply any) error {
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	return jsapi.Request(ctx, js, subject, body, reply)
}

// download requests a snapshot of a stream and passes its pieces to write. It sets the
// fields of s.
func download(ctx context.Context, js jetstream.JetStream, s *Stream, write func([]byte) error) error {
	nc := js.Conn()
	inbox := nc.NewInbox()
	chunks, err := nc.SubscribeSync(inbox)
	if err != nil {
		return fmt.Errorf("receive the snapshot: %w", err)
	}
	defer func() { _ = chunks.Unsubscribe() }()
	var reply struct {
		Config json.RawMessage `json:"config"`
		State  json.RawMessage `json:"state"`
	}
	options := map[string]any{
		"deliver_subject": inbox, "window_size": windowSize, "jsck": true,
		"chunk_size": min(chunkSize, int(nc.MaxPayload())/2),
	}
	if err := request(ctx, js, "STREAM.SNAPSHOT."+s.Name, options, &reply); err != nil {
		return err
	}
	var held state
	if err := json.Unmarshal(reply.State, &held); err != nil {
		return fmt.Errorf("read the stream's state: %w", err)
	}
	s.Config, s.State = reply.Config, reply.State
	s.Messages, s.Bytes, s.FirstSeq, s.LastSeq = held.Messages, held.Bytes, held.FirstSeq, held.LastSeq
	return receive(ctx, chunks, write)
}

// receive reads chunks up to the empty one that ends a snapshot. It acknowledges each
// but the last, without which the server would stop, and checks their numbers, so
// that a lost one is noticed.
func receive(ctx context.Context, chunks *nats.Subscription, write func([]byte) error) error {
	for number := 1; ; number++ {
		next, cancel := context.WithTimeout(ctx, stepTimeout)
		msg, err := chunks.NextMsgWithContext(next)
		cancel()
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, context.DeadlineExceeded):
			return fmt.Errorf("the server sent nothing for %s", stepTimeout)
		case err != nil:
			return fmt.Errorf("receive the snapshot: %w", err)
		}
		if status := msg.Header.Get("Status"); len(msg.Data) == 0 && status != "" && status != "204" {
			return fmt.Errorf("the server ended the snapshot: %s %s", status, msg.Header.Get("Description"))
		}
		if len(msg.Data) == 0 {
			return nil
		}
		if err := write(msg.Data); err != nil {
			return err
		}
		if msg.Reply == "" {
			continue // the last one, shorter than the others
		}
		if got := msg.Reply[strings.LastIndexByte(msg.Reply, '.')+1:]; got != strconv.Itoa(number) {
			return fmt.Errorf("chunk %d of the snapshot was lost on the way", number)
		}
		if err := msg.Respond(nil); err != nil {
			return fmt.Errorf("acknowledge a chunk: %w", err)
		}
	}
}

// begin starts the restore of a stream and returns the subject to which the server
// wants the snapshot. From here on a failure can leave a part of the stream behind.
func begin(ctx context.Context, js jetstream.JetStream, s Stream, config json.RawMessage) (subject string, err error) {
	var ready struct {
		Subject string `json:"deliver_subject"`
	}
	err = request(ctx, js, "STREAM.RESTORE."+s.Name, map[string]any{"config": config, "state": s.State}, &ready)
	return ready.Subject, err
}

// upload sends a snapshot and returns the restored stream's state.
func upload(ctx context.Context, js jetstream.JetStream, subject, dir string, s Stream, sent func(n int)) (state, error) {
	put := func(ctx context.Context, b []byte) (*nats.Msg, error) {
		ctx, cancel := context.WithTimeout(ctx, stepTimeout)
		defer cancel()
		return js.Conn().RequestWithContext(ctx, subject, b)
	}
	most := int(js.Conn().MaxPayload()) / 2
	_, err := readFile(ctx, filepath.Join(dir, s.file()), func(b []byte) error {
		for len(b) > 0 {
			n := min(len(b), most)
			reply, err := put(ctx, b[:n])
			if err != nil {
				return fmt.Errorf("send the snapshot: %w", err)
			}
			if len(reply.Data) > 0 {
				var none struct{}
				if err := jsapi.DecodeResponse(reply.Data, &none); err != nil {
					return err
				}
			}
			b = b[n:]
			sent(n)
		}
		return nil
	})
	if err == nil {
		err = ctx.Err()
	}
	// The server makes the stream once it has read all of it, which may be before the
	// final empty chunk. That is sent, and its reply awaited, also after a failure:
	// otherwise the stream could appear after remove deleted it.
	reply, finished := put(context.WithoutCancel(ctx), nil)
	if err != nil {
		return state{}, err
	}
	if finished != nil {
		return state{}, fmt.Errorf("finish the stream: %w", finished)
	}
	var made struct {
		State state `json:"state"`
	}
	return made.State, jsapi.DecodeResponse(reply.Data, &made)
}
