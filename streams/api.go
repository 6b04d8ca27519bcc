package streams

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go/jetstream"
)

// API makes a request to JetStream that nats.go has no call for, such as
// STREAM.SNAPSHOT.{stream}, and reads the answer into reply. An error that the
// answer reports is a *jetstream.APIError.
func API(ctx context.Context, js jetstream.JetStream, request string, body, reply any) error {
	raw, err := json.Marshal(body)
	if err != nil {
		return err
	}
	prefix := cmp.Or(js.Options().APIPrefix, jetstream.DefaultAPIPrefix)
	msg, err := js.Conn().RequestWithContext(ctx, strings.TrimSuffix(prefix, ".")+"."+request, raw)
	if err != nil {
		return fmt.Errorf("ask the server: %w", err)
	}
	return APIAnswer(msg.Data, reply)
}

// APIAnswer reads an answer of JetStream's API as API does.
func APIAnswer(body []byte, reply any) error {
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
