package event

import "github.com/google/uuid"

// MaxCorrelationID is the longest correlation ID, in bytes. Publishing puts the ID
// into a header, and all headers of a message share 64 KiB: with a longer one, which any
// NATS client can store, no event caused by that event could be published.
const MaxCorrelationID = 256

// CheckCorrelation returns an INVALID_INPUT error for a correlation ID longer than
// MaxCorrelationID.
func CheckCorrelation(id string) error {
	if len(id) <= MaxCorrelationID {
		return nil
	}
	return Errorf(InvalidInput, "correlation_id has %d bytes and may have %d: use a UUID", len(id), MaxCorrelationID).With("field", "correlation_id")
}

// NewCorrelationID returns a new random UUID (contract: Generating Correlation IDs).
func NewCorrelationID() string { return uuid.NewString() }
