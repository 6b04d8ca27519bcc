package plugins

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/rosey-bot/rosey/consumers"
	"github.com/rosey-bot/rosey/consumers/pluginsettings"
	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/telemetry/propagation"
)

// Runtime calls a plugin's handlers on behalf of the process that runs it; see
// package host. Plugins do not need it.
type Runtime struct {
	Plugin Plugin
	// Publisher serves Start and requests. A delivered event is handled with the
	// publisher of its own context (consumers.PublisherFrom).
	Publisher consumers.Publisher
	Reader    Reader
	Settings  SettingsLoader // nil has none set
	// Register stores the commands that the plugin has beside those of its description; see
	// router.SetCustom. Nil stores none.
	Register func(ctx context.Context, commands []router.Command) error
	// Prefix, if set, returns what commands begin with in a channel.
	Prefix func(channel string) string
	Logger *slog.Logger
}

// SettingsLoader loads the settings of a plugin in a channel as they are now.
type SettingsLoader interface {
	pluginsettings.Loader
	// Await waits until Load returns what a revision of the settings has set.
	Await(ctx context.Context, plugin, channel string, revision uint64)
}

// Words returns a phrase in the words of a channel.
func (r Runtime) Words(ctx context.Context, channel string, p event.Phrase) string {
	return r.words(ctx, channel, p, nil)
}

func (r Runtime) words(ctx context.Context, channel string, p event.Phrase, random *rand.Rand) string {
	if r.Settings == nil {
		return p.Message
	}
	// One that may not read them, as with credentials of an earlier release, gets no answer.
	ctx, cancel := context.WithTimeout(ctx, wordsTimeout)
	defer cancel()
	return pluginsettings.Words(ctx, r.Settings, r.Logger, channel, p, random)
}

// wordsTimeout is how long a text is waited for.
const wordsTimeout = 3 * time.Second

// Start calls the plugin's Start, if set. A panic in it is returned as an error.
func (r Runtime) Start(ctx context.Context) (err error) {
	if r.Plugin.Start == nil {
		return nil
	}
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("start: panic: %v\n%s", v, debug.Stack())
		}
	}()
	ctx = propagation.WithCorrelation(ctx, event.NewCorrelationID())
	c, err := r.context(ctx, streams.Stored{At: consumers.Now(ctx)}, r.Publisher)
	if err != nil {
		return err
	}
	if err := r.Plugin.Start(c); err != nil {
		return fmt.Errorf("start: %w", err)
	}
	return c.err
}

// DeleteRecords deletes all records of collections of the plugin.
func (r Runtime) DeleteRecords(ctx context.Context, collections ...string) error {
	c, err := r.context(ctx, streams.Stored{At: consumers.Now(ctx)}, r.Publisher)
	if err != nil {
		return err
	}
	for _, name := range collections {
		for {
			var page []struct{ ID event.ID }
			if _, err := c.DB(name).Find(Query{OrderBy: "id", Limit: 1000}, &page); err != nil {
				return fmt.Errorf("delete the records of %s: %w", name, err)
			}
			for _, of := range page {
				if err := c.DB(name).Delete(of.ID); err != nil && event.CodeOf(err) != event.RecordNotFound {
					return fmt.Errorf("delete the records of %s: %w", name, err)
				}
			}
			if len(page) == 0 {
				break
			}
		}
	}
	return nil
}

// Answer calls an endpoint's handler with a request.
func (r Runtime) Answer(ctx context.Context, e Endpoint, request event.Envelope) (any, error) {
	c, err := r.context(ctx, streams.Stored{Envelope: request, At: consumers.Now(ctx)}, r.Publisher)
	if err != nil {
		return nil, err
	}
	reply, err := e.Handle(c)
	return reply, errors.Join(err, c.err)
}

