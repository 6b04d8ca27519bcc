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
	patterns := []string{event.CommandSubject(p.Name)}
	if p.Outcomes != nil {
		patterns = append(patterns, event.SubjectDelivery)
	}
	return p.subjectsByStream(patterns, false)
}

// PastSubjectsByStream returns the filters of the durable consumers that read from the
// first event on; see Subscription.FromFirst.
func (p Plugin) PastSubjectsByStream() (map[string][]string, error) {
	return p.subjectsByStream(nil, true)
}

// subjectsByStream adds the filters of subscriptions.
func (p Plugin) subjectsByStream(patterns []string, fromFirst bool) (map[string][]string, error) {
	for _, s := range p.Events {
		if s.FromFirst == fromFirst {
			patterns = append(patterns, s.Subject)
		}
	}
	found, err := streams.Filters(patterns...)
	if err != nil {
		return nil, fmt.Errorf("subscription of %s: %w", p.Name, err)
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
