package inspector

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/replay"
	"github.com/rosey-bot/rosey/streams"
)

const (
	maxWindow = 24 * time.Hour // of rates
	maxRecent = 10             // events
)

// counts is a number of events, in total and by subject.
type counts struct {
	total  int
	by     map[string]int
	window time.Duration
}

// count counts the events in the window before the command, without requests, as the
// command causes some.
func count(ctx context.Context, c *plugins.Context, window time.Duration) (counts, error) {
	n := counts{by: map[string]int{}, window: window}
	q := replay.Query{Filter: replay.Filter{
		Subjects: []string{event.AllCytube, event.AllCommands, event.EventSubject("*"), event.EventSubject("*", ">"), event.AllPlatform},
		Since:    c.Now().Add(-window), Until: c.Now(),
	}}
	for e, err := range c.Streams().Events(ctx, q) {
		if err != nil {
			return n, err
		}
		n.total++
		n.by[event.Template(e.Subject)]++
	}
	return n, nil
}

// top returns the subjects with the most events.
func (n counts) top(most int) string {
	subjects := slices.SortedFunc(maps.Keys(n.by), func(a, b string) int {
		return cmp.Or(n.by[b]-n.by[a], strings.Compare(a, b))
	})
	var parts []string
	for _, s := range subjects[:min(most, len(subjects))] {
		parts = append(parts, fmt.Sprintf("%s %d", s, n.by[s]))
	}
	return strings.Join(parts, ", ")
}

func perMinute(n int, window time.Duration) string {
	return humanize.FtoaWithDigits(float64(n)/window.Minutes(), 1)
}

// recent describes the last n events of some subjects, oldest first.
func recent(ctx context.Context, c *plugins.Context, n int, patterns []string) ([]string, error) {
	var last []replay.Event
	// Streams are read forwards: a short window is tried first, to avoid reading a
	// whole day.
	for _, window := range []time.Duration{time.Minute, time.Hour, 24 * time.Hour} {
		last = last[:0]
		q := replay.Query{Filter: replay.Filter{Subjects: patterns, Since: c.Now().Add(-window), Until: c.Now()}}
		for e, err := range c.Streams().Events(ctx, q) {
			if err != nil {
				return nil, err
			}
			if event.Match(event.AllSchedules, e.Subject) {
				continue
			}
			if last = append(last, e); len(last) > n {
				last = slices.Delete(last, 0, 1)
			}
		}
		if len(last) == n {
			break
		}
	}
	if len(last) == 0 {
		return []string{"🔎 nothing in the last day"}, nil
	}
	lines := make([]string, len(last))
	for i, e := range last {
		lines[i] = describe(e)
	}
	return lines, nil
}

// describe returns an event in one line, without the text of private messages.
func describe(e replay.Event) string {
	s := fmt.Sprintf("🔎 %s %s %s", e.At.UTC().Format(time.TimeOnly), e.Ref, e.Subject)
	if e.Subject == event.SubjectPM || e.Subject == event.SubjectSendPM {
		return s + " (private)"
	}
	stored, err := e.Decode()
	if err != nil {
		return s + " (malformed: " + plugins.Shorten(err.Error(), 80) + ")"
	}
	var d struct{ User, Message, Emote, Title, Error, Consumer string }
	_ = json.Unmarshal(stored.Data, &d)
	said := cmp.Or(d.Message, d.Emote, d.Title)
	switch {
	case d.Error != "":
		s += " " + plugins.Shorten(d.Consumer+": "+d.Error, 120)
	case d.User != "" && said != "":
		s += " " + plugins.Shorten(d.User+": "+said, 120)
	case said != "":
		s += " " + plugins.Shorten(said, 120)
	default:
		s += " " + plugins.Shorten(string(stored.Data), 120)
	}
	return s
}

// sizes describes how much each stream holds.
func sizes(ctx context.Context, c *plugins.Context) ([]string, error) {
	var parts []string
	for _, spec := range streams.Specs() {
		info, err := c.Streams().Stream(ctx, spec.Name)
		if err != nil {
			return nil, err
		}
		parts = append(parts, fmt.Sprintf("%s %s in %s", spec.Name, humanize.Comma(int64(info.State.Msgs)), humanize.Bytes(info.State.Bytes)))
	}
	return parts, nil
}

// state is the state of a plugin, or of another durable consumer.
type state struct {
	version   string
	instances int
	paused    bool
	waiting   uint64 // events not acknowledged yet
	given     int    // of them, those delivered
	retried   int    // of those, those redelivered
	consumer  bool
}

// states describes each plugin's instances and backlog, and then the bot's own
// consumers.
func states(ctx context.Context, c *plugins.Context) ([]string, error) {
	found := map[string]*state{}
	of := func(name string) *state {
		if found[name] == nil {
			found[name] = &state{}
		}
		return found[name]
	}
	registered, err := c.Streams().Registrations(ctx)
	if err != nil {
		return nil, err
	}
	for _, r := range registered {
		of(streams.Durable(r.Name)).version = r.Version
	}
	running, err := c.Streams().Instances(ctx)
	if err != nil {
		return nil, err
	}
	for name, instances := range running {
		of(streams.Durable(name)).instances = len(instances)
	}
	consumers, err := c.Streams().Consumers(ctx)
	if err != nil {
		return nil, err
	}
	for _, info := range consumers {
		s := of(info.Name)
		s.consumer = true
		s.paused = s.paused || info.Paused
		s.waiting += info.Backlog()
		s.given += info.Unacked
		s.retried += info.Redelivered
		if _, plugin := strings.CutPrefix(info.Name, streams.Durable("")); !plugin || s.instances == 0 {
			s.instances = max(s.instances, min(info.Waiting, 1))
		}
	}
	// Without the command being handled.
	if s := found[streams.Durable(Name)]; s != nil && s.waiting > 0 {
		s.waiting--
	}
	var ofPlugins, others []string
	for _, durable := range slices.Sorted(maps.Keys(found)) {
		if name, ok := strings.CutPrefix(durable, streams.Durable("")); ok {
			ofPlugins = append(ofPlugins, found[durable].tell(name))
		} else {
			others = append(others, found[durable].tell(durable))
		}
	}
	return append(ofPlugins, others...), nil
}

func (s *state) tell(name string) string {
	text := strings.TrimSpace(name + " " + s.version)
	switch {
	case s.paused:
		text += " paused"
	case s.instances > 1:
		text += fmt.Sprintf(" up ×%d", s.instances)
	case s.instances == 1:
		text += " up"
	case !s.consumer:
		text += " never ran"
	case s.given > 0:
		text += " busy or down"
	default:
		text += " DOWN"
	}
	if s.waiting > 0 {
		text += fmt.Sprintf(", %d waiting", s.waiting)
	}
	if s.retried > 0 {
		text += fmt.Sprintf(", %d retried", s.retried)
	}
	return text
}