// Handler returns the plugin's commands and subscriptions as one handler for its
// durable consumers, without the subscriptions FromFirst.
func (r Runtime) Handler() consumers.Handler {
	p := r.Plugin
	maxAge := p.CommandMaxAge()
	command := consumers.Chain(r.commands(), consumers.Expire(streams.Durable(p.Name), p.Name, maxAge), consumers.Timeout(r.timeLimit(), r.Logger))
	return func(ctx context.Context, d streams.Stored) ([]event.Envelope, error) {
		if d.Subject == event.CommandSubject(p.Name) {
			return command(ctx, d)
		}
		if o, own := p.outcome(d); own {
			c, err := r.context(ctx, d, consumers.PublisherFrom(ctx))
			if err != nil {
				return nil, err
			}
			return c.result(p.Outcomes(c, o))
		}
		sub, ok := p.subscription(d.Subject, false)
		if !ok {
			return nil, nil
		}
		c, err := r.context(ctx, d, consumers.PublisherFrom(ctx))
		if err != nil {
			return nil, err
		}
		if sub.MaxAge != Never && c.Waited() > sub.MaxAge {
			r.Logger.InfoContext(ctx, "event skipped, older than max_age", "subject", d.Subject, "event", d.Ref.String(), "age", c.Waited())
			return nil, nil
		}
		return c.result(sub.Handle(c))
	}
}

// Past returns the subscriptions FromFirst as one handler for one of their durable
// consumers, and what stores the records that a batch of events has changed.
func (r Runtime) Past() (consumers.Handler, func(context.Context) error) {
	w := newPastWrites(r.Publisher)
	return r.past(w), w.flush
}

// past returns the handler of subscriptions FromFirst. With w it leaves the writes to that.
func (r Runtime) past(w *pastWrites) consumers.Handler {
	return func(ctx context.Context, d streams.Stored) ([]event.Envelope, error) {
		sub, ok := r.Plugin.subscription(d.Subject, true)
		if !ok {
			return nil, nil
		}
		publisher := consumers.PublisherFrom(ctx)
		past := consumers.Now(ctx).Sub(d.At) > sub.MaxAge
		if past {
			publisher = silent{publisher}
		}
		c, err := r.context(ctx, d, publisher)
		if err != nil {
			return nil, err
		}
		c.fromFirst, c.past = true, w
		out, err := c.result(sub.Handle(c))
		if past {
			out = nil
		}
		return out, err
	}
}

// PastAtOnce returns the subscriptions FromFirst as one handler that stores what each event
// changes at once, for dry runs.
func (r Runtime) PastAtOnce() consumers.Handler { return r.past(nil) }

// silent drops what a handler publishes because of the past.
type silent struct{ consumers.Publisher }

// Publish implements consumers.Publisher.
func (silent) Publish(context.Context, event.Envelope, ...streams.PublishOption) (streams.Ack, error) {
	return streams.Ack{}, nil
}

// subscription returns the first subscription to a subject, with its MaxAge.
func (p Plugin) subscription(subject string, fromFirst bool) (Subscription, bool) {
	i := slices.IndexFunc(p.Events, func(s Subscription) bool { return s.FromFirst == fromFirst && matches(s.Subject, subject) })
	if i < 0 {
		return Subscription{}, false
	}
	sub := p.Events[i]
	if sub.MaxAge == 0 {
		sub.MaxAge = p.CommandMaxAge()
	}
	return sub, true
}

// timeLimit returns a function that returns how long an attempt at a command may take.
func (r Runtime) timeLimit() func(context.Context, streams.Stored) time.Duration {
	limits := map[string]time.Duration{}
	for _, c := range r.Plugin.registeredCommands() {
		limits[strings.ToLower(c.Name)] = c.TimeLimit()
	}
	return func(_ context.Context, d streams.Stored) time.Duration {
		c, err := event.As[event.Command](d.Envelope)
		if err != nil {
			return 0 // is refused at once
		}
		if set, ok := d.Metadata[event.MetaTimeout].(json.Number); ok {
			if seconds, err := set.Float64(); err == nil && seconds > 0 {
				return time.Duration(seconds * float64(time.Second))
			}
		}
		return limits[strings.ToLower(c.Command)]
	}
}

