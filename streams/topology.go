// Package streams is Rosey's use of NATS JetStream: the streams that hold every
// event, the Bus that publishes, requests and subscribes, timers, and the reading of
// stored events.
package streams

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
)

// Names of the six streams that together hold every event.
const (
	Cytube        = "CYTUBE"         // cytube.>: the room
	Plugin        = "PLUGIN"         // commands and plugins' events
	Timer         = "TIMER"          // events that wait for their time
	PluginRequest = "PLUGIN_REQUEST" // a record of requests to plugins
	Platform      = "PLATFORM"       // the bot's own life
	Database      = "DATABASE"       // a record of requests to the database
)

// Durable is the name of a plugin's durable consumers, and of its user where the
// plugin has credentials of its own.
func Durable(plugin string) string { return "plugin-" + plugin }

// Registrations is the KV bucket of plugins' registrations.
const Registrations = "plugins"

// RestartSubject is the subject on which every running instance of a plugin is told
// to restart. No stream captures it.
func RestartSubject(plugin string) string { return "rosey.plugin." + plugin + ".restart" }

// ReadableStreams are the streams that a plugin's durable may read. Those of
// requests are a record for the operator.
func ReadableStreams() []string { return []string{Cytube, Plugin, Platform} }

// Readable reports whether a plugin's durable may read a stream.
func Readable(stream string) bool { return slices.Contains(ReadableStreams(), stream) }

// DuplicateWindow is how long a Nats-Msg-Id is remembered. It is longer than
// everything that may pass between the first and the last delivery of an event:
// a command's greatest max_age, and after that the whole backoff schedule.
const DuplicateWindow = 20 * time.Minute

// leastWindow is the window of replicated streams that record requests, and the
// shortest that the server allows. When a request is repeated with its ID within
// the window, a replicated stream answers it, also one that does not acknowledge
// (nats-server 2.15.2), and the requester takes that for the service's answer.
const leastWindow = 100 * time.Millisecond

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
	Due      []string // where schedules put what is due; no event is read from there
	NoAck    bool
	MaxAge   time.Duration // 0 keeps for ever
	MaxBytes int64         // 0 is unlimited
	Purpose  string
}

var topology = [...]Spec{
	{Name: Cytube, Subjects: []string{event.AllCytube}, MaxAge: 365 * day,
		Purpose: "Chat history and everything else seen in or sent to the room"},
	{Name: Timer, Subjects: []string{event.AllSchedules}, Due: []string{event.AllDue}, MaxAge: 90 * day,
		Purpose: "Events of plugins that are to be stored later"},
	{Name: Plugin, Subjects: []string{event.AllCommands, event.EventSubject("*"), event.EventSubject("*", ">")}, MaxAge: 90 * day,
		Purpose: "Commands for plugins, and the events they emit"},
	{Name: PluginRequest, Subjects: []string{event.RequestSubject("*"), event.RequestSubject("*", ">")}, NoAck: true, MaxAge: 7 * day,
		Purpose: "A record of requests to plugins"},
	{Name: Platform, Subjects: []string{event.AllPlatform}, MaxAge: 90 * day,
		Purpose: "The bot's starts, stops and heartbeats"},
	{Name: Database, Subjects: []string{event.AllDatabase}, NoAck: true, MaxAge: 7 * day,
		Purpose: "A record of requests to the database"},
}

// Specs is the default topology. The subjects of no two streams overlap.
func Specs() []Spec { return slices.Clone(topology[:]) }

// Limits overrides how long a stream is kept and how large it may grow. A zero
// field leaves the default.
type Limits struct {
	MaxAge   time.Duration
	MaxBytes int64
}

// Options are the settings of Open.
type Options struct {
	Replicas int               // copies in a cluster, at least; 0 means 1
	Limits   map[string]Limits // by stream name
}

