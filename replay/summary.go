package replay

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
)

const (
	// maxSlowest and maxLatest are how many of the slowest conversations and of the
	// latest problems a summary lists.
	maxSlowest = 10
	maxLatest  = 10
	// maxChains is how many unfinished conversations a summary remembers.
	maxChains = 200_000
)

// A Summary counts what was stored. It holds no events but the few that it lists, so
// it can count any number of them.
type Summary struct {
	First, Last time.Time
	Events      int
	Repeated    int // events published by another attempt than the first
	Subjects    map[string]*SubjectCount
	Plugins     map[string]*PluginCount
	Problems    map[string]int // by Record.Problem
	Latest      []Record       // the latest problems, oldest first
	Slowest     []Chain        // conversations, slowest first
	Series      []Series       // by subject template, most events first, if there is a Step
	Incomplete  bool           // whether the time limit ended the reading after Last

	chains chains
	series map[string]*Series
}

// SubjectCount counts the events of a subject.
type SubjectCount struct {
	Count int    `json:"count"`
	Bytes uint64 `json:"bytes"`
}

// PluginCount counts the events of a plugin by kind.
type PluginCount struct {
	Commands int `json:"commands"`
	Sends    int `json:"sends"`
	Events   int `json:"events"`
	Requests int `json:"requests"`
	Problems int `json:"problems"`
}

func (c *PluginCount) total() int { return c.Commands + c.Sends + c.Events + c.Requests }

// Series counts the events of a subject template (see event.Template) in each step.
type Series struct {
	Subject string
	Counts  []int
	Total   int
}

// Chain is a conversation as a summary sees it.
type Chain struct {
	ID             string
	Begin          event.Ref // its first event
	Started, Ended time.Time
	Events         int
	First          Record // its first event in words; zero if that is no longer stored
}

// Took returns the time from the first event to the last.
func (c *Chain) Took() time.Duration { return c.Ended.Sub(c.Started) }

// SummaryOptions are what Summarize does besides counting.
type SummaryOptions struct {
	Step  time.Duration // also count by steps of this length; the query needs both bounds
	Limit time.Duration // stop reading after this time, unless 0
}

// Summarize counts the events of a query. Errors are Read's.
func Summarize(ctx context.Context, js jetstream.JetStream, q Query, o SummaryOptions) (*Summary, error) {
	if o.Step > 0 && (q.Since.IsZero() || q.Until.IsZero()) {
		return nil, event.Errorf(event.InvalidInput, "counting by steps needs a start and an end")
	}
	reading := ctx
	if o.Limit > 0 {
		var cancel context.CancelFunc
		reading, cancel = context.WithTimeout(ctx, o.Limit)
		defer cancel()
	}
	s := newSummary()
	for e, err := range Read(reading, js, q) {
		if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil && o.Limit > 0 {
			s.Incomplete = true
			break
		}
		if err != nil {
			return nil, err
		}
		s.add(e)
		if o.Step > 0 {
			steps := int((q.Until.Sub(q.Since) + o.Step - 1) / o.Step)
			s.addToSeries(e, int(e.At.Sub(q.Since)/o.Step), steps)
		}
	}
	s.finish(ctx, js)
	return s, nil
}

func newSummary() *Summary {
	return &Summary{Subjects: map[string]*SubjectCount{}, Plugins: map[string]*PluginCount{}, Problems: map[string]int{},
		chains: chains{open: map[string]*Chain{}}, series: map[string]*Series{}}
}

func (s *Summary) add(e Event) {
	if s.Events++; s.Events == 1 || e.At.Before(s.First) {
		s.First = e.At
	}
	if e.At.After(s.Last) {
		s.Last = e.At
	}
	subject := entry(s.Subjects, e.Subject)
	subject.Count++
	subject.Bytes += uint64(len(e.Body))
	r, _ := classify(e)
	s.chains.add(e, r.CorrelationID)
	if r.Attempt > 1 {
		s.Repeated++
	}
	if r.Plugin != "" {
		entry(s.Plugins, r.Plugin).add(&r)
	}
	if r.Problem == "" {
		return
	}
	s.Problems[r.Problem]++
	if s.Latest = append(s.Latest, Describe(e)); len(s.Latest) > maxLatest {
		s.Latest = s.Latest[1:]
	}
}

func (s *Summary) addToSeries(e Event, step, steps int) {
	series := entry(s.series, event.Template(e.Subject))
	if series.Counts == nil {
		series.Subject, series.Counts = event.Template(e.Subject), make([]int, steps)
	}
	if step >= 0 && step < steps {
		series.Counts[step]++
		series.Total++
	}
}

