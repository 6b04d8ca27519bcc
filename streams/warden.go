package streams

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nats.go/micro"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/telemetry/propagation"
)

// What a Warden does for a plugin, as the last part of the subject on which it is
// asked to.
const (
	wardenDurable = "durable"      // opens the plugin's durable on a stream
	wardenTimer   = "timer"        // sets a timer
	wardenCancel  = "cancel-timer" // drops one
)

// wardenSubject is where a plugin asks the Warden. No stream captures it.
func wardenSubject(plugin, verb string) string { return "rosey.warden." + plugin + "." + verb }

const (
	headerTimer = "Rosey-Timer"    // the timer's name
	headerAt    = "Rosey-Timer-At" // when it is due, RFC 3339
)

// durableRequest is all that a plugin may say of its consumer.
type durableRequest struct {
	Stream        string        `json:"stream"`
	Subjects      []string      `json:"subjects"`
	Since         time.Time     `json:"since"`
	AckWait       time.Duration `json:"ack_wait"` // ns
	MaxDeliver    int           `json:"max_deliver"`
	MaxAckPending int           `json:"max_ack_pending"`
}

// WithWarden has a Bus leave to the Warden what the credentials of a plugin do not
// allow: to open the plugin's durables, and to set and cancel its timers.
func WithWarden(plugin string) BusOption { return func(b *Bus) { b.warden = plugin } }

// Warden does for plugins with credentials of their own what they may not do
// themselves, and only for the plugin that the subject names: the server lets no
// other publish there.
type Warden struct {
	bus *Bus
	log *slog.Logger
}

// NewWarden makes a Warden on a Bus that may do everything.
func NewWarden(bus *Bus, log *slog.Logger) *Warden { return &Warden{bus: bus, log: log} }

// Serve works until ctx ends. Several Wardens share the work.
func (w *Warden) Serve(ctx context.Context) (err error) {
	if _, err := openClaims(ctx, w.bus.js, Plugin); err != nil {
		return fmt.Errorf("start the warden: %w", err)
	}
	svc, err := micro.AddService(w.bus.nc, micro.Config{
		Name: "rosey-warden", Version: "1.0.0", Description: "Opens consumers and sets timers for plugins that may not",
	})
	if err != nil {
		return fmt.Errorf("start the warden: %w", err)
	}
	defer func() { err = errors.Join(err, svc.Stop()) }()
	for verb, do := range map[string]func(context.Context, string, micro.Request) (any, error){
		wardenDurable: w.durable, wardenTimer: w.timer, wardenCancel: w.cancel,
	} {
		handler := micro.HandlerFunc(func(r micro.Request) { w.answer(ctx, r, do) })
		if err := svc.AddEndpoint(verb, handler, micro.WithEndpointSubject(wardenSubject("*", verb))); err != nil {
			return fmt.Errorf("start the warden: %w", err)
		}
	}
	<-ctx.Done()
	return nil
}

func (w *Warden) answer(ctx context.Context, r micro.Request, do func(context.Context, string, micro.Request) (any, error)) {
	if !Answerable(r.Reply()) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, DefaultTimeout)
	defer cancel()
	plugin := strings.Split(r.Subject(), ".")[2]
	result, err := do(ctx, plugin, r)
	reply, encodeErr := json.Marshal(result)
	if err = errors.Join(err, encodeErr); err != nil {
		w.log.WarnContext(ctx, "the warden refused a plugin", "plugin", plugin, "subject", r.Subject(), "error", err)
		reply, _ = event.AsError(err, event.NATSError).MarshalJSON()
	}
	if err := r.Respond(reply); err != nil {
		w.log.WarnContext(ctx, "reply was not sent", "subject", r.Subject(), "error", err)
	}
}

func (w *Warden) durable(ctx context.Context, plugin string, r micro.Request) (any, error) {
	var ask durableRequest
	if err := json.Unmarshal(r.Data(), &ask); err != nil {
		return nil, event.Errorf(event.InvalidInput, "%w", err)
	}
	if !Readable(ask.Stream) {
		return nil, event.Errorf(event.PermissionDenied, "plugin %s may read the streams %s, not %q", plugin, strings.Join(readable, ", "), ask.Stream)
	}
	_, err := openDurable(ctx, w.bus.js, ask.Stream, ask.config(plugin))
	return struct{}{}, err
}

