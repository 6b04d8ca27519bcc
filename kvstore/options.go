package kvstore

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Defaults of the options.
const (
	// DefaultHistory keeps a record's last ten revisions: enough to see who did
	// what to it and to answer a write that is sent again, at a price that stays
	// bounded for records that are written all the time.
	DefaultHistory = 10
	// DefaultDuplicateWindow is how long a write's Nats-Msg-Id is remembered: longer
	// than an event can be redelivered.
	DefaultDuplicateWindow = 20 * time.Minute
	// DefaultMemoryLimit is how much memory the views of all collections may take.
	DefaultMemoryLimit = 512 << 20
)

type settings struct {
	replicas    int // 0: one
	history     int
	window      time.Duration
	memoryLimit int64
	log         *slog.Logger
}

// An Option changes how a Store works.
type Option func(*settings)

// WithReplicas keeps every bucket on n servers of a cluster. Existing buckets on
// fewer are spread when they are opened; none is ever taken off a server, because
// a tool that knows no better must not undo what somebody arranged. Default 1.
func WithReplicas(n int) Option { return func(s *settings) { s.replicas = n } }

// WithHistory keeps the last n revisions of every record, 1 to 64, in buckets
// made from now on. Default DefaultHistory.
func WithHistory(n int) Option { return func(s *settings) { s.history = n } }

// WithDuplicateWindow sets how long a write's Nats-Msg-Id is remembered; existing
// buckets that remember for less are changed when they are opened. Default
// DefaultDuplicateWindow.
func WithDuplicateWindow(d time.Duration) Option { return func(s *settings) { s.window = d } }

// WithMemoryLimit bounds the memory of the views of all collections, in bytes. Those
// that were least recently queried make room for others. A collection that needs more
// by itself is scanned from disk for each query: slower, and just as right. Default DefaultMemoryLimit, also for 0.
func WithMemoryLimit(bytes int64) Option {
	return func(s *settings) {
		if s.memoryLimit = bytes; bytes <= 0 {
			s.memoryLimit = DefaultMemoryLimit
		}
	}
}

// WithLogger sets where warnings go. Default slog.Default().
func WithLogger(log *slog.Logger) Option { return func(s *settings) { s.log = log } }

func newSettings(opts []Option) (settings, error) {
	s := settings{
		history:     DefaultHistory,
		window:      DefaultDuplicateWindow,
		memoryLimit: DefaultMemoryLimit,
		log:         slog.Default(),
	}
	for _, o := range opts {
		o(&s)
	}
	switch {
	case s.replicas < 0 || s.replicas > 5:
		return s, fmt.Errorf("kvstore: replicas must be 1 to 5, not %d", s.replicas)
	case s.history < 1 || s.history > jetstream.KeyValueMaxHistory:
		return s, fmt.Errorf("kvstore: history must be 1 to %d, not %d", jetstream.KeyValueMaxHistory, s.history)
	case s.window < time.Second:
		return s, fmt.Errorf("kvstore: the duplicate window must be 1 s or more, not %v", s.window)
	}
	return s, nil
}
