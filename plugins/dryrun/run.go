package dryrun

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/rosey-bot/rosey/consumers"
	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/telemetry/propagation"
)

// Options are the settings of Run.
type Options struct {
	// Others are further plugins, which answer what the plugin asks of them and did not
	// ask then, as they do now.
	Others []plugins.Plugin
	// Settings hold whatever was set then; the others are those of then.
	Settings []router.Setting
	// Tracer makes a new trace of each event, linked to the trace of then; nil
	// makes none.
	Tracer trace.Tracer
	// Logger gets what the plugins log; nil discards.
	Logger *slog.Logger
}

// Result is what became of one event.
type Result struct {
	Event   Event
	Outputs []Output // what the plugin publishes now
	Diffs   []Diff   // what was and what is published, side by side
	// Excluded is why a difference proves nothing, for people; "" where it does.
	Excluded string
}

// reasonReadsState is why the outputs of a plugin that read the bot's state are not
// compared.
const reasonReadsState = "the plugin looks at the bot's streams, consumers or processes, and a dry run has none of those of then"

// reasonUnknown is why a difference proves nothing where streams.Exchanges are Unknown.
const reasonUnknown = "what the plugin was answered then is not known: an attempt before had failed, the answers were too large to be kept, or they were erased"

// Run runs the plugin on each of a case's events, in the order in which they were handled,
// and returns the results in the order in which they were stored. An error ends the sequence: that of a sandbox that does not work, a
// plugin that does not start, or the context's own. What a handler does wrong is
// a result.
func Run(ctx context.Context, c *Case, p plugins.Plugin, o Options) iter.Seq2[Result, error] {
	if o.Tracer == nil {
		o.Tracer = noop.NewTracerProvider().Tracer("")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return func(yield func(Result, error) bool) {
		if err := run(ctx, c, p, o, func(r Result) bool { return yield(r, nil) }); err != nil {
			yield(Result{}, err)
		}
	}
}

func run(ctx context.Context, c *Case, p plugins.Plugin, o Options, yield func(Result) bool) (err error) {
	switch {
	case p.Name != c.Plugin:
		return event.Errorf(event.InvalidInput, "the case is one of plugin %s, not of %s", c.Plugin, p.Name)
	case len(c.Events) == 0:
		return event.Errorf(event.InvalidInput, "the case has no events")
	}
	if err := p.Validate(); err != nil {
		return err
	}
	set, err := overrides(p, o.Settings)
	if err != nil {
		return err
	}
	order := c.order()
	s, err := openSandbox(ctx, c, c.Events[order[0]].handled(), set, "", o.Logger)
	if err != nil {
		return err
	}
	stopped := false
	defer func() {
		if cerr := s.close(); !stopped {
			err = errors.Join(err, cerr)
		}
	}()
	ctx = consumers.WithClock(ctx, s.clock)
	if err := s.serve(ctx, p, o); err != nil {
		return err
	}
	live, past := s.host.Handlers(p)
	h := handlers{consumers.Chain(live, consumers.Recover()), consumers.Chain(past, consumers.Recover())}
	results := make([]*Result, len(c.Events)) // that wait for those of events stored before
	next := 0
	for _, i := range order {
		if err := ctx.Err(); err != nil {
			return err
		}
		if results[i], err = s.run(ctx, h, c.Events[i], o.Tracer); err != nil {
			return err
		}
		for ; next < len(results) && results[next] != nil; next++ {
			r := *results[next]
			results[next] = nil
			if !yield(r) {
				stopped = true
				return nil
			}
		}
	}
	return nil
}

// run runs the handlers on one event at its time. The error is one of the sandbox.
func (s *sandbox) run(ctx context.Context, h handlers, e Event, tracer trace.Tracer) (*Result, error) {
	if err := s.advance(ctx, e); err != nil {
		return nil, err
	}
	s.readState.Store(false)
	s.readCut = false
	now, err := s.handle(ctx, h, e, tracer)
	if err != nil {
		return nil, err
	}
	r := &Result{Event: e, Outputs: now, Diffs: compare(e.Recorded, now)}
	if e.At.Before(s.c.writesSince) && !e.asked() {
		r.Diffs = withoutWrites(r.Diffs)
	}
	switch {
	case s.readState.Load():
		r.Excluded = reasonReadsState
	case s.readCut:
		r.Excluded = reasonCut
	case e.exchanges != nil && e.exchanges.Unknown:
		r.Excluded = reasonUnknown
	}
	return r, nil
}

// serve has all plugins answer requests. That the one under test does not start
// is an error; of another one, it is enough that it does not answer.
func (s *sandbox) serve(ctx context.Context, p plugins.Plugin, o Options) error {
	stop, err := s.host.Serve(ctx, p)
	if err != nil {
		return fmt.Errorf("plugin %s: %w", p.Name, err)
	}
	s.onClose(stop)
	for _, other := range o.Others {
		if other.Name == p.Name {
			continue
		}
		stop, err := s.host.Serve(ctx, other)
		if err != nil {
			o.Logger.WarnContext(ctx, "plugin not started in the sandbox", "plugin", other.Name, "error", err)
			continue
		}
		s.onClose(stop)
	}
	return nil
}

// handle runs the handlers on one event. The error is one of the sandbox.
func (s *sandbox) handle(ctx context.Context, h handlers, e Event, tracer trace.Tracer) ([]Output, error) {
	d, err := e.stored()
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", e.Ref, err)
	}
	ctx, span := start(ctx, tracer, d)
	defer span.End()
	ctx = propagation.WithCause(ctx, d.CorrelationID, d.Ref)
	w := &recorder{sandbox: s, then: newThen(e), bus: s.bus.As(streams.Durable(s.c.Plugin)), plugin: s.c.Plugin, tracer: tracer}
	defer s.finish(w.then)
	w.handle(ctx, h.live, d)
	w.past = true
	w.handle(ctx, h.past, d)
	return w.outputs, ctx.Err()
}

