package replay

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/terminal"
)

const (
	// slowest is how many of the slowest conversations a summary lists, recent
	// how many of the latest errors.
	slowest = 10
	recent  = 10
	// maxChains is how many unfinished conversations a summary remembers.
	maxChains = 200_000
)

// A summary counts what was stored. It holds no events, so it does for any
// number of them.
type summary struct {
	first, last time.Time
	events      int
	repeated    int // events made by another attempt than the first
	subjects    map[string]*tally
	plugins     map[string]*pluginTally
	problems    map[string]int
	errors      []record // the latest ones
	chains      chains
	begins      []record // the first events of chains.found
}

type tally struct {
	Count int    `json:"count"`
	Bytes uint64 `json:"bytes"`
}

type pluginTally struct {
	Commands int `json:"commands"`
	Sends    int `json:"sends"`
	Events   int `json:"events"`
	Requests int `json:"requests"`
	Problems int `json:"problems"`
}

// A chain is a conversation as the summary sees it.
type chain struct {
	id          string
	begin       event.Ref
	first, last time.Time
	events      int
}

func (c *chain) took() time.Duration { return c.last.Sub(c.first) }

// chains finds the slowest conversations.
type chains struct {
	open  map[string]*chain
	queue []*chain // by their first event
	found []*chain // the slowest of those that are over, slowest first
}

func (c *chains) add(e Event, id string) {
	ch := c.open[id]
	if ch == nil {
		ch = &chain{id: id, begin: e.Ref, first: e.At}
		c.open[id] = ch
		c.queue = append(c.queue, ch)
	}
	ch.last = e.At
	ch.events++
	for len(c.queue) > maxChains || e.At.Sub(c.queue[0].last) > quiet {
		c.finish()
	}
}

func (c *chains) finish() {
	ch := c.queue[0]
	c.queue[0], c.queue = nil, c.queue[1:]
	delete(c.open, ch.id)
	if ch.events < 2 {
		return
	}
	i, _ := slices.BinarySearchFunc(c.found, ch, func(a, b *chain) int { return cmp.Compare(b.took(), a.took()) })
	if i < slowest {
		c.found = slices.Insert(c.found, i, ch)
		c.found = c.found[:min(len(c.found), slowest)]
	}
}

func showSummary(ctx context.Context, js jetstream.JetStream, w *bufio.Writer, o Options) (int, error) {
	s := newSummary()
	if err := s.read(ctx, js, o.Query, s.add); err != nil || s.events == 0 {
		return s.events, err
	}
	if o.JSON {
		return s.events, writeJSONLine(w, s.json())
	}
	return s.events, s.text(w, terminal.Palette(o.Color), o.Zone)
}

func newSummary() *summary {
	return &summary{subjects: map[string]*tally{}, plugins: map[string]*pluginTally{}, problems: map[string]int{}, chains: chains{open: map[string]*chain{}}}
}

// read puts every event that a query matches to add, and then looks up how the
// slowest conversations began.
func (s *summary) read(ctx context.Context, js jetstream.JetStream, q Query, add func(Event)) error {
	for e, err := range Read(ctx, js, q) {
		if err != nil {
			return err
		}
		add(e)
	}
	s.finish(ctx, js)
	return nil
}

func (s *summary) finish(ctx context.Context, js jetstream.JetStream) {
	for len(s.chains.queue) > 0 {
		s.chains.finish()
	}
	for _, c := range s.chains.found {
		// One that is gone by now is shown without its first line.
		if e, err := fetch(ctx, js, c.begin); err == nil {
			s.begins = append(s.begins, look(e))
		} else {
			s.begins = append(s.begins, record{})
		}
	}
}

func (s *summary) add(e Event) {
	if s.events++; s.events == 1 {
		s.first = e.At
	}
	s.last = e.At
	count(s.subjects, e.Subject).add(e)
	r, _ := classify(e)
	s.chains.add(e, r.CorrelationID)
	if r.attempt > 1 {
		s.repeated++
	}
	if r.plugin != "" {
		count(s.plugins, r.plugin).add(&r)
	}
	if r.problem == "" {
		return
	}
	s.problems[r.problem]++
	if s.errors = append(s.errors, look(e)); len(s.errors) > recent {
		s.errors = s.errors[1:]
	}
}

func count[T any](m map[string]*T, name string) *T {
	if m[name] == nil {
		m[name] = new(T)
	}
	return m[name]
}

func (t *tally) add(e Event) {
	t.Count++
	t.Bytes += uint64(len(e.Body))
}