// Key returns the key of an event by which handlers overlap: the user of a command. It is
// nil for plugins that are not Concurrent.
func (r Runtime) Key() func(streams.Stored) string {
	command := event.CommandSubject(r.Plugin.Name)
	if !r.Plugin.Concurrent {
		return nil
	}
	return func(d streams.Stored) string {
		c, err := event.As[event.Command](d.Envelope)
		if err != nil || d.Subject != command {
			return ""
		}
		return "user " + strings.ToLower(c.User)
	}
}

// outcome returns the outcome of a send if it is one of the plugin's.
func (p Plugin) outcome(d streams.Stored) (o event.Delivery, own bool) {
	if p.Outcomes == nil || d.Subject != event.SubjectDelivery {
		return o, false
	}
	o, err := event.As[event.Delivery](d.Envelope)
	return o, err == nil && o.Source == streams.Durable(p.Name)
}

// replies are the codes of errors that are sent to the user as the answer to a
// command.
var replies = []event.Code{event.InvalidInput, event.RecordNotFound, event.PermissionDenied, event.PluginError}

// commands returns the handler of the plugin's commands.
func (r Runtime) commands() consumers.Handler {
	handlers := r.Plugin.commandHandlers()
	return func(ctx context.Context, d streams.Stored) ([]event.Envelope, error) {
		c, err := r.context(ctx, d, consumers.PublisherFrom(ctx))
		if err != nil {
			return nil, err
		}
		if c.Command, err = event.As[event.Command](d.Envelope); err != nil {
			return nil, consumers.Permanent(err)
		}
		name := c.Command.Command
		handle, ok := handlers[strings.ToLower(name)]
		if !ok && r.Plugin.Custom != nil {
			handle, ok = r.Plugin.Custom, true
		}
		if !ok {
			return nil, consumers.Permanent(event.Errorf(event.InvalidInput, "plugin %s has no command %q", c.plugin, name))
		}
		r.Logger.InfoContext(ctx, "plugin processing", "command", name, "user", event.Personal(c.Command.User), "attempt", d.Attempt)
		out, err := c.result(handle(c))
		code := event.CodeOf(err)
		if c.err != nil || code == "" || !slices.Contains(replies, code) {
			return out, err
		}
		_ = propagation.RecordError(trace.SpanFromContext(ctx), err, event.PluginError)
		r.Logger.InfoContext(ctx, "command answered with an error", "command", name, "error_code", code, "error", event.Personal(err.Error()))
		said := c.Explain(err)
		if strings.TrimSpace(said) == "" { // the channel wants nothing said
			return nil, nil
		}
		answer, err := c.result(c.Say("❌ %s", said), nil)
		for i := range answer {
			answer[i] = answer[i].WithMeta(event.MetaErrorCode, string(code))
		}
		return answer, err
	}
}

// context returns the context of a handler, with the settings as they are now.
func (r Runtime) context(ctx context.Context, d streams.Stored, publisher consumers.Publisher) (*Context, error) {
	c := &Context{Context: ctx, Event: d, Log: r.Logger, plugin: r.Plugin.Name, publisher: publisher, reader: r.Reader, runtime: r}
	if r.Plugin.Settings == nil || r.Settings == nil {
		return c, nil
	}
	if d.Subject == event.SubjectSettings {
		if change, err := event.As[event.SettingChange](d.Envelope); err == nil && change.Plugin == r.Plugin.Name {
			r.Settings.Await(ctx, change.Plugin, change.Channel, uint64(change.Revision))
		}
	}
	var err error
	c.settings, err = r.Settings.Load(ctx, r.Plugin.Name, c.Channel())
	return c, err
}

// result returns what a handler returned, or a permanent error if it made an event
// that breaks the contract, as it would again.
func (c *Context) result(out []event.Envelope, err error) ([]event.Envelope, error) {
	if c.err != nil {
		return nil, consumers.Permanent(c.err)
	}
	return out, err
}
