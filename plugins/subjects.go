package plugins

import (
	"fmt"
	"slices"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

// SubjectsByStream returns the filters of the plugin's durable consumers: its
// commands and subscriptions, but for those FromFirst.
func (p Plugin) SubjectsByStream() (map[string][]string, error) {
	found := map[string][]string{streams.Plugin: {event.CommandSubject(p.Name)}}
	if p.Outcomes != nil {
		found[streams.Cytube] = []string{event.SubjectDelivery}
	}
	return p.subjectsByStream(found, false)
}

// PastSubjectsByStream returns the filters of the durable consumers that read from the
// first event on; see Subscription.FromFirst.
func (p Plugin) PastSubjectsByStream() (map[string][]string, error) {
	return p.subjectsByStream(map[string][]string{}, true)
}

// subjectsByStream adds the filters of subscriptions.
func (p Plugin) subjectsByStream(found map[string][]string, fromFirst bool) (map[string][]string, error) {
	for _, s := range p.Events {
		if s.FromFirst != fromFirst {
			continue
		}
		filters, err := streams.Overlapping(s.Subject)
		if err != nil {
			return nil, fmt.Errorf("subscription of %s: %w", p.Name, err)
		}
		for stream, fs := range filters {
			found[stream] = append(found[stream], fs...)
		}
	}
	for stream, fs := range found {
		if found[stream] = distinct(fs); len(found[stream]) == 0 {
			delete(found, stream)
		}
	}
	return found, nil
}

// Subjects returns the patterns of all events that the plugin handles, sorted.
func (p Plugin) Subjects() ([]string, error) {
	live, err := p.SubjectsByStream()
	if err != nil {
		return nil, err
	}
	past, err := p.PastSubjectsByStream()
	if err != nil {
		return nil, err
	}
	var all []string
	for _, byStream := range []map[string][]string{live, past} {
		for _, subjects := range byStream {
			all = append(all, subjects...)
		}
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

// Handles reports whether the plugin handles events on a subject.
func (p Plugin) Handles(subject string) bool {
	return subject == event.CommandSubject(p.Name) || subject == event.SubjectDelivery && p.Outcomes != nil || slices.ContainsFunc(p.Events, func(s Subscription) bool { return matches(s.Subject, subject) })
}

// distinct removes filters that another one covers, which JetStream refuses, and those
// of timers that have not fired.
func distinct(filters []string) []string {
	var kept []string
	for i, f := range filters {
		redundant := Covers(event.AllSchedules, f)
		for j, g := range filters {
			redundant = redundant || j != i && Covers(g, f) && (f != g || j < i)
		}
		if !redundant {
			kept = append(kept, f)
		}
	}
	return kept
}

// Covers reports whether a pattern matches every subject that a filter matches.
func Covers(pattern, filter string) bool {
	both, ok := streams.Intersect(pattern, filter)
	return ok && both == filter
}

// matches is event.Match with the contract's meaning of wildcards.
func matches(pattern, subject string) bool {
	filters, err := streams.Overlapping(pattern)
	if err != nil {
		return false
	}
	for _, fs := range filters {
		if slices.ContainsFunc(fs, func(f string) bool { return event.Match(f, subject) }) {
			return true
		}
	}
	return false
}
