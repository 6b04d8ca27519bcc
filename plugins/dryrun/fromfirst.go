package dryrun

import (
	"encoding/json"
	"slices"

	"github.com/rosey-bot/rosey/consumers"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
)

// What subscriptions FromFirst ask and are answered is not kept as exchanges: their reads are
// answered by the database's history. What Change changes in them is stored for many events
// at once: their writes are made in the sandbox, and not compared.

// reasonCut is why a difference proves nothing where a subscription FromFirst, of which no
// exchanges are kept, reads a record that has changed too often since.
const reasonCut = "a subscription from the first event read a record that has changed so often since that what it was then is no longer kept"

// handlers are those of a plugin: past is that of its subscriptions FromFirst.
type handlers struct{ live, past consumers.Handler }

// recordOf is the record that a request to the database names.
type recordOf struct {
	Collection string
	ID         event.ID
}

// fromFirst reports whether subscriptions FromFirst wrote a record when they handled the
// case's events.
func (s *sandbox) fromFirst(collection string, id event.ID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.c.tables[collection]
	return t != nil && t.FromFirst[id]
}

// approximate reports whether a request reads a record whose history is cut.
func (s *sandbox) approximate(request json.RawMessage) bool {
	var r recordOf
	if json.Unmarshal(request, &r) != nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.c.tables[r.Collection]
	return t != nil && t.Approximate > 0 && (r.ID == "" || t.cut == nil || t.cut[r.ID])
}

// flushed reports whether a request stores what Change has changed in subscriptions
// FromFirst, which is stored for many events at once.
func flushed(plugin, subject string, data json.RawMessage) bool {
	var batch event.Batch
	if subject != event.SubjectBatch || json.Unmarshal(data, &batch) != nil {
		return false
	}
	return slices.ContainsFunc(batch.Operations, func(op json.RawMessage) bool {
		var set event.Set
		return json.Unmarshal(op, &set) == nil && len(plugins.ChangedFromFirst(plugin, set.Data)) > 0
	})
}

// ownFromFirst reports whether subscriptions FromFirst wrote a record when they handled
// the case's events, and no others: the record says which events had changed it before and
// have since.
func (h history) ownFromFirst(before, since map[string]event.Ref) bool {
	changed := false
	for key, ref := range since {
		if _, ok := before[key]; ok {
			continue
		}
		if _, ok := h.events[ref]; !ok && !h.every {
			return false
		}
		changed = true
	}
	return changed
}

// anyOf reports whether one of the events is the case's.
func (h history) anyOf(events map[string]event.Ref) bool {
	for _, ref := range events {
		if _, ok := h.events[ref]; ok {
			return true
		}
	}
	return false
}

// falseFirst compares two values, of which false is the first.
func falseFirst(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	default:
		return 1
	}
}
