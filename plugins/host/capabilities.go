package host

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/rosey-bot/rosey/consumers"
	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/streams"
)

// limits are what a plugin may do. The zero value allows all that a plugin may ever do.
type limits struct {
	plugin string
	may    event.Capabilities // nil limits nothing
}

// readLimits reads what the plugin may do. Someone who changes it restarts the plugin.
func (r *run) readLimits(ctx context.Context) (l limits, err error) {
	l.plugin = r.plugin.Name
	if r.Restricted {
		l.may, err = router.Capabilities(ctx, r.Bucket, l.plugin)
	} else {
		l.may, err = router.OwnCapabilities(ctx, r.Bucket, l.plugin, r.plugin.Registration().Capabilities)
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
func (l limits) request(subject string, payload any) error {
	if l.may == nil {
		return nil
	}
	if err := l.may.Allow(l.plugin, subject); err != nil || l.may.Has(event.CapabilityStorage) || !strings.HasPrefix(subject, "database.") {
		return err
	}
	raw, err := event.Encode(payload)
	if err != nil {
		return err
	}
	var of struct {
		Collection string `json:"collection"`
	}
	if err := json.Unmarshal(raw, &of); err != nil || of.Collection == "" {
		return nil // the database says what is wrong with it
	}
	if write := subject != event.SubjectGet && subject != event.SubjectQuery; !l.may.Stores(of.Collection, write) {
		return event.Errorf(event.PermissionDenied, "plugin %s may not use collection %s: rosey plugin grant %s %s:%s lets it", l.plugin, of.Collection, l.plugin, event.KindStorage, of.Collection)
	}
	return nil
}

// reads returns an error if the plugin subscribes to what it may not read.
func (l limits) reads(p plugins.Plugin) error {
	if l.may == nil || l.may.Has(event.CapabilityPublic) {
		return nil
	}
	subjects, err := p.Subjects()
	if err != nil {
		return err
	}
	for _, s := range subjects {
		own := s == event.CommandSubject(p.Name) || event.Owned(p.Name, s) == nil && !strings.HasPrefix(s, "cytube.")
		if !own && !slices.ContainsFunc(l.may.Reads(), func(pattern string) bool { return plugins.Covers(pattern, s) }) {
			return event.Errorf(event.PermissionDenied, "plugin %s may not %s: rosey plugin grant %s %s:%s lets it",
				p.Name, event.Describe(event.KindRead+":"+s), p.Name, event.KindRead, s)
		}
	}
	return nil
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
	if err := p.request(subject, payload); err != nil {
		return nil, fmt.Errorf("request %s: %w", subject, err)
	}
	return p.Publisher.Request(ctx, subject, payload, opts...)
}
