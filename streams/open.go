package streams

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams/jsapi"
)

// Limits overrides how long a stream is kept and how large it may grow. A zero
// field leaves the default.
type Limits struct {
	MaxAge   time.Duration
	MaxBytes int64
	// AcceptLoss lets lower limits delete events that were stored up to then.
	AcceptLoss time.Time
}

// Options are the settings of Open.
type Options struct {
	Replicas int               // copies in a cluster, at least; 0 means 1
	Limits   map[string]Limits // by stream name
	// OnLoss, if set, is called with the events that a lower limit of an existing stream
	// deletes; if Limits.AcceptLoss does not accept that, Open leaves the limits as they are.
	OnLoss func(l RetentionLoss, accepted bool)
	// BeforeMigration, if set, is called before streams of an earlier format are changed.
	// Its error ends Open.
	BeforeMigration func(ctx context.Context, format int) error
}

// Open creates the streams or brings existing ones up to date, those of an earlier
// release by migrations. It never
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
	if err := migrate(ctx, js, o); err != nil {
		return jsapi.Explain(js.Conn(), err)
	}
	for _, s := range specs {
		if err := open(ctx, js, s, o, 0); err != nil {
			return fmt.Errorf("open stream %s: %w", s.Name, jsapi.Explain(js.Conn(), err))
		}
	}
	return nil
}

// dueEvents is the source from which the stream PLUGIN gets the events of timers.
// Schedules have a stream of their own because a publisher to a stream with schedules
// can also purge it, or publish on any of its subjects, by a header.
func dueEvents() []*jetstream.StreamSource {
	return []*jetstream.StreamSource{{
		Name:              Timer,
		SubjectTransforms: []jetstream.SubjectTransformConfig{{Source: event.AllDue, Destination: event.EventSubject("{{wildcard(1)}}", ">")}},
	}}
}

// open creates a stream, with events from a sequence on, or brings it up to date.
func open(ctx context.Context, js jetstream.JetStream, s Spec, o Options, first uint64) error {
	ctx, cancel := jsapi.WithDefaultTimeout(ctx)
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
	if have == nil {
		want.FirstSeq = first
	} else if err := keepEvents(ctx, js, existing, &want, o); err != nil {
		return err
	}
	_, err = js.CreateOrUpdateStream(ctx, want)
	return err
}

// config returns the configuration to bring a stream to. Settings of an existing one
// that a Spec does not have are kept: an operator may have tuned them.
func (s Spec) config(have *jetstream.StreamConfig, o Options) (jetstream.StreamConfig, error) {
	want := jetstream.StreamConfig{Name: s.Name, Storage: jetstream.FileStorage, Retention: jetstream.LimitsPolicy, Discard: jetstream.DiscardOld}
	if have != nil {
		if have.Storage != want.Storage || have.Retention != want.Retention {
			return want, fmt.Errorf("it exists with %s storage and %s retention, which cannot be changed in place: "+
				"back it up and remove it, or use another store or account", have.Storage, have.Retention)
		}
		if err := CheckFormat(*have); err != nil {
			return want, err
		}
		if have.Sealed || have.DenyDelete || have.DenyPurge {
			return want, fmt.Errorf("it exists sealed (%v), or denies deletes (%v) or purges (%v), which cannot be changed in place: "+
				"back it up (rosey backup), and restore that into another store or account", have.Sealed, have.DenyDelete, have.DenyPurge)
		}
		want = *have
	}
	want.Discard, want.DiscardNewPerSubject = jetstream.DiscardOld, false
	want.MaxMsgs, want.MaxMsgsPerSubject, want.MaxMsgSize = -1, -1, -1
	want.Mirror, want.SubjectTransform, want.ConsumerLimits = nil, nil, jetstream.StreamConsumerLimits{}
	want.AllowRollup = want.AllowRollup && want.AllowMsgSchedules // by which a publisher could purge
	want.Description = s.Purpose
	want.Metadata = withFormat(want.Metadata)
	want.Subjects = slices.Concat(s.Subjects, s.Due)
	want.Sources = nil
	// JetStream does not let a stream that once had schedules be without.
	had := have != nil && have.AllowMsgSchedules
	if s.Name == Plugin && !had { // an old stream needs a TimerForwarder
		want.Sources = dueEvents()
	}
	want.NoAck = s.NoAck
	want.AllowDirect = true
	want.AllowMsgTTL = s.TTL || want.AllowMsgTTL // which JetStream does not let a stream be without once it had it
	want.Compression = jetstream.S2Compression
	want.AllowMsgSchedules = len(s.Due) > 0 || had
	want.Replicas = max(o.Replicas, want.Replicas, 1) // never fewer: a process may run without the setting
	want.Duplicates = DuplicateWindow
	if s.NoAck && want.Replicas > 1 {
		want.Duplicates = minWindow
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

// Unlimited returns the settings of a stream of the topology that loses nothing before
// Open sets its limits.
func Unlimited(stream string) jetstream.StreamConfig {
	i := slices.IndexFunc(topology[:], func(s Spec) bool { return s.Name == stream })
	spec := topology[i]
	spec.MaxAge = 0
	c, _ := spec.config(nil, Options{}) // fails for existing streams only
	return c
}
