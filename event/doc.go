// Package event is the event contract (docs/contract.md) in Go: the envelope of every
// message body, the subjects with their payloads, the error codes and the correlation IDs.
//
// All other packages publish and read through it, so that an event that breaks the
// contract cannot be published. It imports neither NATS nor another public package of
// Rosey's.
package event