// config is the consumer that a plugin asks for.
func (d durableRequest) config(plugin string) jetstream.ConsumerConfig {
	c := jetstream.ConsumerConfig{
		Durable: Durable(plugin), FilterSubjects: d.Subjects, DeliverPolicy: jetstream.DeliverAllPolicy, AckPolicy: jetstream.AckExplicitPolicy,
		AckWait: d.AckWait, MaxDeliver: d.MaxDeliver, MaxAckPending: d.MaxAckPending,
	}
	if !d.Since.IsZero() {
		c.DeliverPolicy, c.OptStartTime = jetstream.DeliverByStartTimePolicy, &d.Since
	}
	return c
}

// OpenCommands makes the durable that reads a plugin's commands, if there is none,
// for a plugin that may make none and does not know of the Warden.
func OpenCommands(ctx context.Context, js jetstream.JetStream, plugin string) error {
	_, err := js.Consumer(ctx, Plugin, Durable(plugin))
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		ask := durableRequest{Subjects: []string{event.CommandSubject(plugin)}, AckWait: 10 * time.Second, MaxDeliver: 15}
		_, err = js.CreateConsumer(ctx, Plugin, ask.config(plugin))
	}
	if err != nil {
		return fmt.Errorf("open consumer %s: %w", Durable(plugin), err)
	}
	return nil
}

func (w *Warden) timer(ctx context.Context, plugin string, r micro.Request) (any, error) {
	header := nats.Header(r.Headers())
	at, err := time.Parse(time.RFC3339, header.Get(headerAt))
	if err != nil {
		return nil, event.Errorf(event.InvalidInput, "timer: %w", err)
	}
	var named struct {
		Subject string `json:"subject"`
	}
	if err := json.Unmarshal(r.Data(), &named); err != nil {
		return nil, event.Errorf(event.InvalidInput, "timer: %w", err)
	}
	e, err := event.Decode(named.Subject, r.Data())
	if err == nil {
		err = e.Validate()
	}
	if err != nil {
		return nil, err
	}
	if event.PluginOf(e.Subject) != plugin || event.DueSubject(e.Subject) == "" {
		return nil, event.Errorf(event.PermissionDenied, "plugin %s may set timers for its own events, not %s", plugin, e.Subject)
	}
	msg := &nats.Msg{Subject: e.Subject, Data: r.Data(), Header: nats.Header{}}
	for _, key := range append([]string{jetstream.MsgIDHeader}, propagation.Headers...) {
		if v := header.Values(key); len(v) > 0 {
			msg.Header[key] = v[:1]
		}
	}
	ack, err := w.bus.schedule(ctx, msg, header.Get(headerTimer), at)
	if err != nil {
		return nil, err
	}
	return jetstream.PubAck{Stream: ack.Stream, Sequence: ack.Sequence, Duplicate: ack.Duplicate}, nil
}

func (w *Warden) cancel(ctx context.Context, plugin string, r micro.Request) (any, error) {
	timer := nats.Header(r.Headers()).Get(headerTimer)
	if !event.ValidName(timer) {
		return nil, event.Errorf(event.InvalidInput, "%q is not a timer's name", timer)
	}
	return struct{}{}, w.bus.CancelTimer(ctx, plugin, timer)
}

// askWarden asks the Warden on behalf of the Bus's plugin.
func (b *Bus) askWarden(ctx context.Context, verb string, header nats.Header, ask any) ([]byte, error) {
	body, err := json.Marshal(ask)
	if err != nil {
		return nil, fmt.Errorf("ask the warden: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, b.timeout)
	defer cancel()
	reply, err := b.nc.RequestMsgWithContext(ctx, &nats.Msg{Subject: wardenSubject(b.warden, verb), Header: header, Data: body})
	if errors.Is(err, nats.ErrNoResponders) {
		return nil, event.Errorf(event.NATSError, "nobody does for %s what its credentials do not allow: is the bot running?", b.warden)
	}
	if err != nil {
		return nil, event.Errorf(event.NATSError, "ask the warden: %w", err)
	}
	return reply.Data, event.ReplyError(reply.Data)
}

// Answerable reports whether a request may be answered: a reply must not go to a
// subject that means something, where a requester who may not publish there has
// the answerer do it.
func Answerable(reply string) bool {
	root, _, _ := strings.Cut(reply, ".")
	switch root {
	case "", "cytube", "plugin", "platform", "database", "rosey":
		return false
	}
	return root[0] != '$'
}
