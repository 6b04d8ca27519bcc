package service

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/kvstore"
	"github.com/rosey-bot/rosey/kvstore/jsondoc"
	"github.com/rosey-bot/rosey/streams/jsapi"
	"github.com/rosey-bot/rosey/telemetry/propagation"
)

// A handler answers one kind of request with the body that the contract prints
// for it, or with an error.
type handler func(ctx context.Context, store *kvstore.Store, e event.Envelope) ([]byte, error)

// singles are the operations on records that a batch may have, by name, which is
// the subject's last part.
var singles = map[string]handler{
	"get":    request(answerGet),
	"set":    request(answerSet),
	"update": request(answerUpdate),
	"delete": request(answerDelete),
}

// operations are all operations by name.
var operations = func() map[string]handler {
	all := maps.Clone(singles)
	all["query"] = request(answerQuery)
	all["batch"] = request(answerBatch)
	all["collections"] = request(answerCollections)
	return all
}()

func answerGet(ctx context.Context, store *kvstore.Store, req event.Get) ([]byte, error) {
	record, err := store.Get(ctx, req)
	if err != nil {
		return nil, err
	}
	b := make([]byte, 0, len(record.Data)+64)
	b = append(append(append(b, `{"success":true,"data":`...), record.Data...), `,"error":null,"revision":`...)
	return append(strconv.AppendUint(b, record.Revision, 10), '}'), nil
}

func answerSet(ctx context.Context, store *kvstore.Store, req event.Set) ([]byte, error) {
	w, err := store.Set(ctx, req)
	if err != nil {
		return nil, err
	}
	b := append(make([]byte, 0, 96), `{"success":true,"id":`...)
	b = append(w.ID.AppendJSON(b), `,"error":null,"revision":`...)
	return append(strconv.AppendUint(b, w.Revision, 10), '}'), nil
}

func answerQuery(ctx context.Context, store *kvstore.Store, req event.Query) ([]byte, error) {
	found, err := store.Query(ctx, req)
	if err != nil {
		return nil, err
	}
	b := append(make([]byte, 0, 1024), `{"success":true,"data":[`...)
	for i, r := range found.Rows {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, r.Data...)
	}
	b = append(b, `],"count":`...)
	b = append(strconv.AppendInt(b, int64(found.Count), 10), `,"error":null`...)
	if req.Explain {
		explain, err := json.Marshal(found.Explain)
		if err != nil {
			return nil, err
		}
		b = append(append(b, `,"explain":`...), explain...)
	}
	return append(b, '}'), nil
}

func answerDelete(ctx context.Context, store *kvstore.Store, req event.Delete) ([]byte, error) {
	if _, err := store.Delete(ctx, req); err != nil {
		return nil, err
	}
	return []byte(`{"success":true,"error":null}`), nil
}

func answerUpdate(ctx context.Context, store *kvstore.Store, req event.Update) ([]byte, error) {
	u, err := store.Update(ctx, req)
	if err != nil {
		return nil, err
	}
	b := fmt.Appendf(nil, `{"success":true,"matched":%d,"changed":%d,"error":null`, u.Matched, u.Changed)
	if u.ID != "" {
		b = append(u.ID.AppendJSON(append(b, `,"id":`...)), `,"revision":`...)
		b = strconv.AppendUint(b, u.Revision, 10)
	}
	return append(b, '}'), nil
}

func answerCollections(ctx context.Context, store *kvstore.Store, _ event.Collections) ([]byte, error) {
	all, err := store.Collections(ctx)
	if err != nil {
		return nil, err
	}
	list := []kvstore.Collection{}
	for _, c := range all {
		if err := permit(ctx, event.Get{Collection: c.Name}); err == nil {
			list = append(list, c)
		} else if event.CodeOf(err) != event.PermissionDenied {
			return nil, err
		}
	}
	return json.Marshal(struct {
		Success bool                 `json:"success"`
		Data    []kvstore.Collection `json:"data"`
		Count   int                  `json:"count"`
		Error   *string              `json:"error"`
	}{true, list, len(list), nil})
}

// answerBatch reports a batch as failed when any operation did; the answers are
// there all the same.
func answerBatch(ctx context.Context, store *kvstore.Store, req event.Batch) ([]byte, error) {
	outcomes := batch(ctx, store, req)
	b := []byte(`,"data":[`)
	failures := []int{}
	var first error
	reason := ""
	for i, o := range outcomes {
		if i > 0 {
			b = append(b, ',')
		}
		if b = append(b, o.answer...); o.err != nil {
			failures = append(failures, i)
			if first == nil {
				first = o.err
			}
			if errors.Is(o.err, jsapi.ErrFull) { // then the batch is worth making again
				reason = fmt.Sprintf(`,"reason":"%s"`, jsapi.ReasonFull)
			}
		}
	}
	b = fmt.Appendf(b, `],"count":%d,"failed":%d,"error":`, len(outcomes), len(failures))
	if first == nil {
		return append(append([]byte(`{"success":true`), b...), `null}`...), nil
	}
	b = jsondoc.AppendQuoted(b, fmt.Sprintf("%d of %d operations failed, the first: %v", len(failures), len(outcomes), first))
	failed, err := json.Marshal(failures)
	if err != nil {
		return nil, err
	}
	b = fmt.Appendf(b, `,"error_code":"%s","details":{"failed":%s%s}}`, event.CodeOf(first), failed, reason)
	return append([]byte(`{"success":false`), b...), nil
}

// request reads the request's payload for a handler.
func request[T any](handle func(ctx context.Context, store *kvstore.Store, req T) ([]byte, error)) handler {
	return func(ctx context.Context, store *kvstore.Store, e event.Envelope) ([]byte, error) {
		req, err := event.As[T](e)
		if err == nil {
			err = permit(ctx, req)
		}
		if err != nil {
			return nil, err
		}
		return handle(ctx, store, req)
	}
}

// answer has h answer a request. A panic is an error, and is logged with its stack.
func answer(ctx context.Context, store *kvstore.Store, h handler, e event.Envelope) (reply []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			store.Logger().ErrorContext(ctx, "database request panicked", "subject", e.Subject, "data", event.Personal(e.Data), "panic", event.Personal(fmt.Sprint(p)), "stack", string(debug.Stack()))
			reply, err = nil, event.Errorf(event.DatabaseError, "%s failed inside the service: %v", e.Subject, p)
		}
	}()
	return h(ctx, store, e)
}

// Answer answers a request from store as the service does: with the contract's
// response object, also where it failed. The body is an envelope or a bare payload.
func Answer(ctx context.Context, store *kvstore.Store, subject string, body []byte) []byte {
	op := strings.TrimPrefix(subject, Name+".")
	h, ok := operations[op]
	if !ok || op == subject {
		return failed(event.Errorf(event.InvalidInput, "no service answers %q", subject))
	}
	e, err := event.Decode(subject, body)
	if err != nil {
		return failed(err)
	}
	if e.CorrelationID != "" {
		ctx = propagation.WithCorrelation(ctx, e.CorrelationID)
	}
	reply, err := answer(ctx, store, h, e)
	if err != nil {
		return failed(err)
	}
	return reply
}
