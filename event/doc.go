// Package event is the event contract as Go: the envelope every message body
// carries, every subject and its payload, the error codes and the correlation
// IDs that tie one chat line to everything it caused.
//
// The package knows nothing of NATS, CyTube or plugins and imports nothing of
// Rosey's. Everything else speaks through it, so what the contract forbids
// cannot be published and what it promises can be relied on by a reader.
package event