// Open creates the streams or brings existing ones up to date. It never
// deletes a stream; a difference that JetStream cannot change in place is
// refused with an error that says what to do.
func Open(ctx context.Context, js jetstream.JetStream, o Options) error {
	specs := Specs()
	for name := range o.Limits {
		if !slices.ContainsFunc(specs, func(s Spec) bool { return s.Name == name }) {
			return fmt.Errorf("retention for unknown stream %q: the streams are %s, %s, %s, %s, %s and %s",
				name, Cytube, Timer, Plugin, PluginRequest, Platform, Database)
		}
	}
	if err := moveTimers(ctx, js); err != nil {
		return fmt.Errorf("open stream %s: %w", Timer, err)
	}
	for _, s := range specs {
		if err := open(ctx, js, s, o); err != nil {
			return fmt.Errorf("open stream %s: %w", s.Name, err)
		}
	}
	return awaitTimers(ctx, js)
}

// awaitTimers waits a little until the stream PLUGIN gets what is due: a server
// that is just starting takes a moment to connect the two streams.
func awaitTimers(ctx context.Context, js jetstream.JetStream) error {
	for deadline := time.Now().Add(2 * time.Second); ; {
		s, err := js.Stream(ctx, Plugin)
		if err != nil {
			return fmt.Errorf("open stream %s: %w", Plugin, err)
		}
		connected := !slices.ContainsFunc(s.CachedInfo().Sources, func(i *jetstream.StreamSourceInfo) bool { return i.Active < 0 })
		if connected || time.Now().After(deadline) {
			return nil
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// moveTimers takes schedules out of the stream PLUGIN, where they once were; those
// that wait there still come when they are due.
func moveTimers(ctx context.Context, js jetstream.JetStream) error {
	plugin, err := js.Stream(ctx, Plugin)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	c := plugin.CachedInfo().Config
	before := len(c.Subjects)
	c.Subjects = slices.DeleteFunc(c.Subjects, func(s string) bool { return strings.HasPrefix(s, "plugin.*.schedule.") })
	if len(c.Subjects) < before {
		_, err = js.UpdateStream(ctx, c)
	}
	return err
}

// whatIsDue is how the stream PLUGIN gets an event whose time has come. Schedules
// have a stream of their own because whoever may publish to a stream that has
// them can also clear it, or have an event put on any of its subjects, by a header.
func whatIsDue() []*jetstream.StreamSource {
	return []*jetstream.StreamSource{{
		Name:              Timer,
		SubjectTransforms: []jetstream.SubjectTransformConfig{{Source: event.AllDue, Destination: event.EventSubject("{{wildcard(1)}}", ">")}},
	}}
}

// answerTimeout is how long to wait for the answer to a request that opens a
// stream or bucket, before it is made again: on a cluster, of two that are made
// at the same time one may never be answered.
const answerTimeout = 2 * time.Second

// AnswerWithin is ctx with a deadline for one request that opens a stream or a
// bucket, unless it has one; see WhileUnanswered for what to do when it has passed.
func AnswerWithin(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, answerTimeout)
}

func open(ctx context.Context, js jetstream.JetStream, s Spec, o Options) error {
	ctx, cancel := AnswerWithin(ctx)
	defer cancel()
	existing, err := js.Stream(ctx, s.Name)
	var have *jetstream.StreamConfig
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound):
	case err != nil:
		return err
	default:
		have = &existing.CachedInfo().Config
	}
	want, err := s.config(have, o)
	if err != nil {
		return err
	}
	_, err = js.CreateOrUpdateStream(ctx, want)
	return err
}