// finish ends the conversations and looks up how the slowest began.
func (s *Summary) finish(ctx context.Context, js jetstream.JetStream) {
	for len(s.chains.queue) > 0 {
		s.chains.finish()
	}
	for _, c := range s.chains.slowest {
		if e, err := fetch(ctx, js, c.Begin); err == nil {
			c.First = Describe(e)
		}
		s.Slowest = append(s.Slowest, *c)
	}
	for _, name := range byCount(s.series, func(one *Series) int { return one.Total }) {
		s.Series = append(s.Series, *s.series[name])
	}
}

func (c *PluginCount) add(r *Record) {
	switch {
	case event.Match(event.AllCommands, r.Subject):
		c.Commands++
	case event.Match(event.AllSends, r.Subject):
		c.Sends++
	case strings.HasPrefix(r.Subject, event.EventSubject(r.Plugin)):
		c.Events++
	default:
		c.Requests++
	}
	if r.Problem != "" {
		c.Problems++
	}
}

// entry returns the value of a key, which it makes where there is none.
func entry[T any](m map[string]*T, key string) *T {
	if m[key] == nil {
		m[key] = new(T)
	}
	return m[key]
}

// byCount returns the keys by decreasing count.
func byCount[T any](m map[string]*T, n func(*T) int) []string {
	return slices.SortedFunc(maps.Keys(m), func(a, b string) int {
		return cmp.Or(cmp.Compare(n(m[b]), n(m[a])), cmp.Compare(a, b))
	})
}

// chains finds the slowest conversations.
type chains struct {
	open    map[string]*Chain
	queue   []*Chain // by their first event
	slowest []*Chain // of those that are over, slowest first
}

func (c *chains) add(e Event, id string) {
	chain := c.open[id]
	if chain == nil {
		chain = &Chain{ID: id, Begin: e.Ref, Started: e.At}
		c.open[id] = chain
		c.queue = append(c.queue, chain)
	}
	chain.Ended = e.At
	chain.Events++
	for len(c.queue) > maxChains || e.At.Sub(c.queue[0].Ended) > idleTimeout {
		c.finish()
	}
}

func (c *chains) finish() {
	chain := c.queue[0]
	c.queue[0], c.queue = nil, c.queue[1:]
	delete(c.open, chain.ID)
	if chain.Events < 2 {
		return
	}
	i, _ := slices.BinarySearchFunc(c.slowest, chain, func(a, b *Chain) int { return cmp.Compare(b.Took(), a.Took()) })
	if i < maxSlowest {
		c.slowest = slices.Insert(c.slowest, i, chain)
		c.slowest = c.slowest[:min(len(c.slowest), maxSlowest)]
	}
}

// MarshalJSON implements json.Marshaler.
func (s *Summary) MarshalJSON() ([]byte, error) {
	j := jsonSummary{s.Events, jsonTime(s.First), jsonTime(s.Last), s.Subjects, s.Plugins, []jsonChain{}, s.Problems, s.Repeated, []jsonProblem{}}
	for _, c := range s.Slowest {
		j.Slowest = append(j.Slowest, jsonChain{c.ID, jsonTime(c.Started), ms(c.Took()), c.Events, c.First.Subject, c.First.Actor, c.First.Text})
	}
	for _, r := range s.Latest {
		p := jsonProblem{r.Ref.String(), jsonTime(r.At), r.CorrelationID, r.Subject, r.Problem, r.Text, ""}
		if r.Err != nil {
			p.Malformed = r.Err.Error()
		}
		j.Latest = append(j.Latest, p)
	}
	return encode(j)
}

type jsonSummary struct {
	Events   int                      `json:"events"`
	First    jsonTime                 `json:"first"`
	Last     jsonTime                 `json:"last"`
	Subjects map[string]*SubjectCount `json:"subjects"`
	Plugins  map[string]*PluginCount  `json:"plugins"`
	Slowest  []jsonChain              `json:"slowest"`
	Problems map[string]int           `json:"problems"`
	Repeated int                      `json:"repeated_attempts"`
	Latest   []jsonProblem            `json:"latest_problems"`
}

type jsonChain struct {
	CorrelationID string   `json:"correlation_id"`
	Started       jsonTime `json:"started"`
	Duration      float64  `json:"duration_ms"`
	Events        int      `json:"events"`
	Subject       string   `json:"subject"`
	Who           string   `json:"who"`
	What          string   `json:"what"`
}

type jsonProblem struct {
	Ref           string   `json:"ref"`
	StoredAt      jsonTime `json:"stored_at"`
	CorrelationID string   `json:"correlation_id"`
	Subject       string   `json:"subject"`
	Problem       string   `json:"problem"`
	What          string   `json:"what"`
	Malformed     string   `json:"malformed,omitempty"`
}
