// Package streams is Rosey's use of NATS JetStream: the streams that hold every
// event, the Bus that publishes, requests and subscribes, timers, and the reading of
// stored events.
package streams

import (
	"slices"
	"strings"
	"time"

	"github.com/rosey-bot/rosey/event"
)

// Names of the six streams that together hold every event.
const (
	Cytube        = "CYTUBE"         // cytube.>: what was seen in and sent to channels
	Plugin        = "PLUGIN"         // commands and plugins' events
	Timer         = "TIMER"          // events that wait for their time
	PluginRequest = "PLUGIN_REQUEST" // a record of requests to plugins
	Platform      = "PLATFORM"       // the bot's own life
	Database      = "DATABASE"       // a record of requests to the database
)

// Durable returns the name of a plugin's durable consumers, and of its user where the
// plugin has credentials of its own.
func Durable(plugin string) string { return durablePrefix + plugin }

// PastDurable returns the name of the durable consumers by which a plugin reads a stream
// from its first event. Its commands and other events do not wait behind that one.
func PastDurable(plugin string) string { return pastPrefix + plugin }

// PluginOf returns the plugin that reads by a durable consumer, if it is a plugin's.
func PluginOf(durable string) (plugin string, ok bool) {
	if plugin, ok = strings.CutPrefix(durable, durablePrefix); ok {
		return plugin, true
	}
	return strings.CutPrefix(durable, pastPrefix)
}

// IsPast reports whether a durable consumer is a plugin's PastDurable.
func IsPast(durable string) bool { return strings.HasPrefix(durable, pastPrefix) }

const durablePrefix, pastPrefix = "plugin-", "past-"

// RestartSubject returns the subject that makes every running instance of a plugin restart.
// No stream captures it.
func RestartSubject(plugin string) string { return "rosey.plugin." + plugin + ".restart" }

// ReadableStreams returns the streams that a plugin's durable may read. Those of requests
// are a record for the operator.
func ReadableStreams() []string { return []string{Cytube, Plugin, Platform} }

// Readable reports whether a plugin's durable may read a stream.
func Readable(stream string) bool { return slices.Contains(ReadableStreams(), stream) }

// DuplicateWindow is how long a Nats-Msg-Id is remembered. It is longer than
// everything that may pass between the first and the last delivery of an event:
// a command's greatest max_age, and after that the whole backoff schedule.
const DuplicateWindow = 20 * time.Minute

// minWindow is the duplicate window of replicated streams that record requests, and
// the shortest that the server allows. When a request is repeated with its ID within
// the window, a replicated stream answers it, also one that does not acknowledge
// (nats-server 2.15.2), and the requester takes that for the service's answer.
const minWindow = 100 * time.Millisecond

// HeartbeatTTL is how long a heartbeat is kept; the rest of PLATFORM stays for
// the stream's own age.
const HeartbeatTTL = 24 * time.Hour

const day = 24 * time.Hour

// Spec describes one stream of the topology. Streams that capture subjects of
// requests do not acknowledge, because JetStream would answer the requester's
// inbox with its own PubAck before the service answers.
type Spec struct {
	Name     string
	Subjects []string
	Due      []string // subjects to which schedules publish due events, which PLUGIN sources
	NoAck    bool
	TTL      bool          // events may expire before MaxAge, see WithTTL; a start looks for these among all
	MaxAge   time.Duration // 0 keeps for ever
	Purpose  string
}

var topology = [...]Spec{
	{Name: Cytube, Subjects: []string{event.AllCytube}, MaxAge: 365 * day,
		Purpose: "Chat history and everything else seen in or sent to the channels"},
	{Name: Timer, Subjects: []string{event.AllSchedules}, Due: []string{event.AllDue}, MaxAge: 90 * day,
		Purpose: "Events of plugins that are to be stored later"},
	{Name: Plugin, Subjects: []string{event.AllCommands, event.EventSubject("*"), event.EventSubject("*", ">")}, MaxAge: 90 * day,
		Purpose: "Commands for plugins, and the events they emit"},
	{Name: PluginRequest, Subjects: []string{event.RequestSubject("*"), event.RequestSubject("*", ">")}, NoAck: true, MaxAge: 7 * day,
		Purpose: "A record of requests to plugins"},
	{Name: Platform, Subjects: []string{event.AllPlatform}, TTL: true, MaxAge: 90 * day,
		Purpose: "The bot's starts, stops and heartbeats"},
	{Name: Database, Subjects: []string{event.AllDatabase}, NoAck: true, MaxAge: 7 * day,
		Purpose: "A record of requests to the database"},
}

