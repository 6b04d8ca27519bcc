package access

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nats.go/micro"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/tracing"
	"github.com/rosey-bot/rosey/telemetry/propagation"
)

// The verbs of a Provisioner, which end the subject of a request.
const (
	verbDurable     = "durable"      // opens the plugin's durable on a stream
	verbPast        = "past"         // opens the one that begins at the stream's first event
	verbTimer       = "timer"        // sets a timer
	verbCancelTimer = "cancel-timer" // cancels one
	verbExchanges   = "exchanges"    // keeps what a handler asked and was answered
	verbOutputs     = "outputs"      // finds what the plugin has published
)

// provisionSubject is the subject of a plugin's requests to the Provisioner. No
// stream captures it, and the server lets no other plugin publish there. "warden"
// was the service's name in the first releases, and plugins' credentials name it.
func provisionSubject(plugin, verb string) string { return "rosey.warden." + plugin + "." + verb }

const (
	headerTimer = "Rosey-Timer"    // the timer's name
	headerAt    = "Rosey-Timer-At" // when it is due, RFC 3339

	// The arguments of a cancellation; see streams.Bus.CancelTimer.
	headerCause   = "Rosey-Timer-Cause"    // the event being handled
	headerKeepOwn = "Rosey-Timer-Keep-Own" // after which sequence a timer that this event set is kept; true for all, false for none
)

// Provisioner is the bot's side of the accounts of plugins with credentials of their own:
// the gateway that moves on what they publish, and a service that opens consumers and
// sets timers for them.
type Provisioner struct {
	// Events, if set, returns the subjects that a plugin declares to read, nil if it
	// declares none, and those that an operator has granted to it.
	Events func(ctx context.Context, plugin string) (declared, granted []string, err error)

	// Capabilities, if set, returns what an operator lets a plugin do; it must not wait.
	// Nil gives to each the base capabilities.
	Capabilities func(plugin string) event.Capabilities
	// Confined, if set, reports whether an operator has said what a plugin outside of the
	// bot's process may do; see Narrow.
	Confined func(plugin string) bool
	// OnReady, if set, is called once plugins are served.
	OnReady func()

	bus     *streams.Bus
	manager streams.Manager
	log     *slog.Logger
}

// NewProvisioner makes a Provisioner on a Bus that may do everything.
func NewProvisioner(bus *streams.Bus, log *slog.Logger) *Provisioner {
	return &Provisioner{bus: bus, manager: streams.NewManager(bus.JetStream()), log: log}
}

// Serve works until ctx ends. Several Provisioners share the work.
func (p *Provisioner) Serve(ctx context.Context) (err error) {
	if err := tracing.OpenSpanClaims(ctx, p.bus.JetStream()); err != nil {
		return fmt.Errorf("start the provisioner: %w", err)
	}
	svc, err := micro.AddService(p.bus.Conn(), micro.Config{
		Name: "rosey-warden", Version: "1.0.0", Description: "Opens consumers and sets timers for plugins that may not",
	})
	if err != nil {
		return fmt.Errorf("start the provisioner: %w", err)
	}
	defer func() { err = errors.Join(err, svc.Stop()) }()
	may := p.Capabilities
	if may == nil {
		may = func(string) event.Capabilities { return event.BaseCapabilities() }
	}
	stop, err := serveGateway(p.bus.Conn(), may, p.log)
	if err != nil {
		return fmt.Errorf("start the gateway: %w", err)
	}
	defer func() { err = errors.Join(err, stop()) }()
	for verb, do := range map[string]func(context.Context, string, micro.Request) (any, error){
		verbDurable: p.openDurable(streams.Durable), verbPast: p.openDurable(streams.PastDurable), verbTimer: p.setTimer, verbCancelTimer: p.cancelTimer,
		verbExchanges: p.keepExchanges, verbOutputs: p.outputs,
	} {
		handler := micro.HandlerFunc(func(r micro.Request) { p.answer(ctx, r, do) })
		if err := svc.AddEndpoint(verb, handler, micro.WithEndpointSubject(provisionSubject("*", verb))); err != nil {
			return fmt.Errorf("start the provisioner: %w", err)
		}
	}
	if p.OnReady != nil {
		p.OnReady()
	}
	<-ctx.Done()
	return nil
}

func (p *Provisioner) answer(ctx context.Context, r micro.Request, do func(context.Context, string, micro.Request) (any, error)) {
	if !streams.CanReply(r.Reply()) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, streams.DefaultTimeout)
	defer cancel()
	plugin := strings.Split(r.Subject(), ".")[2]
	result, err := do(ctx, plugin, r)
	reply, encodeErr := json.Marshal(result)
	if err = errors.Join(err, encodeErr); err != nil {
		p.log.WarnContext(ctx, "provisioning failed", "plugin", plugin, "subject", r.Subject(), "error", err)
		reply, _ = event.AsError(err, event.NATSError).MarshalJSON()
	}
	if err := r.Respond(reply); err != nil {
		p.log.WarnContext(ctx, "reply not sent", "subject", r.Subject(), "error", err)
	}
}