func (t *pluginTally) add(r *record) {
	switch {
	case event.Match(event.AllCommands, r.Subject):
		t.Commands++
	case event.Match(event.AllSends, r.Subject):
		t.Sends++
	case strings.HasPrefix(r.Subject, event.EventSubject(r.plugin)):
		t.Events++
	default:
		t.Requests++
	}
	if r.problem != "" {
		t.Problems++
	}
}

func (s *summary) text(w io.Writer, p terminal.Palette, zone *time.Location) error {
	head := func(format string, args ...any) {
		fmt.Fprintln(w, p.Paint(fmt.Sprintf(format, args...), terminal.Bold))
	}
	head("%d events from %s to %s", s.events, s.first.In(zone).Format(timeLayout), s.last.In(zone).Format(timeLayout))
	fmt.Fprintln(w)
	head("%9s  %10s  subject", "count", "bytes")
	for _, name := range byCount(s.subjects, func(t *tally) int { return t.Count }) {
		fmt.Fprintf(w, "%9d  %10d  %s\n", s.subjects[name].Count, s.subjects[name].Bytes, terminal.Escape(name))
	}
	if len(s.plugins) > 0 {
		fmt.Fprintln(w)
		head("%9s  %9s  %9s  %9s  %9s  plugin", "commands", "sends", "events", "requests", "problems")
		for _, name := range byCount(s.plugins, func(t *pluginTally) int { return t.Commands + t.Sends + t.Events + t.Requests }) {
			t := s.plugins[name]
			fmt.Fprintf(w, "%9d  %9d  %9d  %9d  %9d  %s\n", t.Commands, t.Sends, t.Events, t.Requests, t.Problems, terminal.Escape(name))
		}
	}
	if len(s.chains.found) > 0 {
		fmt.Fprintln(w)
		head("%9s  %9s  slowest conversations", "took", "events")
		for i, c := range s.chains.found {
			r := s.begins[i]
			fmt.Fprintf(w, "%9s  %9d  %s  %s  %s\n", terminal.FormatDuration(c.took()), c.events, terminal.Escape(c.id), terminal.Escape(r.who), terminal.Escape(r.what))
		}
	}
	fmt.Fprintln(w)
	if len(s.problems) == 0 && s.repeated == 0 {
		_, err := fmt.Fprintln(w, "no errors, nothing made by a repeated attempt")
		return err
	}
	head("%9s  problem", "count")
	for _, name := range slices.Sorted(maps.Keys(s.problems)) {
		fmt.Fprintf(w, "%9d  %s\n", s.problems[name], terminal.Escape(name))
	}
	if s.repeated > 0 {
		fmt.Fprintf(w, "%9d  made by a repeated attempt\n", s.repeated)
	}
	if len(s.errors) > 0 {
		fmt.Fprintln(w)
		head("the latest of them")
	}
	for _, r := range s.errors {
		if err := writeText(w, r.event, p, zone); err != nil {
			return err
		}
	}
	return nil
}

func byCount[T any](m map[string]*T, n func(*T) int) []string {
	return slices.SortedFunc(maps.Keys(m), func(a, b string) int {
		return cmp.Or(cmp.Compare(n(m[b]), n(m[a])), cmp.Compare(a, b))
	})
}

// jsonSummary is a summary as one JSON object.
type jsonSummary struct {
	Events   int                     `json:"events"`
	First    jsonTime                `json:"first"`
	Last     jsonTime                `json:"last"`
	Subjects map[string]*tally       `json:"subjects"`
	Plugins  map[string]*pluginTally `json:"plugins"`
	Slowest  []jsonChain             `json:"slowest"`
	Problems map[string]int          `json:"problems"`
	Repeated int                     `json:"repeated_attempts"`
	Latest   []jsonProblem           `json:"latest_problems"`
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

func (s *summary) json() jsonSummary {
	j := jsonSummary{Events: s.events, First: jsonTime(s.first), Last: jsonTime(s.last), Subjects: s.subjects, Plugins: s.plugins,
		Problems: s.problems, Repeated: s.repeated, Slowest: []jsonChain{}, Latest: []jsonProblem{}}
	for i, c := range s.chains.found {
		r := s.begins[i]
		j.Slowest = append(j.Slowest, jsonChain{c.id, jsonTime(c.first), ms(c.took()), c.events, r.Subject, r.who, r.what})
	}
	for _, r := range s.errors {
		p := jsonProblem{r.Ref.String(), jsonTime(r.At), r.CorrelationID, r.Subject, r.problem, r.what, ""}
		if r.err != nil {
			p.Malformed = r.err.Error()
		}
		j.Latest = append(j.Latest, p)
	}
	return j
}
