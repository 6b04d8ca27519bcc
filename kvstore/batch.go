package kvstore

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
)

// Outcome is what became of one operation of a batch.
type Outcome struct {
	Answer json.RawMessage // the answer that the operation's own request would get
	Err    error           // why it failed
}

// batchable are the operations that a batch may have.
var batchable = map[string]bool{"get": true, "set": true, "update": true, "delete": true}

// Batch does the operations one after the other. One that fails does not keep
// the others from being done, and nothing is undone.
func (s *Store) Batch(ctx context.Context, req event.Batch) []Outcome {
	out := make([]Outcome, len(req.Operations))
	for i, raw := range req.Operations {
		answer, err := s.batched(withPart(ctx, strconv.Itoa(i)), req.Collection, raw)
		if err != nil {
			err = fmt.Errorf("operation %d: %w", i, event.AsError(err, event.DatabaseError))
			answer = failed(err)
		}
		out[i] = Outcome{answer, err}
	}
	return out
}

func (s *Store) batched(ctx context.Context, collection string, raw json.RawMessage) ([]byte, error) {
	var head struct {
		Op         string          `json:"op"`
		Collection json.RawMessage `json:"collection"`
	}
	if err := json.Unmarshal(raw, &head); err != nil {
		return nil, event.Errorf(event.InvalidInput, "must be an object with op and the fields of its request: %w", err).With("field", "operations")
	}
	if !batchable[head.Op] {
		return nil, event.Errorf(event.InvalidInput, "op must be get, set, update or delete, not %q", head.Op).With("field", "op")
	}
	if head.Collection == nil && collection != "" {
		name, err := json.Marshal(collection)
		if err != nil {
			return nil, err
		}
		raw = bytes.Join([][]byte{[]byte(`{"collection":`), name, []byte(","), bytes.TrimSpace(raw)[1:]}, nil)
	}
	return s.answer(ctx, head.Op, event.Envelope{Subject: ServiceName + "." + head.Op, Data: raw})
}

// Collection is a collection and its size.
type Collection struct {
	Name  string `json:"collection"`
	Count int    `json:"count"` // records
	Bytes uint64 `json:"bytes"` // on disk, history included
}

// Collections lists the collections by name.
func (s *Store) Collections(ctx context.Context) ([]Collection, error) {
	var out []Collection
	list := s.js.ListStreams(ctx, jetstream.WithStreamListSubject("$KV.>"))
	for info := range list.Info() {
		if name, ok := strings.CutPrefix(info.Config.Name, streamName("")); ok && checkCollection(name) == nil {
			out = append(out, Collection{Name: name, Bytes: info.State.Bytes})
		}
	}
	if err := list.Err(); err != nil {
		return nil, s.failure(ctx, "list", "collections", err)
	}
	for i := range out {
		if err := s.count(ctx, &out[i]); err != nil {
			return nil, err
		}
	}
	return out, nil
}
