package event

import (
	"context"
	"crypto/sha256"

	"github.com/google/uuid"
)

// MaxCorrelationID is the longest correlation ID, in bytes. Publishing puts the ID
// into a header, of which all of a message have 64 KiB: with a longer one, which
// any NATS client can store, nothing that an event causes could be published.
const MaxCorrelationID = 256

// CheckCorrelation returns an INVALID_INPUT error for a correlation ID that is too
// long to be published.
func CheckCorrelation(id string) error {
	if len(id) <= MaxCorrelationID {
		return nil
	}
	return Errorf(InvalidInput, "correlation_id has %d bytes and may have %d: use a UUID", len(id), MaxCorrelationID).With("field", "correlation_id")
}

// NewCorrelationID is a new random UUID (contract: Generating Correlation IDs).
func NewCorrelationID() string { return uuid.NewString() }

// TraceID is the OpenTelemetry trace ID that a correlation ID stands for: a
// UUID's own 16 bytes, with or without hyphens, or the first 16 bytes of the
// SHA-256 of any other text. The zero value, which OpenTelemetry holds invalid,
// is returned for the empty ID only.
func TraceID(correlationID string) [16]byte {
	if correlationID == "" {
		return [16]byte{}
	}
	if len(correlationID) == 36 || len(correlationID) == 32 {
		if id, err := uuid.Parse(correlationID); err == nil && id != uuid.Nil {
			return id
		}
	}
	sum := sha256.Sum256([]byte(correlationID))
	return [16]byte(sum[:16])
}

// A conversation is what a context carries to whatever is published with it.
type conversation struct {
	correlation string
	cause       Ref // the stored event being handled
}

type conversationKey struct{}

func conversationOf(ctx context.Context) conversation {
	c, _ := ctx.Value(conversationKey{}).(conversation)
	return c
}

// WithCorrelation returns a context that carries a correlation ID to whatever
// is published or requested with it (contract: Automatic Propagation).
func WithCorrelation(ctx context.Context, id string) context.Context {
	c := conversationOf(ctx)
	if c.correlation == id {
		return ctx
	}
	c.correlation = id
	return context.WithValue(ctx, conversationKey{}, c)
}

// Correlation is the correlation ID that ctx carries, or "".
func Correlation(ctx context.Context) string { return conversationOf(ctx).correlation }

// Handling returns a context that carries the correlation ID of the stored event
// being handled, and the event itself, which becomes metadata.causation_id of
// whatever is published with it. The zero Ref is no cause.
func Handling(ctx context.Context, correlation string, cause Ref) context.Context {
	return context.WithValue(ctx, conversationKey{}, conversation{correlation, cause})
}

// Causation is the stored event that ctx says is being handled, or the zero Ref.
func Causation(ctx context.Context) Ref { return conversationOf(ctx).cause }
