package access

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/telemetry/propagation"
)

// gateway moves on what the accounts of plugins publish. The server maps what the
// plugin dice publishes on a subject to GatewaySubject("dice", subject), which proves
// who published it. The gateway checks the subject and the headers, stamps the message
// with streams.HeaderPublisher, and publishes it on the subject. Replies come back
// through the gateway, since the server reserves the reply subjects that it makes.
type gateway struct {
	nc      *nats.Conn
	log     *slog.Logger
	inbox   string // begins the reply subjects, and ends in a dot
	may     func(plugin string) event.Capabilities
	allowed map[string]*event.Subjects[struct{}] // by plugin; used by forward's one goroutine
}

// serveGateway works until stop is called. Several gateways share the work.
func serveGateway(nc *nats.Conn, may func(plugin string) event.Capabilities, log *slog.Logger) (stop func() error, err error) {
	g := &gateway{nc: nc, log: log, may: may, inbox: nc.NewInbox() + ".", allowed: map[string]*event.Subjects[struct{}]{}}
	replies, err := nc.Subscribe(g.inbox+">", g.reply)
	if err != nil {
		return nil, err
	}
	requests, err := nc.QueueSubscribe(GatewaySubject("*", ">"), "gateway", g.forward)
	if err != nil {
		return nil, errors.Join(err, replies.Unsubscribe())
	}
	return func() error { return errors.Join(requests.Unsubscribe(), replies.Unsubscribe()) }, nc.Flush()
}

// forward publishes a plugin's message. A reply subject becomes one of the gateway's
// that names it.
func (g *gateway) forward(m *nats.Msg) {
	plugin, subject, _ := strings.Cut(strings.TrimPrefix(m.Subject, gatewayRoot), ".")
	if own := event.RequestSubject(plugin); subject == own || strings.HasPrefix(subject, own+".") {
		return // a request to the plugin, which in its account matches the import of requests to others, too
	}
	err := g.check(plugin, subject, m)
	if err == nil {
		out := &nats.Msg{Subject: subject, Header: m.Header, Data: m.Data}
		if m.Reply != "" {
			out.Reply = g.inbox + m.Reply
		}
		err = g.nc.PublishMsg(out)
	}
	if err == nil {
		return
	}
	g.log.Warn("message of a plugin refused", "plugin", plugin, "subject", subject, "error", err)
	if m.Reply != "" {
		_ = m.Respond(refusal(subject, err)) // the requester times out without it
	}
}

func (g *gateway) reply(m *nats.Msg) {
	if err := g.nc.PublishMsg(&nats.Msg{Subject: strings.TrimPrefix(m.Subject, g.inbox), Header: m.Header, Data: m.Data}); err != nil {
		g.log.Warn("reply not sent", "error", err)
	}
}

// check returns why the gateway refuses a message, and otherwise gives it the headers
// with which it is published.
func (g *gateway) check(plugin, subject string, m *nats.Msg) error {
	if !g.permits(plugin, subject) {
		return event.Errorf(event.PermissionDenied, "plugin %s may not publish on %s", plugin, subject)
	}
	if err := g.may(plugin).Allow(plugin, subject); err != nil {
		return err
	}
	header, err := pluginHeader(plugin, subject, m.Header)
	m.Header = header
	return err
}

func (g *gateway) permits(plugin, subject string) bool {
	allowed := g.allowed[plugin]
	if allowed == nil {
		allowed = &event.Subjects[struct{}]{}
		for _, pattern := range PluginPermissions(plugin, nil).Publish {
			allowed.Add(pattern, struct{}{})
		}
		g.allowed[plugin] = allowed
	}
	_, ok := allowed.Find(subject)
	return ok
}

// requestInfo is the header in which the server describes the client of a request.
const requestInfo = "Nats-Request-Info"

// roseyHeaders are the headers of ours that a plugin may set.
var roseyHeaders = []string{propagation.HeaderCorrelation, streams.HeaderRequestID, streams.HeaderEarlier, headerTimer, headerAt, headerCause, headerKeepOwn}

// pluginHeader returns the headers with which a plugin's message is published: those that
// it has, and who published it. A header by which it would change what the server stores,
// when, or for how long is refused. Message IDs begin with a durable of the plugin, so
// that they use up nobody else's.
func pluginHeader(plugin, subject string, header nats.Header) (nats.Header, error) {
	out := nats.Header{streams.HeaderPublisher: {plugin}}
	for key, values := range header {
		name := strings.ToLower(key)
		switch {
		case key == requestInfo:
		case key == jetstream.MsgIDHeader || key == streams.HeaderRequestID:
			if id := header.Get(key); id != "" {
				out[key] = []string{ownID(plugin, id)}
			}
		case key == jetstream.ExpectedLastSubjSeqHeader && strings.HasPrefix(subject, "$KV."):
			out[key] = values // of a key that is its own
		case strings.HasPrefix(name, "nats-"), strings.HasPrefix(name, "rosey-") && !slices.Contains(roseyHeaders, key):
			return nil, event.Errorf(event.PermissionDenied, "header %s may not come from a plugin", key)
		default:
			out[key] = values
		}
	}
	return out, nil
}

func ownID(plugin, id string) string {
	durable, _, _ := strings.Cut(id, "/")
	if of, ok := streams.PluginOf(durable); ok && of == plugin && durable != id {
		return id
	}
	return streams.Durable(plugin) + "/" + id
}

// refusal returns the reply that says why a message was refused, in the form that the
// subject's clients read.
func refusal(subject string, err error) []byte {
	if stream, ok := streams.For(subject); ok && stream.NoAck {
		reply, _ := event.AsError(err, event.PermissionDenied).MarshalJSON()
		return reply
	}
	reply, _ := json.Marshal(map[string]any{"error": jetstream.APIError{Code: http.StatusForbidden, Description: err.Error()}})
	return reply
}