// Specs returns the default topology. The subjects of no two streams overlap.
func Specs() []Spec { return slices.Clone(topology[:]) }

var bySubject = func() (s event.Subjects[Spec]) {
	for _, spec := range topology {
		for _, pattern := range spec.Subjects {
			s.Add(pattern, spec)
		}
	}
	return s
}()

// InTopology reports whether a stream is one of the topology.
func InTopology(stream string) bool {
	return slices.ContainsFunc(topology[:], func(s Spec) bool { return s.Name == stream })
}

// For returns the stream that stores a literal subject; ok is false when none does.
func For(subject string) (s Spec, ok bool) { return bySubject.Find(subject) }

// fillerToken stands in for the wildcard in the subject of fillers.
const fillerToken = "_passed_"

// FillerSubject returns the subject of the stream's fillers, empty messages that take up
// lost sequences (see streams/reconcile).
func (s Spec) FillerSubject() string {
	return strings.NewReplacer("*", fillerToken, ">", fillerToken).Replace(s.Subjects[len(s.Subjects)-1])
}

// IsFiller reports whether a stored message is a filler and no event. Fillers are purged
// soon after they are stored; a reader meets those that are not purged yet.
func IsFiller(subject string, body []byte) bool {
	if len(body) > 0 || !strings.Contains(subject, fillerToken) {
		return false
	}
	return slices.ContainsFunc(topology[:], func(s Spec) bool { return !s.NoAck && s.FillerSubject() == subject })
}

// contractPatterns are the wildcards that the contract prints, with its meaning: in
// NATS a * is one token, so that cytube.* would miss cytube.user.join.
var contractPatterns = map[string]string{
	"cytube.*":   event.AllCytube,
	"plugin.*":   event.AllPlugin,
	"platform.*": event.AllPlatform,
	"database.*": event.AllDatabase,
}

// Overlapping returns the streams whose subjects a pattern can match, each with the
// patterns to filter it by. An INVALID_INPUT error says that there is none.
func Overlapping(pattern string) (map[string][]string, error) {
	if all, ok := contractPatterns[pattern]; ok {
		pattern = all
	}
	found := map[string][]string{}
	for _, s := range topology {
		for _, subject := range s.Subjects {
			if f, ok := Intersect(pattern, subject); ok && !slices.Contains(found[s.Name], f) {
				found[s.Name] = append(found[s.Name], f)
			}
		}
	}
	if len(found) == 0 {
		return nil, event.Errorf(event.InvalidInput,
			"no stream holds %q: use subjects such as %s, %s, %s or %s", pattern, event.AllCytube, event.AllCommands, event.AllPlatform, event.AllDatabase)
	}
	return found, nil
}

// Filters returns the filters of the durable consumers that read patterns, by stream: without
// those that another one covers, which JetStream refuses, and those of timers that have not
// fired.
func Filters(patterns ...string) (map[string][]string, error) {
	found := map[string][]string{}
	for _, pattern := range patterns {
		filters, err := Overlapping(pattern)
		if err != nil {
			return nil, err
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

func distinct(filters []string) (kept []string) {
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
	both, ok := Intersect(pattern, filter)
	return ok && both == filter
}

// Intersect returns the narrowest pattern that matches every subject that both a and b
// match; ok is false when there is none.
func Intersect(a, b string) (pattern string, ok bool) {
	as, bs := strings.Split(a, "."), strings.Split(b, ".")
	var out []string
	for i := 0; ; i++ {
		switch {
		case i == len(as) && i == len(bs):
			return strings.Join(out, "."), true
		case i == len(as) || i == len(bs):
			return "", false
		case as[i] == ">":
			return strings.Join(append(out, bs[i:]...), "."), true
		case bs[i] == ">":
			return strings.Join(append(out, as[i:]...), "."), true
		case as[i] == "*":
			out = append(out, bs[i])
		case bs[i] == "*" || as[i] == bs[i]:
			out = append(out, as[i])
		default:
			return "", false
		}
	}
}
