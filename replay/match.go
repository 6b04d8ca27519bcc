package replay

import (
	"bytes"
	"encoding/hex"
	"slices"
	"strings"

	"go.opentelemetry.io/otel/trace"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/telemetry/propagation"
)

// A matcher applies the conditions that the server cannot.
type matcher struct {
	Filter
	traceID trace.TraceID
	content bool // whether the body must be looked at
}

func (f Filter) matcher() *matcher {
	m := &matcher{Filter: f, content: f.Channel != "" || f.User != "" || f.Plugin != "" || f.Correlation != "" || f.Grep != nil}
	if hexID(f.Correlation) {
		m.traceID = propagation.TraceID(f.Correlation)
	}
	return m
}

func hexID(s string) bool {
	id, err := hex.DecodeString(strings.ReplaceAll(s, "-", ""))
	return err == nil && len(id) == len(trace.TraceID{})
}

// subject reports whether the event's subject is one of those asked for.
func (m *matcher) subject(subject string) bool {
	return len(m.Subjects) == 0 || slices.ContainsFunc(m.Subjects, func(p string) bool {
		if event.Match(p, subject) {
			return true
		}
		// What the contract prints as cytube.* means the whole namespace.
		namespace, rest, _ := strings.Cut(p, ".")
		return rest == "*" && strings.HasPrefix(subject, namespace+".")
	})
}

// match reports whether the event passes. An event whose body is not JSON
// passes only what can be told without its body.
func (m *matcher) match(e *Event) bool {
	if !m.content {
		return true
	}
	f := e.fields()
	if !f.valid && (m.User != "" || m.Channel != "") {
		return false
	}
	if m.Correlation != "" && !m.correlated(e.correlation(f)) {
		return false
	}
	if m.Plugin != "" && event.PluginOf(e.Subject) != m.Plugin && publisher(member(f.metadata, event.MetaSource)) != m.Plugin {
		return false
	}
	if m.User != "" || m.Channel != "" {
		user, channel := m.User == "", m.Channel == ""
		members(f.data, func(name, value []byte) {
			switch string(name) {
			case "user", "to", "by", "queued_by":
				user = user || equalFold(value, m.User)
			case "channel":
				channel = channel || equalFold(value, m.Channel)
			case "details":
				members(value, func(name, value []byte) {
					user = user || string(name) == "user" && equalFold(value, m.User)
				})
			}
		})
		if !user || !channel {
			return false
		}
	}
	return m.Grep == nil || f.match(m.Grep)
}

func (m *matcher) correlated(id string) bool {
	switch {
	case id == m.Correlation:
		return true
	case isRef(m.Correlation):
		return strings.HasPrefix(id, m.Correlation+"@") // of an event that came without one
	case len(m.Correlation) >= MinPrefix && len(id) >= len(m.Correlation) && strings.EqualFold(id[:len(m.Correlation)], m.Correlation):
		return true
	case m.traceID == trace.TraceID{}:
		return false
	case len(id) == len(m.Correlation):
		return strings.EqualFold(id, m.Correlation)
	}
	// The same ID with or without hyphens, or one that the trace ID is a hash of.
	return propagation.TraceID(id) == m.traceID
}

// isRef reports whether an ID is no correlation ID but names a stored event.
func isRef(id string) bool {
	ref, err := event.ParseRef(id)
	return err == nil && slices.ContainsFunc(streams.Specs(), func(s streams.Spec) bool { return s.Name == ref.Stream })
}

// publisher returns the plugin that an event's source names: its durable consumer is
// plugin-{name}.
func publisher(source string) string { return strings.TrimPrefix(source, "plugin-") }

func equalFold(raw []byte, s string) bool {
	return bytes.EqualFold(unquote(raw), []byte(s))
}
