package dryrun

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/replay"
	"github.com/rosey-bot/rosey/streams"
)

// headerScheduler is set on an event whose timer has fired.
const headerScheduler = "Nats-Scheduler"

// due returns when the timer of an event fires, or was to fire: it is late when no server
// ran then. Without a timer it is zero.
func due(e replay.Event) time.Time {
	waiting, _ := strings.CutPrefix(e.Header.Get(jetstream.ScheduleHeader), "@at ")
	for _, text := range []string{e.Header.Get(streams.HeaderDue), waiting} {
		if at, err := time.Parse(time.RFC3339, text); err == nil {
			return at
		}
	}
	if e.Header.Get(headerScheduler) != "" {
		return e.At // by a version that did not note it
	}
	return time.Time{}
}

// Record makes a case of the events that a filter matches, as far as the plugin
// handles such. It only reads. Progress may be nil. The error wraps
// replay.ErrNoMatch when there is no such event.
func Record(ctx context.Context, js jetstream.JetStream, p plugins.Plugin, f replay.Filter, progress func(replay.Progress)) (*Case, error) {
	c := &Case{Plugin: p.Name, tables: map[string]*table{}}
	if len(f.Subjects) == 0 {
		var err error
		if f.Subjects, err = p.Subjects(); err != nil {
			return nil, err
		}
	}
	var err error
	if c.writesSince, err = writesSince(ctx, js); err != nil {
		return nil, err
	}
	index := map[event.Ref]int{}
	for e, err := range replay.Read(ctx, js, replay.Query{Filter: f, Progress: progress}) {
		if err != nil {
			return nil, err
		}
		if !handles(p, e) {
			continue
		}
		index[e.Ref] = len(c.Events)
		c.Events = append(c.Events, Event{Event: e})
	}
	if len(c.Events) == 0 {
		return nil, fmt.Errorf("%w that %s handles (%s)", replay.ErrNoMatch, p.Name, f)
	}
	if err := c.readExchanges(ctx, js, index); err != nil {
		return nil, err
	}
	if err := c.readOutputs(ctx, js, index, progress); err != nil {
		return nil, err
	}
	c.source = history{js: js, plugin: p.Name, from: c.Events[0].At, events: index}
	return c, nil
}

// handles reports whether the plugin handles an event: not a malformed one, nor the
// retried dead letter of another consumer.
func handles(p plugins.Plugin, e replay.Event) bool {
	if !p.Handles(e.Subject) {
		return false
	}
	d, err := e.Decode()
	retried := d.Meta(event.MetaRetryFor)
	of, _ := streams.PluginOf(retried)
	return err == nil && (retried == "" || of == p.Name)
}

// readExchanges finds what the plugin asked and was answered because of the case's
// events, and of that the writes. It reads what is kept of the given events, or else of all.
func (c *Case) readExchanges(ctx context.Context, js jetstream.JetStream, index map[event.Ref]int, of ...event.Ref) error {
	all, err := streams.AllExchanges(ctx, js, c.Plugin, of...)
	if err != nil {
		return err
	}
	for of, x := range all {
		i, ok := index[of]
		if !ok {
			continue
		}
		c.Events[i].exchanges, c.Events[i].Waited = &x, x.Waited
		for _, asked := range x.List {
			if isWrite(asked.Subject) {
				c.Events[i].Recorded = addOutput(c.Events[i].Recorded, newWrite(asked.Subject, asked.Request))
			}
		}
	}
	return nil
}

// readOutputs finds what the plugin published because of the case's events.
func (c *Case) readOutputs(ctx context.Context, js jetstream.JetStream, index map[event.Ref]int, progress func(replay.Progress)) error {
	q := replay.Query{Progress: progress, Filter: replay.Filter{
		Plugin: c.Plugin, Since: c.Events[0].At,
		Subjects: []string{event.AllDatabase, event.AllSends, event.EventSubject(c.Plugin), event.EventSubject(c.Plugin, ">"), event.ScheduleSubject(c.Plugin, "*", "*")},
	}}
	for e, err := range replay.Read(ctx, js, q) {
		if err != nil {
			return err
		}
		d, err := e.Decode()
		if err != nil || d.Meta(event.MetaSource) != streams.Durable(c.Plugin) {
			continue
		}
		if d.Meta(event.MetaResult) != "" { // said by the consumer, not by the handler
			continue
		}
		cause, _ := d.Causation()
		i, ok := index[cause]
		if !ok {
			continue
		}
		out := Output{Subject: d.Subject, Data: d.Data, Due: due(e)}
		if d.Subject == event.EventSubject(c.Plugin, event.TypeDeadLetter) {
			if letter, err := event.As[event.DeadLetter](d.Envelope); err == nil {
				out = failure(c.Plugin, letter.Error, letter.Code)
				out.past = streams.IsPast(letter.Consumer)
			}
		}
		if event.Match(event.AllDatabase, d.Subject) {
			out = newWrite(d.Subject, d.Data)
		}
		if revision, ok := sawSettings(d); ok {
			c.Events[i].settings = &revision
		}
		if c.Events[i].Waited == 0 {
			c.Events[i].Waited = waited(d)
		}
		out.past = out.past || streams.IsPast(streams.RequestID(e.Header)) || flushed(c.Plugin, d.Subject, d.Data)
		if event.Match(event.AllDatabase, d.Subject) && (!isWrite(d.Subject) || out.past || c.Events[i].asked()) {
			continue
		}
		c.Events[i].Recorded = addOutput(c.Events[i].Recorded, out)
	}
	for _, i := range index { // the two consumers handled it in no order
		slices.SortStableFunc(c.Events[i].Recorded, func(a, b Output) int { return falseFirst(a.past, b.past) })
	}
	return nil
}

// sawSettings returns which settings the handler saw whose output d is.
func sawSettings(d streams.Stored) (revision uint64, ok bool) {
	n, ok := d.Metadata[event.MetaSettings].(json.Number)
	if !ok {
		return 0, false
	}
	revision, err := strconv.ParseUint(n.String(), 10, 64)
	return revision, err == nil
}

// waited returns how long the event had waited because of which d was published.
func waited(d streams.Stored) time.Duration {
	if e, err := event.As[event.Expired](d.Envelope); err == nil && event.Match(event.EventSubject("*", event.TypeExpired), d.Subject) {
		return seconds(e.Age)
	}
	w, _ := replay.Waited(d)
	return w
}

// seconds returns s as exactly as metadata has it.
func seconds(s float64) time.Duration {
	return time.Duration(s * float64(time.Second)).Round(time.Microsecond)
}

// failure returns the output of a handler that failed for good.
func failure(plugin, message string, code event.Code) Output {
	data, err := event.Encode(map[string]any{"error": message, "error_code": code})
	if err != nil {
		panic("dryrun: two strings cannot fail to encode: " + err.Error())
	}
	return Output{Subject: event.EventSubject(plugin, event.TypeDeadLetter), Data: data}
}

// Accept makes what the plugin says now what is expected of it, for Save.
func (c *Case) Accept(r Result) {
	i := slices.IndexFunc(c.Events, func(e Event) bool { return e.Ref == r.Event.Ref })
	c.Events[i].Recorded = r.Outputs
}
