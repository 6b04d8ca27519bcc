package consumers

import (
	"strconv"
	"sync"

	"github.com/rosey-bot/rosey/event"
)

// MessageIDs derives message IDs from the event being handled, so that a redelivery
// derives the same: <consumer>/<STREAM>:<SEQ>/<kind>/<k> for the k-th of a kind.
type MessageIDs struct {
	consumer string
	ref      event.Ref
	mu       sync.Mutex
	counts   map[string]int
}

// NewMessageIDs returns the message IDs of a consumer's event.
func NewMessageIDs(consumer string, ref event.Ref) *MessageIDs {
	return &MessageIDs{consumer: consumer, ref: ref}
}

// Next returns the next ID of a kind. An empty kind is left out of the ID.
func (m *MessageIDs) Next(kind string) string {
	k := strconv.Itoa(m.Count(kind))
	if kind != "" {
		kind += "/"
	}
	return m.consumer + "/" + m.ref.String() + "/" + kind + k
}

// Count returns the next number of a kind, from 1.
func (m *MessageIDs) Count(kind string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.counts == nil {
		m.counts = map[string]int{}
	}
	m.counts[kind]++
	return m.counts[kind]
}
