package host

import (
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/rosey-bot/rosey/consumers"
	"github.com/rosey-bot/rosey/consumers/pluginsettings"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/streams"
)

// keepTimeout limits how long an event waits until its exchanges are kept.
const keepTimeout = streams.DefaultTimeout

// keepExchanges keeps what the handler asks and is answered, from which a dry run answers
// the same. Of a repeated attempt it is unknown what an earlier one has changed. That they
// cannot be kept is logged and no failure. Which settings the handler saw is in the
// metadata of its outputs, and kept with the exchanges for a handler without outputs.
func keepExchanges(bus *streams.Bus, plugin string, log *slog.Logger) consumers.Middleware {
	return func(next consumers.Handler) consumers.Handler {
		return func(ctx context.Context, d streams.Stored) ([]event.Envelope, error) {
			// The clock stands still for a handler, so that a dry run can show it the same.
			now := consumers.Now(ctx)
			ctx = consumers.WithClock(ctx, func() time.Time { return now })
			p := &asking{Publisher: consumers.PublisherFrom(ctx), began: time.Now()}
			out, err := next(context.WithValue(consumers.WithPublisher(ctx, p), askingKey{}, p), d)
			out = p.stamp(out)
			if kept := p.exchanges(d, len(out) > 0 && err == nil); kept != nil {
				kept.Waited = now.Sub(d.At)
				ctx, cancel := context.WithTimeout(ctx, keepTimeout)
				defer cancel()
				if err := bus.SaveExchanges(ctx, plugin, d.Ref, *kept); err != nil {
					log.DebugContext(ctx, "exchanges not kept, dry runs read the database's history", "event", d.Ref.String(), "error", err)
				}
			}
			return out, err
		}
	}
}

// asking is a publisher that notes the exchanges.
type asking struct {
	consumers.Publisher
	began    time.Time
	mu       sync.Mutex
	kept     *streams.Exchanges // nil if there were none
	loaded   bool               // the settings were
	settings uint64             // the newest revision that was seen
	set      time.Time          // when that was made
}

// askingKey is the key of a context's *asking, which others' publishers may wrap.
type askingKey struct{}

// notedSettings has the asking of a handler's context note which settings are seen.
type notedSettings struct{ *pluginsettings.Store }

// Load implements plugins.SettingsLoader.
func (s notedSettings) Load(ctx context.Context, plugin, channel string) (pluginsettings.Set, error) {
	set, err := s.Store.Load(ctx, plugin, channel)
	if a, ok := ctx.Value(askingKey{}).(*asking); ok {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.loaded = a.loaded || err == nil
		for _, r := range [...]pluginsettings.Revision{set.All, set.Channel} {
			if r.Revision > a.settings {
				a.settings, a.set = r.Revision, r.At
			}
		}
	}
	return set, err
}

// seen returns the newest revision of the settings that the handler has seen, 0 if none
// were set; ok is false if it has not looked.
func (a *asking) seen() (revision uint64, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.settings, a.loaded
}

// stamp returns the outputs with a note of which settings the handler saw.
func (a *asking) stamp(out []event.Envelope) []event.Envelope {
	revision, ok := a.seen()
	if !ok {
		return out
	}
	stamped := make([]event.Envelope, len(out))
	for i, e := range out {
		stamped[i] = e.WithMeta(event.MetaSettings, revision)
	}
	return stamped
}

// Publish implements consumers.Publisher.
func (a *asking) Publish(ctx context.Context, e event.Envelope, opts ...streams.PublishOption) (streams.Ack, error) {
	return a.Publisher.Publish(ctx, a.stamp([]event.Envelope{e})[0], opts...)
}

// Request implements consumers.Publisher.
func (a *asking) Request(ctx context.Context, subject string, payload any, opts ...streams.PublishOption) (json.RawMessage, error) {
	if revision, ok := a.seen(); ok {
		opts = append(slices.Clip(opts), streams.WithMeta(event.MetaSettings, revision))
	}
	reply, err := a.Publisher.Request(ctx, subject, payload, opts...)
	request, encodeErr := event.Encode(payload)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.kept == nil {
		a.kept = &streams.Exchanges{}
	}
	a.kept.Unknown = a.kept.Unknown || encodeErr != nil || len(reply) == 0
	a.kept.List = append(a.kept.List, streams.Exchange{
		Subject: subject, Request: plugins.WithoutHandled(request), Reply: plugins.WithoutHandled(reply), After: time.Since(a.began),
	})
	return reply, err
}

// exchanges returns what is kept of an attempt to handle d, whose outputs were stamped or
// are none; nil keeps nothing. Of a handler that asked nothing and has no outputs, which are
// many, a dry run takes the settings from before d was stored, unless it is kept that they
// were others.
func (a *asking) exchanges(d streams.Stored, stamped bool) *streams.Exchanges {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.kept == nil && (a.settings == 0 || stamped || a.set.Before(d.At)):
		return nil
	case a.kept == nil:
		return &streams.Exchanges{Settings: a.settings}
	case a.kept.Unknown || d.Attempt > 1:
		return &streams.Exchanges{Unknown: true, Settings: a.settings}
	}
	a.kept.Settings = a.settings
	return a.kept
}
