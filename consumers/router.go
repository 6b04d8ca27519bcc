package consumers

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

// RouterDurable is the router's durable consumer on the stream CYTUBE.
const RouterDurable = "router"

// Router reads chat lines and puts the commands in them on the subjects of the
// plugins that registered them (contract: plugin.{name}.command).
type Router struct {
	registry *Registry
	prefix   string
	prefixes map[string]string // of channels that have another, by lower-case name
	isBot    func(channel, user string) bool
	log      *slog.Logger
}

// NewRouter makes a router for lines that start with prefix. Lines of users
// that isBot says are bots of ours are never routed.
func NewRouter(g *Registry, prefix string, isBot func(channel, user string) bool, log *slog.Logger) *Router {
	return &Router{registry: g, prefix: prefix, isBot: isBot, log: log}
}

// Prefixes gives channels prefixes of their own, by name in lower case. It must
// be called before the router runs, and returns the router.
func (r *Router) Prefixes(byChannel map[string]string) *Router {
	r.prefixes = byChannel
	return r
}

// Config is the consumer that the router runs as: pass it to Run with Handle.
func (r *Router) Config() Config {
	return Config{
		Durable: RouterDurable, Stream: streams.Cytube, Subjects: []string{event.SubjectChat}, Name: RouterDurable, Logger: r.log,
		// What fails here is NATS, until a cluster has chosen a leader or longer: a
		// command must not wait for half a minute after that, nor be given up while
		// it is not too old for its plugin.
		Backoff: []time.Duration{time.Second, time.Second, 2 * time.Second}, Attempts: int(DefaultMaxAge / (2 * time.Second)),
	}
}

// Handle is the router's Handler. A line that is no command, or that no plugin
// registered, causes nothing. A user whose rank is too low is told so, and the
// refusal is recorded as plugin.{name}.event.denied with PERMISSION_DENIED. A
// line older than the plugin's max_age is recorded as expired.
func (r *Router) Handle(ctx context.Context, d streams.Stored) ([]event.Envelope, error) {
	chat, err := event.As[event.Chat](d.Envelope)
	if err != nil {
		return nil, Permanent(err)
	}
	if d.Metadata[event.MetaBackfill] == true || isTrue(chat.Extra["shadow"]) || r.isBot(chat.Channel, chat.User) {
		return nil, nil
	}
	prefix, ok := r.prefixes[strings.ToLower(chat.Channel)]
	if !ok {
		prefix = r.prefix
	}
	name, args, ok := ParseCommand(chat.Message, prefix)
	if !ok {
		return nil, nil
	}
	to, ok := r.registry.lookup(name)
	if !ok {
		r.log.DebugContext(ctx, "no plugin registered this command", "command", name, "user", chat.User)
		return nil, nil
	}
	if age, limit := ageOf(ctx, d, chat), to.plugin.Age(); age > limit {
		return expired(RouterDurable, to.plugin.Name, d, age, limit)
	}
	if need := to.plugin.Rank(to.command); chat.Rank < need {
		return r.deny(ctx, to, chat, prefix, need)
	}
	r.log.InfoContext(ctx, "command routed", "command", name, "plugin", to.plugin.Name, "user", chat.User, "channel", chat.Channel)
	e, err := event.New(event.CommandSubject(to.plugin.Name), event.Command{
		Command: to.command.key(r.prefix), Args: args, User: chat.User, Channel: chat.Channel, Rank: chat.Rank, RawMessage: chat.Message,
	})
	if err != nil {
		return nil, Permanent(err)
	}
	return []event.Envelope{e}, nil
}

// ageOf is how long ago a line was typed. The server's clock is believed only
// for lines that were read from its chat buffer later.
func ageOf(ctx context.Context, d streams.Stored, chat event.Chat) time.Duration {
	if d.Metadata[event.MetaBuffered] == true {
		return Now(ctx).Sub(time.UnixMilli(chat.Time))
	}
	return Now(ctx).Sub(d.At)
}

func (r *Router) deny(ctx context.Context, to route, chat event.Chat, prefix string, need int) ([]event.Envelope, error) {
	command := prefix + to.command.key(r.prefix)
	refusal := event.Errorf(event.PermissionDenied, "%s needs rank %d, and %s has %d", command, need, chat.User, chat.Rank)
	_ = streams.Fail(trace.SpanFromContext(ctx), refusal, refusal.Code)
	r.log.InfoContext(ctx, "command denied", "command", command, "plugin", to.plugin.Name, "user", chat.User, "error", refusal)
	denied, err := event.New(event.EventSubject(to.plugin.Name, event.TypeDenied), event.Denied{
		EventType: event.TypeDenied,
		Error:     refusal.Message,
		Code:      refusal.Code,
		Details:   map[string]any{"command": to.command.key(r.prefix), "user": chat.User, "rank": chat.Rank, "min_rank": need},
		Channel:   chat.Channel,
	})
	if err != nil {
		return nil, Permanent(err)
	}
	reply, err := event.New(event.SubjectSendChat, event.SendChat{
		Message: fmt.Sprintf("⛔ %s: %s needs rank %d, yours is %d", chat.User, command, need, chat.Rank), Channel: chat.Channel,
	})
	if err != nil {
		return nil, Permanent(err)
	}
	return []event.Envelope{denied, reply}, nil
}

func isTrue(raw []byte) bool { return string(raw) == "true" }
