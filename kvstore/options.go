package kvstore

import (
	"fmt"
	"log/slog"
	"time"
)

// History is how many revisions a bucket keeps of a record: enough to see who did
// what to it and to answer a write that is sent again, at a price that stays bounded
// for records that are written all the time.
const History = 10

// DefaultMemoryLimit is how much memory the views of all collections may take.
const DefaultMemoryLimit = 512 << 20

// duplicateWindow is how long a bucket remembers a write's message ID: longer than an
// event can be redelivered.
const duplicateWindow = 20 * time.Minute

type settings struct {
	replicas    int // 0: one
	history     int
	memoryLimit int64
	log         *slog.Logger
}

// An Option changes how a Store works.
type Option func(*settings)

// WithReplicas keeps every bucket on n servers of a cluster. Existing buckets on
// fewer are spread when they are opened; none is ever taken off a server, because
// a tool that knows no better must not undo what somebody arranged. Default 1.
func WithReplicas(n int) Option { return func(s *settings) { s.replicas = n } }

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
	s := settings{history: History, memoryLimit: DefaultMemoryLimit, log: slog.Default()}
	for _, o := range opts {
		o(&s)
	}
	if s.replicas < 0 || s.replicas > 5 {
		return s, fmt.Errorf("kvstore: replicas must be 1 to 5, not %d", s.replicas)
	}
	return s, nil
}
