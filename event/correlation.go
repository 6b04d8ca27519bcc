package event

import "github.com/google/uuid"

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
