package router

import (
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// NewSuggestionsEvery returns Suggestions with another interval.
func NewSuggestionsEvery(js jetstream.JetStream, interval time.Duration) *Suggestions {
	return &Suggestions{js, interval}
}
