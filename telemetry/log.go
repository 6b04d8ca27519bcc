package telemetry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"

	"go.opentelemetry.io/otel/trace"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/telemetry/propagation"
)

// Keys of the attributes that say which conversation a log line belongs to.
const (
	logCorrelation = "correlation_id"
	logTrace       = "trace_id"
	logSpan        = "span_id"
)

// NewLogger makes a logger that writes lines of format "text" or "json" from
// level "debug", "info", "warn" or "error" up. Each line that is logged with a
// context in which an event is handled has the event's correlation_id, its
// trace_id and, while tracing is on, the span_id. Control characters are always
// escaped, so that a chat line can neither forge a log line nor reach the
// terminal. The value of an attribute that is named like a secret is not
// written; see also Secret. An event.Personal is written from level debug only.
func NewLogger(w io.Writer, level, format string) (*slog.Logger, error) {
	l := new(slog.LevelVar)
	if err := setLevel(l, level); err != nil {
		return nil, err
	}
	w = escaper{w}
	personal := new(atomic.Bool)
	opts := &slog.HandlerOptions{Level: l, ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if p, ok := a.Value.Any().(event.Personal); !ok {
			return redact(groups, a)
		} else if personal.Load() || l.Level() <= slog.LevelDebug {
			return slog.String(a.Key, string(p))
		}
		return slog.Attr{}
	}}
	var h slog.Handler
	switch format {
	case "text":
		h = slog.NewTextHandler(w, opts)
	case "json":
		h = slog.NewJSONHandler(w, opts)
	default:
		return nil, fmt.Errorf("log format %q is not one of text, json", format)
	}
	return slog.New(correlated{Handler: h, level: l, personal: personal}), nil
}

// ShowPersonal has a logger that NewLogger made write each event.Personal at any level, for
// who is alone with the bot.
func ShowPersonal(log *slog.Logger) {
	if c, ok := log.Handler().(correlated); ok {
		c.personal.Store(true)
	}
}

// SetLevel changes the level from which a logger that NewLogger made writes, and those
// that were derived from it.
func SetLevel(log *slog.Logger, level string) error {
	c, ok := log.Handler().(correlated)
	if !ok {
		return errors.New("the logger's level cannot be changed")
	}
	return setLevel(c.level, level)
}

func setLevel(l *slog.LevelVar, level string) error {
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return fmt.Errorf("log level %q is not one of debug, info, warn, error", level)
	}
	return nil
}

// correlated adds the IDs of the context to each record.
type correlated struct {
	slog.Handler
	level    *slog.LevelVar
	personal *atomic.Bool // see ShowPersonal
	bound    bool         // the logger itself has a correlation_id already
}

// Handle implements slog.Handler.
func (c correlated) Handle(ctx context.Context, r slog.Record) error {
	if ids := identify(ctx, c.bound || has(r)); len(ids) > 0 {
		r = r.Clone()
		r.AddAttrs(ids...)
	}
	return c.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (c correlated) WithAttrs(attrs []slog.Attr) slog.Handler {
	return correlated{c.Handler.WithAttrs(attrs), c.level, c.personal, c.bound || slices.ContainsFunc(attrs, isCorrelation)}
}

// WithGroup implements slog.Handler. The IDs of later records are in the group.
func (c correlated) WithGroup(name string) slog.Handler {
	return correlated{c.Handler.WithGroup(name), c.level, c.personal, c.bound}
}

// identify returns the IDs of the event that is being handled in ctx, without the
// correlation ID where the line has one.
func identify(ctx context.Context, has bool) []slog.Attr {
	var ids []slog.Attr
	correlation := propagation.Correlation(ctx)
	if correlation != "" && !has {
		ids = append(ids, slog.String(logCorrelation, correlation))
	}
	switch sc := trace.SpanContextFromContext(ctx); {
	case sc.IsValid():
		ids = append(ids, slog.String(logTrace, sc.TraceID().String()), slog.String(logSpan, sc.SpanID().String()))
	case correlation != "":
		ids = append(ids, slog.String(logTrace, propagation.TraceID(correlation).String()))
	}
	return ids
}

func has(r slog.Record) (found bool) {
	r.Attrs(func(a slog.Attr) bool {
		found = isCorrelation(a)
		return !found
	})
	return found
}

func isCorrelation(a slog.Attr) bool { return a.Key == logCorrelation }

// secretNames are parts of the names of attributes whose values are not for
// logs: a second line of defence behind Secret.
var secretNames = []string{"password", "passwd", "secret", "authorization", "credential", "token", "cookie", "headers"}

func redact(_ []string, a slog.Attr) slog.Attr {
	kind := a.Value.Kind()
	if kind != slog.KindString && kind != slog.KindAny {
		return a
	}
	key := strings.ToLower(a.Key)
	for _, name := range secretNames {
		if strings.Contains(key, name) {
			return slog.String(a.Key, redacted)
		}
	}
	if kind == slog.KindAny {
		if u, ok := a.Value.Any().(*url.URL); ok && u != nil {
			return slog.String(a.Key, u.Redacted())
		}
	}
	return a
}
