// Package jsapi adds to nats.go's package jetstream what it lacks: requests to the API by
// name, classes of errors, and retries of what a cluster answers a moment later.
package jsapi

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Request makes a request to JetStream that nats.go has no call for, such as
// STREAM.SNAPSHOT.{stream}, and reads the answer into reply. An error that the
// answer reports is a *jetstream.APIError.
func Request(ctx context.Context, js jetstream.JetStream, request string, body, reply any) error {
	raw, err := json.Marshal(body)
	if err != nil {
		return err
	}
	prefix := cmp.Or(js.Options().APIPrefix, jetstream.DefaultAPIPrefix)
	msg, err := js.Conn().RequestWithContext(ctx, strings.TrimSuffix(prefix, ".")+"."+request, raw)
	if err != nil {
		return fmt.Errorf("ask the server: %w", err)
	}
	return DecodeResponse(msg.Data, reply)
}

// DecodeResponse reads a response of JetStream's API into reply, as Request does.
func DecodeResponse(body []byte, reply any) error {
	var failed struct {
		Error *jetstream.APIError `json:"error"`
	}
	if err := json.Unmarshal(body, &failed); err != nil {
		return fmt.Errorf("read the server's answer: %w", err)
	}
	if failed.Error != nil {
		return failed.Error
	}
	if err := json.Unmarshal(body, reply); err != nil {
		return fmt.Errorf("read the server's answer: %w", err)
	}
	return nil
}

// answerTimeout is how long to wait for the reply to a request that opens a stream or
// bucket, before it is repeated: on a cluster, one of two simultaneous requests may
// never be answered.
const answerTimeout = 2 * time.Second

// WithDefaultTimeout returns ctx with a deadline for one request that opens a stream or a
// bucket, unless it has one; see RetryUnavailable for repeating the request.
func WithDefaultTimeout(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, answerTimeout)
}
