package propagation

import (
	"context"

	"github.com/rosey-bot/rosey/event"
)

type contextKey struct{}

type values struct {
	correlation string
	cause       event.Ref
}

func valuesOf(ctx context.Context) values {
	v, _ := ctx.Value(contextKey{}).(values)
	return v
}

// WithCorrelation returns a context that carries a correlation ID to whatever is
// published or requested with it (contract: Automatic Propagation).
func WithCorrelation(ctx context.Context, id string) context.Context {
	v := valuesOf(ctx)
	if v.correlation == id {
		return ctx
	}
	v.correlation = id
	return context.WithValue(ctx, contextKey{}, v)
}

// Correlation returns the correlation ID that ctx carries, or "".
func Correlation(ctx context.Context) string { return valuesOf(ctx).correlation }

// WithCause returns a context that carries the correlation ID of a stored event that
// is being handled, and the event itself, which becomes metadata.causation_id of
// whatever is published with it. The zero Ref is no cause.
func WithCause(ctx context.Context, correlation string, cause event.Ref) context.Context {
	return context.WithValue(ctx, contextKey{}, values{correlation, cause})
}

// Cause returns the stored event that is being handled in ctx, or the zero Ref.
func Cause(ctx context.Context) event.Ref { return valuesOf(ctx).cause }

// ContextWithEvent returns the context in which a stored event is handled: it carries the
// event's correlation ID, the event as cause and the span in its headers as parent.
func ContextWithEvent(ctx context.Context, correlation string, ref event.Ref, headers map[string][]string) context.Context {
	return Extract(WithCause(ctx, correlation, ref), headers)
}
