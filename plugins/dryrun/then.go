package dryrun

import (
	"context"
	"encoding/json"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/kvstore"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/streams"
)

// A request is answered as it was then, as long as the plugin has asked of its collection,
// or of the other plugin, nothing but what it asked then. From its first write that
// differs the sandbox answers, which has followed what was answered until then.

// then is what one event's handler asked and was answered, and has not asked yet.
type then struct {
	began time.Time
	left  []streams.Exchange
	known bool // the handler asked nothing else
	lost  bool // it may have
}

func newThen(e Event) *then {
	if e.exchanges == nil || e.exchanges.Unknown {
		return &then{lost: e.exchanges != nil}
	}
	return &then{began: e.handled(), left: slices.Clone(e.exchanges.List), known: true}
}

// take returns the first exchange of a request that is left.
func (t *then) take(subject string, request json.RawMessage) (streams.Exchange, bool) {
	i := slices.IndexFunc(t.left, func(x streams.Exchange) bool {
		return x.Subject == subject && equalRequests(subject, x.Request, request)
	})
	if i < 0 {
		return streams.Exchange{}, false
	}
	x := t.left[i]
	t.left = slices.Delete(t.left, i, i+1)
	return x, true
}

func equalRequests(subject string, a, b json.RawMessage) bool {
	if isWrite(subject) {
		a, b = newWrite(subject, a).Data, newWrite(subject, b).Data
	}
	return reflect.DeepEqual(exact(a), exact(b))
}

// scopes are what a request reads or changes: collections, or else its subject.
func scopes(subject string, request json.RawMessage) []string {
	if !event.Match(event.AllDatabase, subject) {
		return []string{subject}
	}
	return collections(request)
}

// collections are those that a request to the database names.
func collections(request json.RawMessage) (names []string) {
	var r struct {
		Collection string
		Operations []struct{ Collection string }
	}
	if json.Unmarshal(request, &r) != nil {
		return nil
	}
	for _, c := range append([]struct{ Collection string }{{r.Collection}}, r.Operations...) {
		if event.ValidName(c.Collection) && !slices.Contains(names, c.Collection) {
			names = append(names, c.Collection)
		}
	}
	return names
}

// answerOfThen returns the reply that a request had then, if that is still to be had, and
// has the sandbox follow it.
func (s *sandbox) answerOfThen(ctx context.Context, t *then, subject string, request json.RawMessage) (json.RawMessage, bool, error) {
	names := scopes(subject, request)
	if slices.ContainsFunc(names, func(name string) bool { return s.diverged[name] }) {
		return nil, false, nil
	}
	x, ok := t.take(subject, request)
	if !ok {
		if isWrite(subject) && !t.lost || t.known && !event.Match(event.AllDatabase, subject) {
			s.diverge(names)
		}
		return nil, false, nil
	}
	if event.Match(event.AllDatabase, subject) {
		if err := s.use(ctx, names...); err != nil {
			return nil, false, err
		}
		s.follow(ctx, x, request, t.began.Add(x.After))
	}
	return x.Reply, true, nil
}

func (s *sandbox) diverge(names []string) {
	for _, name := range names {
		s.diverged[name] = true
	}
}

// finish notes the writes and requests to others that the handler did not make this time.
func (s *sandbox) finish(t *then) {
	for _, x := range t.left {
		if isWrite(x.Subject) || !event.Match(event.AllDatabase, x.Subject) {
			s.diverge(scopes(x.Subject, x.Request))
		}
	}
}

// reply is what of the database's replies the sandbox follows.
type reply struct {
	Success bool            `json:"success"`
	ID      event.ID        `json:"id"`
	Data    json.RawMessage `json:"data"`
	Code    event.Code      `json:"error_code"`
}

// recordKey is the key of a record in what was said of it.
func recordKey(collection string, id event.ID) string { return collection + " " + string(id) }

