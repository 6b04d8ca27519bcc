package jsapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
)

// IsConflict reports whether a key was not written because another process wrote it meanwhile.
func IsConflict(err error) bool {
	api, ok := errors.AsType[*jetstream.APIError](err)
	if !ok {
		return errors.Is(err, jetstream.ErrKeyExists)
	}
	// The second is a cluster's, while the other write is on its way to the replicas.
	return api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence || api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant
}

// ReadJSON returns the value of a key and its revision, which is 0 for a key that is not
// there.
func ReadJSON[T any](ctx context.Context, kv jetstream.KeyValue, key string) (v T, revision uint64, err error) {
	entry, err := kv.Get(ctx, key)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return v, 0, nil
	}
	if err == nil {
		err = json.Unmarshal(entry.Value(), &v)
	}
	if err != nil {
		return v, 0, err
	}
	return v, entry.Revision(), nil
}

// UpdateJSON stores the value of a key and returns its revision. The error is IsConflict's if
// the key was written since a revision, of which 0 means a key that is not there.
func UpdateJSON(ctx context.Context, kv jetstream.KeyValue, key string, v any, revision uint64) (uint64, error) {
	value, err := json.Marshal(v)
	if err != nil {
		return 0, err
	}
	if revision == 0 {
		return kv.Create(ctx, key, value) // also in place of a delete marker
	}
	return kv.Update(ctx, key, value, revision)
}

// ChangeJSON changes the value of a key, and does it again if another process was faster.
// Nothing is stored if change returns false.
func ChangeJSON[T any](ctx context.Context, kv jetstream.KeyValue, key string, change func(*T) bool) error {
	for {
		v, revision, err := ReadJSON[T](ctx, kv, key)
		if err != nil || !change(&v) {
			return err
		}
		if _, err = UpdateJSON(ctx, kv, key, v, revision); !IsConflict(err) {
			return err
		}
	}
}

// EncodeKey returns a text as a token of a key: every byte outside [A-Za-z0-9_-] is =XX.
func EncodeKey(text string) string {
	plain := func(c byte) bool {
		return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-'
	}
	var key []byte // once something is encoded
	for i := range len(text) {
		switch {
		case !plain(text[i]):
			if key == nil {
				key = append(make([]byte, 0, 3*len(text)), text[:i]...)
			}
			key = fmt.Appendf(key, "=%02X", text[i])
		case key != nil:
			key = append(key, text[i])
		}
	}
	if key == nil {
		return text
	}
	return string(key)
}