// handle runs a handler and records what it returns.
func (w *recorder) handle(ctx context.Context, h consumers.Handler, d streams.Stored) {
	out, err := h(consumers.WithPublisher(ctx, w), d)
	for _, o := range out {
		if err == nil {
			err = w.check(o)
		}
	}
	if err = propagation.RecordError(trace.SpanFromContext(ctx), err, event.PluginError); err != nil {
		w.record(failure(w.plugin, err.Error(), event.AsError(err, event.PluginError).Code))
		return
	}
	for _, o := range out {
		w.record(Output{Subject: o.Subject, Data: o.Data})
	}
}

// start starts the root span of a trace of its own, which is linked to the
// event's: a dry run is not a part of what happened.
func start(ctx context.Context, tracer trace.Tracer, d streams.Stored) (context.Context, trace.Span) {
	opts := []trace.SpanStartOption{
		trace.WithNewRoot(), trace.WithSpanKind(trace.SpanKindConsumer),
		trace.WithAttributes(propagation.ProcessAttributes(d.Envelope, "")...),
		trace.WithAttributes(attribute.Bool("rosey.dry_run", true), propagation.MessageIDAttribute(d.Ref)),
	}
	if then := propagation.RemoteSpan(d.Header); then.IsValid() {
		opts = append(opts, trace.WithLinks(trace.Link{SpanContext: then}))
	}
	ctx = propagation.WithCorrelation(ctx, event.NewCorrelationID())
	return tracer.Start(ctx, "dry run "+event.Template(d.Subject), opts...)
}

// A recorder is the publisher of a dry run: it records what is published, and answers
// requests as they were answered then, or makes them within the sandbox.
type recorder struct {
	sandbox *sandbox
	then    *then
	bus     *streams.Bus
	plugin  string
	tracer  trace.Tracer
	past    bool // the handler is that of the subscriptions FromFirst
	outputs []Output
}

// check returns the error of a consumer or the bus for an event that they refuse.
func (w *recorder) check(e event.Envelope) error {
	err := event.Owned(w.plugin, e.Subject)
	if err == nil {
		err = e.Validate()
	}
	return consumers.Permanent(err)
}

func (w *recorder) Publish(_ context.Context, e event.Envelope, opts ...streams.PublishOption) (streams.Ack, error) {
	if err := w.check(e); err != nil {
		return streams.Ack{}, err
	}
	params := streams.ResolveOptions(opts...)
	w.record(Output{Subject: e.Subject, Data: e.Data, Due: params.At, timer: params.Timer})
	return streams.Ack{}, nil
}

func (w *recorder) record(o Output) {
	if o.timer != "" {
		w.drop(o.timer)
	}
	o.past = w.past
	w.outputs = addOutput(w.outputs, o)
}

// drop removes a timer that was set again or cancelled.
func (w *recorder) drop(timer string) {
	w.outputs = slices.DeleteFunc(w.outputs, func(o Output) bool { return o.timer == timer })
}

func (w *recorder) Request(ctx context.Context, subject string, payload any, opts ...streams.PublishOption) (json.RawMessage, error) {
	e := event.Envelope{Subject: subject, CorrelationID: propagation.Correlation(ctx)}
	ctx, span := w.tracer.Start(ctx, "send "+event.Template(subject), trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(propagation.SendAttributes(e)...), trace.WithAttributes(attribute.Bool("rosey.dry_run", true)))
	defer span.End()
	data, err := event.Encode(payload)
	if err != nil {
		return nil, err
	}
	if isWrite(subject) {
		w.record(newWrite(subject, data))
	}
	var reply json.RawMessage
	ok := false
	if !w.past { // what that asked then is not kept
		reply, ok, err = w.sandbox.answerOfThen(ctx, w.then, subject, data)
	}
	switch {
	case ok:
		err = event.ReplyError(reply)
	case err == nil:
		reply, err = w.bus.Request(ctx, subject, payload, opts...)
	}
	if w.past && event.Match(event.AllDatabase, subject) && !isWrite(subject) && w.sandbox.approximate(data) {
		w.sandbox.readCut = true
	}
	return reply, propagation.RecordError(span, err, event.PluginError)
}

// CancelTimer removes a timer that the same event set. Timers of other events are not
// compared by whether they fired.
func (w *recorder) CancelTimer(_ context.Context, plugin, timer string) error {
	if plugin == w.plugin {
		w.drop(timer)
	}
	return nil
}
