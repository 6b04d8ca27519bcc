package replay

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/telemetry/propagation"
)

// minPrefix is how many characters of a correlation ID are enough to ask for it.
const minPrefix = 8

// Filter selects events. Its zero value selects all of them; every field that is
// set narrows the selection.
type Filter struct {
	// Subjects are NATS patterns, or the wildcards that the contract prints, of
	// which an event must match one.
	Subjects []string
	// Channel is where the event happened, in any case.
	Channel string
	// User is who is named in a field that is marked as a person, such as the author, the
	// recipient, the target or the one who queued an item; in any case.
	User string
	// Marks are those of plugins' own events; see router.Marks. Without them any value of
	// such an event may be the User.
	Marks event.Marks
	// Part is that of the cytube.state events that pass, if Subjects has them.
	Part string
	// Plugin owns the event's namespace or published it.
	Plugin string
	// Correlation is the event's correlation ID, the first eight or more
	// characters of one, or its trace ID as Jaeger shows it.
	Correlation string
	// Grep must match one of the values of the event's data.
	Grep *regexp.Regexp
	// Since and Until bound when the event was stored, Since inclusive and Until
	// exclusive; zero leaves that side open.
	Since, Until time.Time
}

// Validate returns an INVALID_INPUT error, saying what to write instead, for a
// filter that can match nothing.
func (f Filter) Validate() error {
	for _, pattern := range f.Subjects {
		if err := checkPattern(pattern); err != nil {
			return err
		}
	}
	if f.Plugin != "" && !event.ValidName(f.Plugin) {
		return event.Errorf(event.InvalidInput, "%q cannot be a plugin's name: use 1 to %d of A-Z a-z 0-9 _ -", f.Plugin, event.MaxNameLength)
	}
	for _, t := range []time.Time{f.Since, f.Until} {
		if !t.IsZero() && (t.Before(minTime) || t.After(maxTime)) {
			return event.Errorf(event.InvalidInput, "%s lies outside the years 1970 to 2261", t)
		}
	}
	if !f.Since.IsZero() && !f.Until.IsZero() && !f.Since.Before(f.Until) {
		return event.Errorf(event.InvalidInput, "nothing lies between %s and %s: the start must be before the end",
			f.Since.Format(time.DateTime), f.Until.Format(time.DateTime))
	}
	return nil
}

// knownSubjects are the contract's literal subjects.
var knownSubjects = event.LiteralSubjects()

// checkPattern refuses a pattern that no event of the contract can match, which is
// most often a typing mistake.
func checkPattern(pattern string) error {
	if !validPattern(pattern) {
		return event.Errorf(event.InvalidInput, "%q is not a subject: write for example %s, %s or %s", pattern, event.SubjectChat, event.AllCommands, event.AllCytube)
	}
	found, err := streams.Overlapping(pattern)
	if err != nil {
		return err
	}
	if found[streams.Plugin] != nil || found[streams.PluginRequest] != nil || found[streams.Timer] != nil {
		return nil
	}
	namespace, _, _ := strings.Cut(pattern, ".")
	group := pattern[:max(strings.LastIndexByte(pattern, '.'), 0)]
	var known, near []string
	for _, s := range knownSubjects {
		if event.Match(pattern, s) {
			return nil
		}
		if strings.HasPrefix(s, namespace+".") {
			known = append(known, s)
		}
		if s[:strings.LastIndexByte(s, '.')] == group {
			near = append(near, s)
		}
	}
	if len(near) > 0 {
		known = near
	}
	return event.Errorf(event.InvalidInput, "no event has the subject %s: there are %s", pattern, strings.Join(known, ", "))
}

// validPattern reports whether NATS accepts a subject with wildcards.
func validPattern(pattern string) bool {
	tokens := strings.Split(pattern, ".")
	for i, token := range tokens {
		if token == "" || strings.ContainsAny(token, " \t\r\n\f") || token == ">" && i < len(tokens)-1 {
			return false
		}
	}
	return true
}

// String names the filter's bounds and conditions for a message to a person.
func (f Filter) String() string {
	var parts []string
	add := func(name, value string) {
		if value != "" {
			parts = append(parts, name+" "+value)
		}
	}
	add("subject", strings.Join(f.Subjects, " or "))
	add("channel", f.Channel)
	add("user", f.User)
	add("part", f.Part)
	add("plugin", f.Plugin)
	add("correlation", f.Correlation)
	if n := len(f.Correlation); n > 0 && n < minPrefix {
		parts[len(parts)-1] += fmt.Sprintf(", of which at least %d characters are needed unless that is all", minPrefix)
	}
	if f.Grep != nil {
		add("text", fmt.Sprintf("/%s/", f.Grep))
	}
	if !f.Since.IsZero() {
		add("since", f.Since.Format(time.DateTime))
	}
	if !f.Until.IsZero() {
		add("until", f.Until.Format(time.DateTime))
	}
	return strings.Join(parts, ", ")
}

// A matcher applies the conditions that the server cannot.
type matcher struct {
	Filter
	traceID trace.TraceID
	content bool // whether the body must be looked at
}

func (f Filter) matcher() *matcher {
	m := &matcher{Filter: f, content: f.Channel != "" || f.User != "" || f.Part != "" || f.Plugin != "" || f.Correlation != "" || f.Grep != nil}
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
	if m.Part != "" && e.Subject == event.SubjectState && member(f.data, "part") != m.Part {
		return false
	}
	if m.Correlation != "" && !m.correlated(e.correlation(f)) {
		return false
	}
	if m.Plugin != "" && event.PluginOf(e.Subject) != m.Plugin &&
		cmp.Or(e.Header.Get(streams.HeaderPublisher), publisher(member(f.metadata, event.MetaSource))) != m.Plugin {
		return false
	}
	if m.User != "" || m.Channel != "" {
		channel := m.Channel == ""
		for name, value := range members(f.data) {
			channel = channel || string(name) == "channel" && equalFold(value, m.Channel)
		}
		if !channel || m.User != "" && !names(e.Subject, f.data, m.User, m.Marks) {
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
	case len(m.Correlation) >= minPrefix && len(id) >= len(m.Correlation) && strings.EqualFold(id[:len(m.Correlation)], m.Correlation):
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
