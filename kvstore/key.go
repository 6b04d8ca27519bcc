package kvstore

import (
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams/jsapi"
)

// counterKey holds the last number an auto-increment handed out. No record can
// have it: in a record's key an = is always followed by two hex digits.
const counterKey = "=counter"

// insertedKey and a number below insertedSlots hold which numbers the latest
// writes with a message id were given; see bucket.noteInsert.
const (
	insertedKey   = "=inserted."
	insertedSlots = 512
)

// maxIDLength bounds an ID in bytes, so that the longest key still fits a NATS
// protocol line three times over.
const maxIDLength = 256

// encodeKey is the key of a record.
func encodeKey(id event.ID) string { return jsapi.EncodeKey(string(id)) }

// decodeKey is the ID of a record's key; ok is false for any key that encodeKey
// does not produce.
func decodeKey(key string) (id event.ID, ok bool) {
	if jsapi.EncodeKey(key) == key {
		return event.ID(key), key != ""
	}
	text, err := url.PathUnescape(strings.ReplaceAll(key, "=", "%"))
	id = event.ID(text)
	if err != nil || !utf8.ValidString(text) || encodeKey(id) != key {
		return "", false
	}
	return id, true
}

// checkCollection returns an INVALID_INPUT error unless name can be a
// collection's.
func checkCollection(name string) error {
	if event.ValidName(name) {
		return nil
	}
	return event.Errorf(event.InvalidInput, "collection %q: a name is 1 to %d of A-Z a-z 0-9 _ -", name, event.MaxNameLength).
		With("field", "collection").With("collection", name)
}

func checkID(collection string, id event.ID) error {
	if !utf8.ValidString(string(id)) {
		return event.Errorf(event.InvalidInput, "collection %s: id %q is not valid UTF-8", collection, id).
			With("field", "id").With("collection", collection)
	}
	if len(id) <= maxIDLength {
		return nil
	}
	return event.Errorf(event.InvalidInput, "collection %s: an id is at most %d bytes long, not %d", collection, maxIDLength, len(id)).
		With("field", "id").With("collection", collection)
}
