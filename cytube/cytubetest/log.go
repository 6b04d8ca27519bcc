package cytubetest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Frame is a frame as it came from a client.
type Frame struct {
	User string // the client's name at that time, empty while anonymous
	Data string
	Time time.Time
}

// log keeps the last entries, at least half its limit.
type log[T any] struct {
	mu      *sync.Mutex
	changed chan struct{} // closed, and replaced, with each entry
	entries []T
	removed int
	limit   int
}

func newLog[T any](limit int) log[T] {
	return log[T]{mu: new(sync.Mutex), changed: make(chan struct{}), limit: limit}
}

func (l *log[T]) add(entry T) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.entries) >= l.limit {
		l.entries = slices.Delete(l.entries, 0, l.limit/2)
		l.removed += l.limit / 2
	}
	l.entries = append(l.entries, entry)
	close(l.changed)
	l.changed = make(chan struct{})
}

func (l *log[T]) all() []T {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.entries)
}

// wait returns the first entry that matches, also one that comes later.
func (l *log[T]) wait(ctx context.Context, what string, match func(T) bool) (found T, err error) {
	for next := 0; ; {
		l.mu.Lock()
		changed := l.changed
		entries := slices.Clone(l.entries[max(0, next-l.removed):])
		next = l.removed + len(l.entries)
		l.mu.Unlock()
		if i := slices.IndexFunc(entries, match); i >= 0 {
			return entries[i], nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return found, fmt.Errorf("wait for %s: %w", what, ctx.Err())
		}
	}
}

// Heard returns the lines that the server accepted, oldest first: the last 50,000 at least.
func (s *Server) Heard() []Line { return s.lines.all() }

// Received returns the frames that clients sent, oldest first: the last 5,000 at least.
func (s *Server) Received() []Frame { return s.frames.all() }

// WaitHeard returns the first line for which match is true, and waits for it if it was not heard yet.
func (s *Server) WaitHeard(ctx context.Context, match func(Line) bool) (Line, error) {
	return s.lines.wait(ctx, "a line of chat", match)
}

// WaitReceived returns the first frame for which match is true, and waits for it if it was not received yet.
func (s *Server) WaitReceived(ctx context.Context, match func(Frame) bool) (Frame, error) {
	return s.frames.wait(ctx, "a frame", match)
}
