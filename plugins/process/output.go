package process

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"golang.org/x/time/rate"

	"github.com/rosey-bot/rosey/internal/terminal"
)

// Limits of what a program's output puts into the log.
const (
	maxLine   = 1000 // bytes; the rest of a line is dropped
	keptLines = 20   // for Tail
	lineRate  = 20   // a second, after
	lineBurst = 200
)

// output takes what a program writes on one of its streams into the log, line by line.
type output struct {
	log    *slog.Logger
	stream string // stdout or stderr
	limit  *rate.Limiter
	tail   *tail

	mu      sync.Mutex
	line    []byte
	cut     bool // the rest of the line is dropped
	dropped int  // lines that were not logged
}

func newOutput(log *slog.Logger, stream string, t *tail) *output {
	return &output{log: log, stream: stream, tail: t, limit: rate.NewLimiter(lineRate, lineBurst)}
}

// Write implements io.Writer. It never fails, as that would end the program.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for rest := p; len(rest) > 0; {
		part, after, ended := bytes.Cut(rest, []byte("\n"))
		if room := maxLine - len(o.line); len(part) > room {
			part, o.cut = part[:room], true
		}
		o.line = append(o.line, part...)
		if ended {
			o.end()
		}
		rest = after
	}
	return len(p), nil
}

// Close logs a line without an end.
func (o *output) Close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.line) > 0 {
		o.end()
	}
	o.report()
}

func (o *output) end() {
	text := terminal.Escape(strings.ReplaceAll(strings.TrimSuffix(string(o.line), "\r"), "\t", "    "))
	if o.cut {
		text += "…"
	}
	o.line, o.cut = o.line[:0], false
	if o.tail != nil {
		o.tail.add(text)
	}
	if !o.limit.Allow() {
		o.dropped++
		return
	}
	o.report()
	o.log.InfoContext(context.Background(), "plugin output", "stream", o.stream, "line", text)
}

// report logs how many lines were not.
func (o *output) report() {
	if o.dropped > 0 {
		o.log.WarnContext(context.Background(), "plugin output dropped, too much of it", "stream", o.stream, "lines", o.dropped)
		o.dropped = 0
	}
}

// tail keeps the last lines.
type tail struct {
	mu    sync.Mutex
	lines []string
}

func (t *tail) add(line string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lines = append(t.lines, line); len(t.lines) > keptLines {
		t.lines = slices.Clone(t.lines[len(t.lines)-keptLines:])
	}
}

func (t *tail) get() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.lines)
}
