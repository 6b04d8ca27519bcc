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
	"github.com/rosey-bot/rosey/streams/monitor"
)

const (
	maxWindow = 24 * time.Hour // of rates
	maxRecent = 10             // events
)

// counts is a number of events, in total and by subject.
type counts struct {
	total int
	by    map[string]int
}

// count counts the events in the window before the command, without requests, as the
// command causes some.
func count(ctx context.Context, c *plugins.Context, window time.Duration) (counts, error) {
	n := counts{by: map[string]int{}}
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

// states describes each plugin's instances and backlog, and then the bot's own
// consumers.
func states(ctx context.Context, c *plugins.Context) ([]string, error) {
	registered, err := c.Streams().Registrations(ctx)
	if err != nil {
		return nil, err
	}
	running, err := c.Streams().Instances(ctx)
	if err != nil {
		return nil, err
	}
	all, err := c.Streams().Consumers(ctx)
	if err != nil {
		return nil, err
	}
	consumers := map[string][]monitor.ConsumerState{}
	for _, info := range all {
		name := info.Name
		if plugin, ok := streams.PluginOf(name); ok {
			name = plugin
		}
		consumers[name] = append(consumers[name], info)
	}
	var lines []string
	for _, r := range registered {
		lines = append(lines, tell(strings.TrimSpace(r.Name+" "+r.Version), len(running[r.Name]), consumers[r.Name]))
		delete(consumers, r.Name)
	}
	for _, name := range slices.Sorted(maps.Keys(consumers)) {
		lines = append(lines, tell(name, 0, consumers[name]))
	}
	return lines, nil
}

// tell describes a plugin, or another reader, with its running instances and its
// durable consumers.
func tell(text string, instances int, consumers []monitor.ConsumerState) string {
	var waiting uint64
	var delivered, redelivered int
	paused := false
	for _, info := range consumers {
		paused = paused || info.Paused
		waiting += info.Backlog()
		delivered += info.Unacked
		redelivered += info.Redelivered
		if instances == 0 {
			instances = min(info.Waiting, 1)
		}
		if info.Name == streams.Durable(Name) && waiting > 0 {
			waiting-- // the command being handled
		}
	}
	switch {
	case paused:
		text += " paused"
	case instances > 1:
		text += fmt.Sprintf(" up ×%d", instances)
	case instances == 1:
		text += " up"
	case len(consumers) == 0:
		text += " never ran"
	case delivered > 0:
		text += " busy or down"
	default:
		text += " DOWN"
	}
	if waiting > 0 {
		text += fmt.Sprintf(", %d waiting", waiting)
	}
	if redelivered > 0 {
		text += fmt.Sprintf(", %d retried", redelivered)
	}
	return text
}
