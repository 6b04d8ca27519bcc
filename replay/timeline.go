package replay

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
)

// Timeline counts what was stored in a range of time, step by step.
type Timeline struct {
	Since, Until time.Time
	Step         time.Duration
	Events       int
	Series       []Series // by subject, most events first
	Slowest      []Chain  // the slowest conversations
	Problems     []Problem
	Troubles     int       // problems in all
	Repeated     int       // events made by another attempt than the first
	Read         time.Time // how far the reading came, when it ran out of time; else zero
}

// Series is how many events of a subject were stored in each step. The subjects
// of plugins share one series: see event.Template.
type Series struct {
	Subject string
	Counts  []int
	Total   int
}

// Chain is a conversation and how long it took.
type Chain struct {
	Begin   event.Ref // its first event
	ID      string
	Started time.Time
	Took    time.Duration
	Events  int
	Who     string
	What    string
}

// Problem is an event that tells of something that went wrong.
type Problem struct {
	Ref     event.Ref
	At      time.Time
	Subject string
	Kind    string
	Who     string
	What    string
}

// TimelineOf counts the events of a query, whose Since and Until must be set, in
// steps. It reads for no longer than limit; what it has by then it returns, with
// Read set. Errors are Read's.
func TimelineOf(ctx context.Context, js jetstream.JetStream, q Query, step, limit time.Duration) (*Timeline, error) {
	if q.Since.IsZero() || q.Until.IsZero() || step <= 0 {
		return nil, event.Errorf(event.InvalidInput, "a timeline needs a start, an end and a step")
	}
	if err := q.check(); err != nil {
		return nil, err
	}
	steps := int((q.Until.Sub(q.Since) + step - 1) / step)
	s, series := newSummary(), map[string]*Series{}
	reading, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	t := &Timeline{Since: q.Since, Until: q.Until, Step: step}
	for e, err := range Read(reading, js, q) {
		if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
			t.Read = s.last
			break
		}
		if err != nil {
			return nil, err
		}
		s.add(e)
		at, name := int(e.At.Sub(q.Since)/step), event.Template(e.Subject)
		if series[name] == nil {
			series[name] = &Series{Subject: name, Counts: make([]int, steps)}
		}
		if at >= 0 && at < steps {
			series[name].Counts[at]++
			series[name].Total++
		}
	}
	s.finish(ctx, js)
	t.fill(s, series)
	return t, nil
}

func (t *Timeline) fill(s *summary, series map[string]*Series) {
	t.Events, t.Repeated = s.events, s.repeated
	totals := make(map[string]*int, len(series))
	for name, one := range series {
		totals[name] = &one.Total
	}
	for _, name := range byCount(totals, func(n *int) int { return *n }) {
		t.Series = append(t.Series, *series[name])
	}
	for i, c := range s.chains.found {
		t.Slowest = append(t.Slowest, Chain{c.begin, c.id, c.first, c.took(), c.events, s.begins[i].who, s.begins[i].what})
	}
	for n := range maps.Values(s.problems) {
		t.Troubles += n
	}
	for _, r := range slices.Backward(s.errors) {
		t.Problems = append(t.Problems, Problem{r.Ref, r.At, r.Subject, r.problem, r.who, r.what})
	}
}
