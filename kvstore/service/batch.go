package service

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/kvstore"
)

// outcome is what became of one operation of a batch.
type outcome struct {
	answer json.RawMessage // the answer that the operation's own request would get
	err    error           // why it failed
}

// batch does the operations one after the other. One that fails does not keep
// the others from being done, and nothing is undone.
func batch(ctx context.Context, store *kvstore.Store, req event.Batch) []outcome {
	out := make([]outcome, len(req.Operations))
	for i, raw := range req.Operations {
		answer, err := batched(kvstore.WithPart(ctx, strconv.Itoa(i)), store, req.Collection, raw)
		if err != nil {
			err = fmt.Errorf("operation %d: %w", i, event.AsError(err, event.DatabaseError))
			answer = failed(err)
		}
		out[i] = outcome{answer, err}
	}
	return out
}

func batched(ctx context.Context, store *kvstore.Store, collection string, raw json.RawMessage) ([]byte, error) {
	var head struct {
		Op         string          `json:"op"`
		Collection json.RawMessage `json:"collection"`
	}
	if err := json.Unmarshal(raw, &head); err != nil {
		return nil, event.Errorf(event.InvalidInput, "must be an object with op and the fields of its request: %w", err).With("field", "operations")
	}
	h, ok := singles[head.Op]
	if !ok {
		return nil, event.Errorf(event.InvalidInput, "op must be get, set, update or delete, not %q", head.Op).With("field", "op")
	}
	if head.Collection == nil && collection != "" {
		name, err := json.Marshal(collection)
		if err != nil {
			return nil, err
		}
		raw = bytes.Join([][]byte{[]byte(`{"collection":`), name, []byte(","), bytes.TrimSpace(raw)[1:]}, nil)
	}
	return answer(ctx, store, h, event.Envelope{Subject: Name + "." + head.Op, Data: raw})
}
