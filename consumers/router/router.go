// Package router turns chat lines into commands for the plugins that registered
// them.
package router

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/rosey-bot/rosey/consumers"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/telemetry/propagation"
)

// Durable is the name of the router's durable consumer on the stream CYTUBE.
const Durable = "router"

// Router publishes the commands in chat lines on the subjects of the plugins that
// registered them (contract: plugin.{name}.command).
type Router struct {
	Registry *Registry
	Prefix   string            // of commands, for example "!"
	Prefixes map[string]string // of channels with another prefix, by lower-case name
	// IsBot reports whether a user of a channel is a bot of ours. Their lines are
	// ignored.
	IsBot  func(channel, user string) bool
	Logger *slog.Logger
}

// Config returns the configuration of the router's consumer; pass it to
// consumers.Run with Handle.
func (r Router) Config() consumers.Config {
	return consumers.Config{
		Durable: Durable, Stream: streams.Cytube, Subjects: []string{event.SubjectChat}, Name: Durable, Logger: r.Logger,
		Since: time.Now().Add(-consumers.MaxMaxAge), // older commands have expired
		// Only NATS fails here, for as long as a cluster elects a leader or longer.
		// Short waits deliver a command soon after that; many attempts keep it until
		// it has expired for its plugin.
		Backoff: []time.Duration{time.Second, time.Second, 2 * time.Second}, Attempts: int(consumers.DefaultMaxAge / (2 * time.Second)),
	}
}

// Handle implements consumers.Handler. It ignores a line without a registered
// command. A user whose rank is too low gets a chat reply, and the refusal is
// recorded as plugin.{name}.event.denied with PERMISSION_DENIED. A line older than
// the plugin's max_age is recorded as expired.
func (r Router) Handle(ctx context.Context, d streams.Stored) ([]event.Envelope, error) {
	chat, err := event.As[event.Chat](d.Envelope)
	if err != nil {
		return nil, consumers.Permanent(err)
	}
	if d.Metadata[event.MetaBackfill] == true || string(chat.Extra["shadow"]) == "true" || r.IsBot(chat.Channel, chat.User) {
		return nil, nil
	}
	prefix, ok := r.Prefixes[strings.ToLower(chat.Channel)]
	if !ok {
		prefix = r.Prefix
	}
	name, args, ok := ParseCommand(chat.Message, prefix)
	if !ok {
		return nil, nil
	}
	to, ok := r.Registry.lookup(name)
	if !ok {
		r.Logger.DebugContext(ctx, "command not registered", "command", name, "user", chat.User)
		return nil, nil
	}
	if age, limit := consumers.Now(ctx).Sub(d.TypedAt(chat)), to.plugin.CommandMaxAge(); age > limit {
		return consumers.RecordExpired(ctx, Durable, to.plugin.Name, d, age, limit)
	}
	if need := to.plugin.Rank(to.command); chat.Rank < need {
		return r.deny(ctx, to, chat, prefix, need)
	}
	r.Logger.InfoContext(ctx, "command routed", "command", name, "plugin", to.plugin.Name, "user", event.Personal(chat.User), "channel", chat.Channel)
	e, err := event.New(event.CommandSubject(to.plugin.Name), event.Command{
		Command: to.command.key(r.Prefix), Args: args, User: chat.User, Channel: chat.Channel, Rank: chat.Rank, RawMessage: chat.Message,
	})
	if err != nil {
		return nil, consumers.Permanent(err)
	}
	return []event.Envelope{e}, nil
}

// deny records the refusal of a command and tells the user why.
func (r Router) deny(ctx context.Context, to route, chat event.Chat, prefix string, need int) ([]event.Envelope, error) {
	command := prefix + to.command.key(r.Prefix)
	refusal := event.Errorf(event.PermissionDenied, "%s needs rank %d, and %s has %d", command, need, chat.User, chat.Rank)
	_ = propagation.RecordError(trace.SpanFromContext(ctx), refusal, refusal.Code)
	r.Logger.InfoContext(ctx, "command denied", "command", command, "plugin", to.plugin.Name, "user", event.Personal(chat.User), "error", event.Personal(refusal.Error()))
	denied, err := event.New(event.EventSubject(to.plugin.Name, event.TypeDenied), event.Denied{
		EventType: event.TypeDenied,
		Error:     refusal.Message,
		Code:      refusal.Code,
		Details:   map[string]any{"command": to.command.key(r.Prefix), "user": chat.User, "rank": chat.Rank, "min_rank": need},
		Channel:   chat.Channel,
	})
	if err != nil {
		return nil, consumers.Permanent(err)
	}
	reply, err := event.New(event.SubjectSendChat, event.SendChat{
		Message: fmt.Sprintf("⛔ %s: %s needs rank %d, yours is %d", chat.User, command, need, chat.Rank), Channel: chat.Channel,
	})
	if err != nil {
		return nil, consumers.Permanent(err)
	}
	return []event.Envelope{denied, reply}, nil
}
