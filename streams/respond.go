package streams

import (
	"context"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/telemetry/propagation"
)

// Responder answers one request. Its result is the reply's body; its error
// becomes the contract's error response, with PLUGIN_ERROR unless it has a
// code.
type Responder func(context.Context, event.Envelope) (any, error)

// Service returns a micro handler that calls a Responder: it decodes the request's
// envelope, validates it, puts its correlation ID and trace into the responder's
// context, and replies with the contract's error response to any failure, a panic
// included. It works until ctx ends.
func (b *Bus) Service(ctx context.Context, r Responder) micro.Handler {
	return micro.HandlerFunc(func(req micro.Request) {
		reply, err := b.answer(ctx, req, r)
		if !CanReply(req.Reply()) {
			return
		}
		var sendErr error
		if err == nil {
			sendErr = req.Respond(reply)
		} else {
			// The error also goes into the headers and the service's statistics,
			// where `nats micro stats` finds it.
			sendErr = req.Error(string(err.Code), event.Headline(err.Message), reply)
		}
		if sendErr != nil {
			b.log.WarnContext(ctx, "reply not sent", "subject", req.Subject(), "error", sendErr)
		}
	})
}

func (b *Bus) answer(ctx context.Context, req micro.Request, r Responder) ([]byte, *event.Error) {
	header := nats.Header(req.Headers())
	e, err := Decode(req.Subject(), header, req.Data(), time.Now())
	if err == nil {
		err = e.Validate()
	}
	ctx, span := b.tracer.Answer(ctx, Stored{Envelope: e, Header: header, At: time.Now()})
	defer span.End()
	e.CorrelationID = propagation.Correlation(ctx)
	ctx = withIdempotencyKey(ctx, header)
	var result any
	if err == nil {
		result, err = call(ctx, e, r)
	}
	if err == nil {
		var reply []byte
		if reply, err = event.Encode(result); err == nil {
			return reply, nil
		}
	}
	failure := event.AsError(err, event.PluginError)
	_ = fail(span, failure)
	b.log.WarnContext(ctx, "request failed", "subject", e.Subject, "error_code", failure.Code, "error", event.Loggable(failure))
	reply, err := failure.MarshalJSON()
	if err != nil {
		reply, _ = event.Errorf(failure.Code, "%s", failure.Message).MarshalJSON()
	}
	return reply, failure
}

func call(ctx context.Context, e event.Envelope, r Responder) (result any, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = event.Errorf(event.PluginError, "the plugin failed: %v", p)
		}
	}()
	return r(ctx, e)
}

// CanReply reports whether a request may be answered on its reply subject. A subject that
// something else reads is refused: a requester who may not publish there could have the
// responder do it.
func CanReply(reply string) bool {
	root, _, _ := strings.Cut(reply, ".")
	switch root {
	case "", "cytube", "plugin", "platform", "database", "rosey":
		return false
	}
	return root[0] != '$'
}
