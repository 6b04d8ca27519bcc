package jsapi_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/internal/retry"
	"github.com/rosey-bot/rosey/streams/jsapi"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// A request that nats.go has no call for.
func ExampleRequest() {
	bus, stop := streamstest.ExampleBus()
	defer stop()
	var reply struct {
		Limits struct {
			MaxStreams int `json:"max_streams"`
		} `json:"limits"`
	}
	err := jsapi.Request(context.Background(), bus.JetStream(), "INFO", nil, &reply)
	fmt.Println(reply.Limits.MaxStreams, err)
	err = jsapi.Request(context.Background(), bus.JetStream(), "STREAM.INFO.NOSUCH", nil, &reply)
	fmt.Println(errors.Is(err, jetstream.ErrStreamNotFound))
	// Output:
	// -1 <nil>
	// true
}

// What a cluster without a leader leaves unanswered is asked again.
func ExampleRetryUnavailable() {
	attempts := 0
	err := retry.Do(context.Background(), jsapi.RetryUnavailable(time.Minute, nil), func(context.Context) error {
		if attempts++; attempts == 1 {
			return nats.ErrNoResponders
		}
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(attempts)
	// Output: 2
}
