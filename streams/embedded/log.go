package embedded

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
)

// serverLog adapts a slog.Logger to nats-server.
type serverLog struct {
	log     *slog.Logger
	onError func()

	mu   sync.Mutex
	past map[string]uint64 // by stream
}

// delivered returns, by stream, the greatest sequence that a consumer was found to have
// been delivered and the stream no longer has. The server says so in the log alone, and
// resets the consumer (nats-server 2.15.2).
func (l *serverLog) delivered() map[string]uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.past)
}

func (l *serverLog) Noticef(format string, args ...any) { l.log.Debug(fmt.Sprintf(format, args...)) }
func (l *serverLog) Debugf(format string, args ...any)  { l.log.Debug(fmt.Sprintf(format, args...)) }
func (l *serverLog) Tracef(format string, args ...any)  { l.log.Debug(fmt.Sprintf(format, args...)) }
func (l *serverLog) Fatalf(format string, args ...any)  { l.Errorf(format, args...) }
func (l *serverLog) Errorf(format string, args ...any) {
	l.log.Error(fmt.Sprintf(format, args...))
	l.onError()
}

// rebuilt are parts of warnings that an index beside the events is older than these, as
// after every kill. The server makes it anew of the events, of which none is missing.
var rebuilt = [...]string{"state is outdated", "state outdated", "from index errored", "detected prior state"}

func indexRebuilt(warning string) bool {
	return strings.HasPrefix(warning, "Filestore [") && slices.ContainsFunc(rebuilt[:], func(part string) bool { return strings.Contains(warning, part) })
}

// sourceNotRecovered reports whether a warning is that a stream was recovered before the one
// that it sources, which the server then tries again. A stream that stays missing is reported
// by whoever opens the topology.
func sourceNotRecovered(warning string) bool {
	return strings.Contains(warning, "create source consumer") && strings.Contains(warning, "stream not found")
}

// Warnf implements server.Logger.
func (l *serverLog) Warnf(format string, args ...any) {
	level, text := slog.LevelWarn, strings.TrimSpace(fmt.Sprintf(format, args...))
	if indexRebuilt(text) || sourceNotRecovered(text) {
		level = slog.LevelDebug
	}
	l.log.Log(context.Background(), level, text)
	if !strings.Contains(format, "delivered sequence %d past last stream sequence") || len(args) != 5 {
		return
	}
	stream, _ := args[1].(string)
	seq, _ := args[3].(uint64)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.past == nil {
		l.past = map[string]uint64{}
	}
	l.past[stream] = max(l.past[stream], seq)
}
