package cytube_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
)

// logs writes to the test's log and lets the test wait for a message.
type logs struct {
	slog.Handler
	mu      sync.Mutex
	waiting map[string][]chan struct{}
}

func newLogs(t testing.TB) *logs {
	return &logs{
		Handler: slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}),
		waiting: map[string][]chan struct{}{},
	}
}

func (l *logs) Handle(ctx context.Context, r slog.Record) error {
	l.mu.Lock()
	for _, c := range l.waiting[r.Message] {
		close(c)
	}
	delete(l.waiting, r.Message)
	l.mu.Unlock()
	return l.Handler.Handle(ctx, r)
}

func (l *logs) WithAttrs([]slog.Attr) slog.Handler { return l }

// next is closed at the next message of that text.
func (l *logs) next(message string) <-chan struct{} {
	c := make(chan struct{})
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting[message] = append(l.waiting[message], c)
	return c
}
