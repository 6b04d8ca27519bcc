package kvstore

import (
	"strings"
	"unicode/utf8"

	"github.com/rosey-bot/rosey/event"
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

const hexDigits = "0123456789ABCDEF"

func plainByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-'
}

// encodeKey is the key of a record: its ID with every byte outside
// [A-Za-z0-9_-] written as =XX.
func encodeKey(id event.ID) string {
	plain := true
	for i := range len(id) {
		plain = plain && plainByte(id[i])
	}
	if plain {
		return string(id)
	}
	var b strings.Builder
	for i := range len(id) {
		if c := id[i]; plainByte(c) {
			b.WriteByte(c)
		} else {
			b.WriteByte('=')
			b.WriteByte(hexDigits[c>>4])
			b.WriteByte(hexDigits[c&15])
		}
	}
	return b.String()
}

// decodeKey is the ID of a record's key; ok is false for any key that encodeKey
// does not produce.
func decodeKey(key string) (id event.ID, ok bool) {
	if strings.IndexByte(key, '=') < 0 {
		for i := range len(key) {
			if !plainByte(key[i]) {
				return "", false
			}
		}
		return event.ID(key), key != ""
	}
	b := make([]byte, 0, len(key))
	for i := 0; i < len(key); i++ {
		c := key[i]
		if c == '=' {
			if i+2 >= len(key) {
				return "", false
			}
			hi, lo := strings.IndexByte(hexDigits, key[i+1]), strings.IndexByte(hexDigits, key[i+2])
			if hi < 0 || lo < 0 || plainByte(byte(hi<<4|lo)) {
				return "", false
			}
			b = append(b, byte(hi<<4|lo))
			i += 2
			continue
		}
		if !plainByte(c) {
			return "", false
		}
		b = append(b, c)
	}
	return event.ID(b), utf8.Valid(b)
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
