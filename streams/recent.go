package streams

import (
	"sync"

	"go.opentelemetry.io/otel/trace"
)

// recent maps what was met lately to spans; what was met longest ago is
// forgotten. The zero value is ready to use.
type recent[K comparable] struct {
	mu    sync.Mutex
	spans map[K]trace.SpanContext
	order []K
	next  int // in order, when that is full
}

const recentKept = 8192

func (r *recent[K]) get(key K) (sc trace.SpanContext, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	sc, ok = r.spans[key]
	return sc, ok
}

// add adds what is not known yet.
func (r *recent[K]) add(key K, sc trace.SpanContext) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.spans[key]; ok {
		return
	}
	if r.spans == nil {
		r.spans = map[K]trace.SpanContext{}
	}
	if len(r.order) < recentKept {
		r.order = append(r.order, key)
	} else {
		delete(r.spans, r.order[r.next])
		r.order[r.next] = key
		r.next = (r.next + 1) % recentKept
	}
	r.spans[key] = sc
}
