package host

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/rosey-bot/rosey/consumers"
	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/replay"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/access"
)

// limits are what a plugin may do. The zero value allows all that a plugin may ever do.
type limits struct {
	plugin string
	may    event.Capabilities // nil limits nothing
	// access decides who has which collection, for a plugin without credentials of its own;
	// with them, the database does.
	access *router.Access
}

// readLimits reads what the plugin may do. Someone who changes it restarts the plugin.
func (r *run) readLimits(ctx context.Context) (l limits, err error) {
	l.plugin = r.plugin.Name
	if r.Restricted {
		l.may, err = router.Capabilities(ctx, r.Bucket, l.plugin)
	} else {
		l.access = router.NewAccess(r.Bucket)
		l.may, err = router.OwnCapabilities(ctx, r.Bucket, l.plugin, r.plugin.Capabilities)
	}
	return l, err
}

// publish returns a PERMISSION_DENIED error for a subject on which the plugin may not publish.
func (l limits) publish(subject string) error {
	if err := event.Owned(l.plugin, subject); err != nil || l.may == nil {
		return err
	}
	return l.may.Allow(l.plugin, subject)
}

// request returns a PERMISSION_DENIED error for a request that the plugin may not make.
func (l limits) request(ctx context.Context, subject string, payload any) error {
	if l.may == nil {
		return nil
	}
	if err := l.may.Allow(l.plugin, subject); err != nil || l.access == nil || !strings.HasPrefix(subject, "database.") {
		return err
	}
	raw, err := event.Encode(payload)
	if err != nil {
		return err
	}
	for _, u := range usesOf(subject, raw) {
		if err := l.access.Use(ctx, l.plugin, l.may, u.Collection, u.writes()); err != nil {
			return err
		}
	}
	return nil
}

// use is what a request to the database, or an operation of one, does with a collection.
type use struct {
	Op         string `json:"op"`
	Collection string `json:"collection"`
}

func (u use) writes() bool {
	return u.Op != strings.TrimPrefix(event.SubjectGet, "database.") && u.Op != strings.TrimPrefix(event.SubjectQuery, "database.")
}

// usesOf lists what a request does, without what names no collection: the database says what is
// wrong with that.
func usesOf(subject string, raw json.RawMessage) (all []use) {
	var request struct {
		Collection string `json:"collection"`
		Operations []use  `json:"operations"`
	}
	_ = json.Unmarshal(raw, &request) // see above
	all = []use{{Op: strings.TrimPrefix(subject, "database."), Collection: request.Collection}}
	if subject == event.SubjectBatch {
		all = request.Operations
		for i := range all {
			all[i].Collection = cmp.Or(all[i].Collection, request.Collection)
		}
	}
	return slices.DeleteFunc(all, func(u use) bool { return !event.ValidName(u.Collection) })
}

// readable returns a PERMISSION_DENIED error if the plugin may not read the events of a pattern, by
// what it may do; read:public lets it read those that are public.
func (l limits) readable(pattern string) error {
	if l.may == nil {
		return nil
	}
	filters, err := streams.Overlapping(pattern)
	if err != nil {
		return err
	}
	for stream, list := range filters {
		for _, filter := range list {
			if err := access.CheckSubject(l.plugin, stream, filter, l.may); err != nil {
				return err
			}
		}
	}
	return nil
}

// reads returns an error if the plugin subscribes to what it may not read. Its Outcomes get those of
// its own sends alone.
func (l limits) reads(p plugins.Plugin) error {
	subjects, err := p.Subjects()
	if err != nil {
		return err
	}
	for _, s := range subjects {
		ownOutcomes := s == event.SubjectDelivery && p.Outcomes != nil
		if err := l.readable(s); err != nil && !ownOutcomes {
			return err
		}
	}
	return nil
}

// lacks lists those of asked, in their usual form, that the plugin does not have.
func (l limits) lacks(asked []string) []string {
	return slices.DeleteFunc(l.may.Lacking(asked), func(c string) bool {
		pattern, reads := strings.CutPrefix(c, event.KindRead+":")
		return reads && l.readable(pattern) == nil
	})
}

// limitedReader is a reader that keeps to limits.
type limitedReader struct {
	plugins.Reader
	limits
}

// Events implements plugins.Reader.
func (r limitedReader) Events(ctx context.Context, q replay.Query) iter.Seq2[replay.Event, error] {
	patterns := q.Subjects
	if len(patterns) == 0 {
		patterns = []string{">"}
	}
	for _, pattern := range patterns {
		if err := r.readable(pattern); err != nil {
			return func(yield func(replay.Event, error) bool) { yield(replay.Event{}, err) }
		}
	}
	return r.Reader.Events(ctx, q)
}

// Event implements plugins.Reader.
func (r limitedReader) Event(ctx context.Context, ref event.Ref) (replay.Event, error) {
	e, err := r.Reader.Event(ctx, ref)
	if err == nil {
		err = r.readable(e.Subject)
	}
	if err != nil {
		return replay.Event{}, err
	}
	return e, nil
}

// keep makes handlers' requests and early events keep to the limits.
func (l limits) keep(next consumers.Handler) consumers.Handler {
	if l.may == nil {
		return next
	}
	return func(ctx context.Context, d streams.Stored) ([]event.Envelope, error) {
		return next(consumers.WithPublisher(ctx, limited{consumers.PublisherFrom(ctx), l}), d)
	}
}

// limited is a publisher that keeps to limits.
type limited struct {
	consumers.Publisher
	limits
}

// Publish implements consumers.Publisher.
func (p limited) Publish(ctx context.Context, e event.Envelope, opts ...streams.PublishOption) (streams.Ack, error) {
	if err := p.publish(e.Subject); err != nil {
		return streams.Ack{}, err
	}
	return p.Publisher.Publish(ctx, e, opts...)
}

// Request implements consumers.Publisher.
func (p limited) Request(ctx context.Context, subject string, payload any, opts ...streams.PublishOption) (json.RawMessage, error) {
	if err := p.request(ctx, subject, payload); err != nil {
		return nil, fmt.Errorf("request %s: %w", subject, err)
	}
	return p.Publisher.Request(ctx, subject, payload, opts...)
}