// newer reports whether an answer of a time says something newer of a record than those
// before: handlers of several events may have asked beside each other.
func (s *sandbox) newer(collection string, id event.ID, at time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := recordKey(collection, id)
	if at.Before(s.said[key]) {
		return false
	}
	s.said[key] = at
	return true
}

// follow makes the database what an answer says that it was at a time. Where that fails,
// it stays what its history says.
func (s *sandbox) follow(ctx context.Context, x streams.Exchange, request json.RawMessage, at time.Time) {
	var r reply
	if json.Unmarshal(x.Reply, &r) != nil {
		return
	}
	names := collections(request)
	switch {
	case x.Subject == event.SubjectBatch:
		s.followBatch(ctx, x, r, at)
	case len(names) == 0:
	case x.Subject == event.SubjectGet:
		var get event.Get
		if json.Unmarshal(request, &get) == nil && (r.Success || r.Code == event.RecordNotFound) {
			s.correct(ctx, names[0], get.ID, r.Data, at)
		}
	case !r.Success:
	case x.Subject == event.SubjectQuery:
		var rows []json.RawMessage
		_ = json.Unmarshal(r.Data, &rows)
		for _, row := range rows {
			var record struct{ ID event.ID }
			if json.Unmarshal(row, &record) == nil && record.ID != "" {
				s.correct(ctx, names[0], record.ID, row, at)
			}
		}
	case x.Subject == event.SubjectSet:
		var set event.Set
		if json.Unmarshal(request, &set) == nil && s.newer(names[0], r.ID, at) {
			set.ID, set.IfRevision = r.ID, nil
			_, _ = s.store.Set(ctx, set)
		}
	case x.Subject == event.SubjectUpdate:
		var update event.Update
		if json.Unmarshal(request, &update) == nil && (update.ID == "" || s.newer(names[0], update.ID, at)) {
			_, _ = s.store.Update(ctx, update)
		}
	case x.Subject == event.SubjectDelete:
		var del event.Delete
		if json.Unmarshal(request, &del) == nil && s.newer(names[0], del.ID, at) {
			_, _ = s.store.Delete(ctx, event.Delete{Collection: names[0], ID: del.ID})
		}
	}
}

// followBatch follows the answers to the operations of a batch.
func (s *sandbox) followBatch(ctx context.Context, x streams.Exchange, r reply, at time.Time) {
	var batch event.Batch
	var replies []json.RawMessage
	if json.Unmarshal(x.Request, &batch) != nil || json.Unmarshal(r.Data, &replies) != nil {
		return
	}
	for i, operation := range batch.Operations[:min(len(batch.Operations), len(replies))] {
		fields := map[string]json.RawMessage{"collection": json.RawMessage(strconv.Quote(batch.Collection))}
		var op struct{ Op string }
		if json.Unmarshal(operation, &op) != nil || json.Unmarshal(operation, &fields) != nil {
			continue
		}
		if request, err := event.Encode(fields); err == nil {
			subject := strings.TrimSuffix(event.SubjectBatch, "batch") + op.Op
			s.follow(ctx, streams.Exchange{Subject: subject, Reply: replies[i]}, request, at)
		}
	}
}

// correct sets a record to what it was at a time, or deletes it, if it is not that. What
// subscriptions FromFirst write may have been stored before or after it was read.
func (s *sandbox) correct(ctx context.Context, collection string, id event.ID, data json.RawMessage, at time.Time) {
	if s.fromFirst(collection, id) || !s.newer(collection, id, at) {
		return
	}
	is, err := s.store.Get(ctx, event.Get{Collection: collection, ID: id})
	missing := len(data) == 0 || string(data) == "null"
	switch {
	case missing && err == nil:
		_, _ = s.store.Delete(ctx, event.Delete{Collection: collection, ID: id})
	case missing:
	case err != nil || !reflect.DeepEqual(exact(plugins.WithoutHandled(is.Data)), exact(data)):
		_, _ = s.store.Set(kvstore.WithMsgID(ctx, ""), event.Set{Collection: collection, ID: id, Data: data})
	}
}
