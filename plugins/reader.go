package plugins

import (
	"context"
	"iter"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/replay"
	"github.com/rosey-bot/rosey/streams/monitor"
)

// Reader reads the streams and the state of consumers and plugins. It changes
// nothing.
type Reader interface {
	// Events reads stored events; see replay.Read.
	Events(ctx context.Context, q replay.Query) iter.Seq2[replay.Event, error]
	// Event returns a stored event; RECORD_NOT_FOUND if the stream does not hold it any more.
	Event(ctx context.Context, ref event.Ref) (replay.Event, error)
	// Stream returns a stream's configuration and state.
	Stream(ctx context.Context, name string) (*jetstream.StreamInfo, error)
	// Consumers returns the state of the durable consumers of all streams.
	Consumers(ctx context.Context) ([]monitor.ConsumerState, error)
	// Instances returns the running instances of all plugins, by plugin.
	Instances(ctx context.Context) (map[string][]Instance, error)
	// Registrations returns the registered plugins in the order of their names,
	// without those whose registration is invalid, and with their commands in the channel of
	// the Context that is passed; see router.Known.
	Registrations(ctx context.Context) ([]router.Registration, error)
}

// Instance is a running process of a plugin.
type Instance struct {
	Plugin  string `json:"plugin"`
	ID      string `json:"id"`
	Version string `json:"version"`
}