func (p *Provisioner) setTimer(ctx context.Context, plugin string, r micro.Request) (any, error) {
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
	for _, key := range append([]string{jetstream.MsgIDHeader, streams.HeaderPublisher}, propagation.Headers...) {
		if v := header.Values(key); len(v) > 0 {
			msg.Header[key] = v[:1]
		}
	}
	ack, err := p.manager.SetTimer(ctx, msg, header.Get(headerTimer), at)
	if err != nil {
		return nil, err
	}
	return jetstream.PubAck{Stream: ack.Stream, Sequence: ack.Sequence, Duplicate: ack.Duplicate}, nil
}

func (p *Provisioner) cancelTimer(ctx context.Context, plugin string, r micro.Request) (any, error) {
	header := nats.Header(r.Headers())
	timer := header.Get(headerTimer)
	if !event.ValidName(timer) {
		return nil, event.Errorf(event.InvalidInput, "%q is not a timer's name", timer)
	}
	// Without a cause, which the first releases do not send, everything is cancelled.
	if cause, err := event.ParseRef(header.Get(headerCause)); err == nil {
		ctx = propagation.WithCause(ctx, "", cause)
	}
	own := uint64(math.MaxUint64)
	switch keep := header.Get(headerKeepOwn); keep {
	case "true":
		own = 0
	default:
		if seq, err := strconv.ParseUint(keep, 10, 64); err == nil {
			own = seq
		}
	}
	return struct{}{}, p.manager.CancelTimer(ctx, plugin, timer, own)
}

// keepRequest is what a handler asked and was answered because of an event.
type keepRequest struct {
	Of        string            `json:"of"`
	Exchanges streams.Exchanges `json:"exchanges"`
}

func (p *Provisioner) keepExchanges(ctx context.Context, plugin string, r micro.Request) (any, error) {
	var k keepRequest
	if err := json.Unmarshal(r.Data(), &k); err != nil {
		return nil, event.Errorf(event.InvalidInput, "exchanges: %w", err)
	}
	of, err := event.ParseRef(k.Of)
	if err != nil || !streams.Readable(of.Stream) {
		return nil, event.Errorf(event.InvalidInput, "exchanges: %q is no event that a plugin handles", k.Of)
	}
	return struct{}{}, p.manager.SaveExchanges(ctx, plugin, of, k.Exchanges)
}

// outputsRequest names a subject on which a plugin may have published since a point in time.
type outputsRequest struct {
	Subject string    `json:"subject"`
	Since   time.Time `json:"since"`
}

// outputs returns the positions of what a plugin itself has published.
func (p *Provisioner) outputs(ctx context.Context, plugin string, r micro.Request) (any, error) {
	var o outputsRequest
	if err := json.Unmarshal(r.Data(), &o); err != nil || o.Since.IsZero() {
		return nil, event.Errorf(event.InvalidInput, "outputs: %s is not a subject and a time: %w", r.Data(), err)
	}
	return p.manager.Outputs(ctx, streams.Durable(plugin), o.Subject, o.Since)
}

// OpenCommandConsumer creates the durable that reads a plugin's commands, unless it
// exists, for a plugin whose credentials do not allow that and which does not call
// the Provisioner.
func OpenCommandConsumer(ctx context.Context, js jetstream.JetStream, plugin string) error {
	_, err := js.Consumer(ctx, streams.Plugin, streams.Durable(plugin))
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		// Older commands have expired.
		since := time.Now().Add(-streams.DuplicateWindow)
		d := durableRequest{Subjects: []string{event.CommandSubject(plugin)}, Since: since, AckWait: 10 * time.Second, MaxDeliver: 15}
		_, err = streams.NewManager(js).OpenConsumer(ctx, streams.Plugin, d.config(streams.Durable(plugin)))
	}
	if err != nil {
		return fmt.Errorf("open consumer %s: %w", streams.Durable(plugin), err)
	}
	return nil
}

// checkSeparated returns an error where the events of plugins share a stream with
// timers, as they did in stores of earlier versions.
func checkSeparated(ctx context.Context, js jetstream.JetStream) error {
	s, err := js.Stream(ctx, streams.Plugin)
	if err != nil {
		return fmt.Errorf("look at stream %s: %w", streams.Plugin, err)
	}
	if s.CachedInfo().Config.AllowMsgSchedules {
		return fmt.Errorf("stream %s was made by an earlier version, and whoever may publish there can clear it, which credentials cannot prevent: "+
			"start the bot on a new store, and keep this one for reading", streams.Plugin)
	}
	return nil
}