// config is how the stream should be, given how it is. What an operator tuned by
// hand and we have no opinion on stays.
func (s Spec) config(have *jetstream.StreamConfig, o Options) (jetstream.StreamConfig, error) {
	want := jetstream.StreamConfig{Name: s.Name, Storage: jetstream.FileStorage, Retention: jetstream.LimitsPolicy, Discard: jetstream.DiscardOld}
	if have != nil {
		if have.Storage != want.Storage || have.Retention != want.Retention {
			return want, fmt.Errorf("it exists with %s storage and %s retention, which cannot be changed in place: "+
				"back it up and remove it, or use another store or account", have.Storage, have.Retention)
		}
		want = *have
	}
	want.Description = s.Purpose
	want.Subjects = slices.Concat(s.Subjects, s.Due)
	want.Sources = nil
	// JetStream does not let a stream that once had schedules be without.
	had := have != nil && have.AllowMsgSchedules
	if s.Name == Plugin && !had { // the others need a Carrier
		want.Sources = whatIsDue()
	}
	want.NoAck = s.NoAck
	want.AllowDirect = true
	want.AllowMsgTTL = true
	want.AllowMsgSchedules = len(s.Due) > 0 || had
	want.Replicas = max(o.Replicas, want.Replicas, 1) // a process that was not told of them takes no copies away
	want.Duplicates = DuplicateWindow
	if s.NoAck && want.Replicas > 1 {
		want.Duplicates = leastWindow
	}
	want.MaxAge, want.MaxBytes = s.MaxAge, -1
	if l, ok := o.Limits[s.Name]; ok {
		if l.MaxAge > 0 {
			want.MaxAge = l.MaxAge
		}
		if l.MaxBytes > 0 {
			want.MaxBytes = l.MaxBytes
		}
	}
	if want.MaxAge > 0 && want.MaxAge < want.Duplicates {
		return want, fmt.Errorf("max_age %s is shorter than the duplicate window of %s: choose a longer one", want.MaxAge, want.Duplicates)
	}
	return want, nil
}

// Differences says in what an existing stream is not as Open would have it; Open
// changes that. The error is what Open would refuse it for.
func (s Spec) Differences(have jetstream.StreamConfig, o Options) ([]string, error) {
	want, err := s.config(&have, o)
	if err != nil {
		return nil, err
	}
	var found []string
	for _, f := range []struct {
		name       string
		have, want any
	}{
		{"subjects", have.Subjects, want.Subjects},
		{"no_ack", have.NoAck, want.NoAck},
		{"allow_direct", have.AllowDirect, want.AllowDirect},
		{"allow_msg_ttl", have.AllowMsgTTL, want.AllowMsgTTL},
		{"allow_msg_schedules", have.AllowMsgSchedules, want.AllowMsgSchedules},
		{"duplicate_window", have.Duplicates, want.Duplicates},
		{"num_replicas", have.Replicas, want.Replicas},
		{"max_age", have.MaxAge, want.MaxAge},
		{"max_bytes", have.MaxBytes, want.MaxBytes},
	} {
		if fmt.Sprint(f.have) != fmt.Sprint(f.want) {
			found = append(found, fmt.Sprintf("%s is %v and should be %v", f.name, f.have, f.want))
		}
	}
	return found, nil
}

var bySubject = func() (s event.Subjects[Spec]) {
	for _, spec := range topology {
		for _, pattern := range spec.Subjects {
			s.Add(pattern, spec)
		}
	}
	return s
}()

// For is the stream that stores a literal subject; ok is false when none does.
func For(subject string) (s Spec, ok bool) { return bySubject.Find(subject) }

// contractPatterns are the wildcards that the contract prints, read as the
// contract means them: in NATS a * is one token, so cytube.* alone would miss
// cytube.user.join.
var contractPatterns = map[string]string{
	"cytube.*":   event.AllCytube,
	"plugin.*":   event.AllPlugin,
	"platform.*": event.AllPlatform,
	"database.*": event.AllDatabase,
}

// Overlapping lists the streams whose subjects a pattern can match, each with
// the pattern to filter it by, in the topology's order.
func Overlapping(pattern string) (map[string][]string, error) {
	if all, ok := contractPatterns[pattern]; ok {
		pattern = all
	}
	found := map[string][]string{}
	for _, s := range Specs() {
		for _, subject := range s.Subjects {
			if f, ok := intersect(pattern, subject); ok && !slices.Contains(found[s.Name], f) {
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
