package host_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/access"
	"github.com/rosey-bot/rosey/streams/connect"
	"github.com/rosey-bot/rosey/streams/streamstest"
	"github.com/rosey-bot/rosey/telemetry/propagation"
)

// A plugin with credentials of its own can do all that a plugin does.
func TestCredentialsAllow(t *testing.T) {
	t.Parallel()
	for server, make := range map[string]func(*testing.T) *grounds{"embedded": newGrounds, "external": external} {
		t.Run(server, func(t *testing.T) {
			t.Parallel()
			allowed(t, make(t))
		})
	}
}

// A session is what the guest does on a connection of its own.
type session struct {
	*testing.T
	*grounds
	ctx context.Context
	nc  *nats.Conn
	js  jetstream.JetStream
	bus *streams.Bus
}

func (g *grounds) session(t *testing.T) *session {
	t.Helper()
	nc := g.guest()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	bus := streams.NewBus(nc, js, streams.WithManager(access.Delegate(js, "guest")))
	return &session{t, g, streamstest.Context(t), nc, js, bus}
}

// stores returns an action that publishes to a stream.
func stores(subject, body string) func(*session) error {
	return func(s *session) error {
		_, err := s.js.Publish(s.ctx, subject, []byte(body))
		return err
	}
}

// answered returns an action that sends a request.
func answered(subject, body string) func(*session) error {
	return func(s *session) error {
		m, err := s.nc.RequestWithContext(s.ctx, subject, []byte(body))
		if err == nil {
			err = event.ReplyError(m.Data)
		}
		return err
	}
}

func allowed(t *testing.T, g *grounds) {
	t.Helper()
	for name, do := range map[string]func(*session) error{
		"publish its own event":                stores("plugin.guest.event", `{"n":1}`),
		"publish its own event of type":        stores("plugin.guest.event.won", `{"n":1}`),
		"say":                                  stores("cytube.send.chat", `{"message":"hi"}`),
		"whisper":                              stores("cytube.send.pm", `{"to":"alice","message":"hi"}`),
		"emote":                                stores("cytube.send.emote", `{"emote":"waves"}`),
		"ask another plugin":                   answered("plugin.victim.request", `{}`),
		"write a record":                       answered("database.set", `{"collection":"guest","id":1,"data":{"n":1}}`),
		"query records":                        answered("database.query", `{"collection":"guest"}`),
		"list collections":                     answered("database.collections", `{}`),
		"register itself":                      registersItself,
		"read registrations":                   readsRegistrations,
		"read its commands":                    readsCommands,
		"have a durable opened":                hasDurableOpened,
		"set and cancel timers":                setsTimers,
		"keep what it asked":                   keepsExchanges,
		"answer requests and monitoring":       answersRequests,
		"find what others left without a span": createsClaim,
	} {
		t.Run(name, func(t *testing.T) {
			s := g.session(t)
			if err := do(s); err != nil {
				t.Errorf("%v (the server says: %v)", err, s.nc.LastError())
			}
			if refused(s.nc) {
				t.Errorf("the server says: %v", s.nc.LastError())
			}
		})
	}
}

func registersItself(s *session) error {
	kv, err := s.js.KeyValue(s.ctx, router.Bucket)
	if err != nil {
		return err
	}
	_, err = router.Register(s.ctx, kv, router.Registration{Name: "guest", Version: "1.0.1"})
	return err
}

func readsRegistrations(s *session) error {
	kv, err := s.js.KeyValue(s.ctx, router.Bucket)
	if err == nil {
		_, err = kv.Get(s.ctx, "victim")
	}
	return err
}

func readsCommands(s *session) error {
	if _, err := s.JetStream().Publish(s.ctx, "plugin.guest.command", []byte(`{"command":"x","user":"alice"}`)); err != nil {
		return err
	}
	c, err := s.js.Consumer(s.ctx, streams.Plugin, streams.Durable("guest"))
	if err != nil {
		return err
	}
	return s.ackNext(c)
}

func (s *session) ackNext(c jetstream.Consumer) error {
	m, err := c.Next(jetstream.FetchMaxWait(time.Minute))
	if err != nil {
		return err
	}
	return m.DoubleAck(s.ctx)
}

func hasDurableOpened(s *session) error {
	c, err := s.bus.Durable(s.ctx, streams.Cytube, jetstream.ConsumerConfig{
		Durable: streams.Durable("guest"), FilterSubjects: []string{event.SubjectUserJoin}, AckWait: time.Minute, MaxDeliver: 3, MaxAckPending: 7,
	})
	if err != nil {
		return err
	}
	if got := c.CachedInfo().Config; got.MaxAckPending != 7 || !slices.Equal(got.FilterSubjects, []string{event.SubjectUserJoin}) || got.AckPolicy != jetstream.AckExplicitPolicy {
		s.Errorf("the durable is %+v", got)
	}
	if _, err := s.JetStream().Publish(s.ctx, event.SubjectUserJoin, []byte(`{"user":"bob","channel":"c","rank":1,"time":1}`)); err != nil {
		return err
	}
	return s.ackNext(c)
}

func setsTimers(s *session) error {
	fired := make(chan streams.Stored, 1)
	sub, err := s.Subscribe(s.ctx, "plugin.guest.event.rung", func(_ context.Context, e streams.Stored) { fired <- e })
	if err != nil {
		return err
	}
	defer sub.Stop()
	because := func(seq uint64) context.Context {
		return propagation.WithCause(s.ctx, "", event.Ref{Stream: streams.Plugin, Seq: seq})
	}
	for timer, in := range map[string]time.Duration{"cancelled": time.Hour, "kept": time.Second} {
		e, err := event.New("plugin.guest.event.rung", map[string]any{"timer": timer})
		if err != nil {
			return err
		}
		e.CorrelationID = "tea"
		if _, err := s.bus.Publish(because(5), e, streams.At(time.Now().Add(in), timer), streams.WithMsgID(timer)); err != nil {
			return err
		}
	}
	err = errors.Join(
		s.bus.CancelTimer(s.ctx, "guest", "cancelled", math.MaxUint64),
		s.bus.CancelTimer(because(4), "guest", "kept", math.MaxUint64), // a repeat of an earlier event
		s.bus.CancelTimer(because(5), "guest", "kept", 0))
	if err != nil {
		return err
	}
	select {
	case e := <-fired:
		if !strings.Contains(string(e.Data), "kept") || e.CorrelationID != "tea" {
			s.Errorf("fired %s in conversation %s", e.Data, e.CorrelationID)
		}
	case <-s.ctx.Done():
		return s.ctx.Err()
	}
	timers, err := s.JetStream().Stream(s.ctx, streams.Timer)
	if err != nil {
		return err
	}
	info, err := timers.Info(s.ctx, jetstream.WithSubjectFilter(event.AllSchedules))
	if err == nil && len(info.State.Subjects) > 0 {
		s.Errorf("still waiting: %v", info.State.Subjects)
	}
	return err
}

func answersRequests(s *session) error {
	for _, subject := range []string{"plugin.guest.request", "plugin.guest.request.x", streams.RestartSubject("guest"), "$SRV.PING", "$SRV.INFO.plugin-guest", "$SRV.STATS.plugin-guest.ID"} {
		if _, err := s.nc.Subscribe(subject, func(m *nats.Msg) { _ = m.Respond([]byte(`{"success":true}`)) }); err != nil {
			return err
		}
	}
	if err := s.nc.Flush(); err != nil {
		return err
	}
	_, err := s.Conn().RequestWithContext(s.ctx, "plugin.guest.request", []byte(`{}`))
	return err
}

func keepsExchanges(s *session) error {
	of := event.Ref{Stream: streams.Plugin, Seq: 7}
	want := streams.Exchanges{List: []streams.Exchange{{Subject: event.SubjectGet, Request: json.RawMessage(`{"id":1}`), Reply: json.RawMessage(`{"success":true}`)}}}
	if err := s.bus.KeepExchanges(s.ctx, "victim", of, want); err != nil {
		return err
	}
	for plugin, want := range map[string]streams.Exchanges{"guest": want, "victim": {}} {
		all, err := streams.AllExchanges(s.ctx, s.Bus.JetStream(), plugin)
		if err != nil || !reflect.DeepEqual(all[of], want) {
			return fmt.Errorf("of %s are kept %+v, %w", plugin, all, err)
		}
	}
	return nil
}

func createsClaim(s *session) error {
	kv, err := s.js.KeyValue(s.ctx, "traces")
	if err == nil {
		_, err = kv.Create(s.ctx, "0123456789abcdef", nil)
	}
	return err
}

// Whatever else it tries to publish or to hear is refused by the server.
func TestCredentialsRefuse(t *testing.T) {
	t.Parallel()
	for server, make := range map[string]func(*testing.T) *grounds{"embedded": newGrounds, "external": external} {
		t.Run(server, func(t *testing.T) {
			t.Parallel()
			forbidden(t, make(t))
		})
	}
}

func forbidden(t *testing.T, g *grounds) {
	t.Helper()
	publish := []string{
		// What others say.
		"plugin.victim.event", "plugin.victim.event.won", "plugin.victim.command", "plugin.guest.command", "plugin.victim.schedule.x.y", "plugin.guest.schedule.x", "plugin.guest.schedule.x.y",
		"plugin.guest.due.x", "plugin.guest.request", "cytube.chat", "cytube.pm", "cytube.user.join", "cytube.media.change", "cytube.connection", "cytube.send", "cytube.send.chat.x",
		"platform.startup", "platform.shutdown", "platform.heartbeat", "rosey.status", "rosey.credentials", "rosey.plugin.victim.restart", "rosey.plugin.guest.restart",
		"rosey.warden.victim.timer", "rosey.warden.victim.durable", "rosey.gateway.victim.cytube.send.chat", "rosey.gateway.guest.cytube.send.chat", "rosey.answer", "_INBOX.x", "_R_.x", "anything",
		// Streams.
		"$JS.API.STREAM.CREATE.MINE", "$JS.API.STREAM.UPDATE.PLUGIN", "$JS.API.STREAM.DELETE.CYTUBE", "$JS.API.STREAM.PURGE.PLUGIN", "$JS.API.STREAM.PURGE.TIMER",
		"$JS.API.STREAM.MSG.DELETE.CYTUBE", "$JS.API.STREAM.MSG.GET.DATABASE", "$JS.API.STREAM.SNAPSHOT.CYTUBE", "$JS.API.STREAM.RESTORE.CYTUBE", "$JS.API.STREAM.LIST",
		"$JS.API.STREAM.NAMES", "$JS.API.STREAM.INFO.KV_db_quotes", "$JS.API.STREAM.PEER.REMOVE.PLUGIN", "$JS.API.STREAM.LEADER.STEPDOWN.PLUGIN", "$JS.API.DIRECT.GET.DATABASE", "$JS.API.DIRECT.GET.CYTUBE", "$JS.API.DIRECT.GET.PLUGIN", "$JS.API.DIRECT.GET.KV_db_quotes",
		"$JS.API.DIRECT.GET.KV_db_quotes.$KV.db_quotes.1", "$JS.API.DIRECT.GET.KV_seals.$KV.seals.message-ids", "$JS.API.ACCOUNT.PURGE.x",
		// Consumers, its own not excepted.
		"$JS.API.CONSUMER.CREATE.PLUGIN", "$JS.API.CONSUMER.CREATE.PLUGIN.plugin-guest", "$JS.API.CONSUMER.CREATE.PLUGIN.plugin-guest.plugin.guest.command", "$JS.API.CONSUMER.CREATE.PLUGIN.mine.plugin.guest.command",
		"$JS.API.CONSUMER.DURABLE.CREATE.PLUGIN.plugin-guest", "$JS.API.CONSUMER.DELETE.PLUGIN.plugin-guest", "$JS.API.CONSUMER.DELETE.PLUGIN.plugin-victim", "$JS.API.CONSUMER.INFO.PLUGIN.plugin-victim",
		"$JS.API.CONSUMER.MSG.NEXT.PLUGIN.plugin-victim", "$JS.API.CONSUMER.MSG.NEXT.CYTUBE.router", "$JS.API.CONSUMER.MSG.NEXT.CYTUBE.cytube-sender", "$JS.API.CONSUMER.PAUSE.PLUGIN.plugin-victim", "$JS.API.CONSUMER.PAUSE.PLUGIN.plugin-guest",
		"$JS.API.CONSUMER.LIST.PLUGIN", "$JS.API.CONSUMER.NAMES.PLUGIN", "$JS.API.CONSUMER.UNPIN.PLUGIN.plugin-victim", "$JS.ACK.PLUGIN.plugin-victim.1.1.1.1.0", "$JS.ACK.CYTUBE.router.1.1.1.1.0", "$JS.FC.PLUGIN.plugin-victim.x",
		// KV: others' registrations, and the database behind its service.
		"$KV.plugins.victim", "$KV.db_quotes.1", "$KV.db_guest.1", "$KV.leases.main", "$KV.seals.message-ids",
		// The server.
		"$SYS.REQ.SERVER.PING", "$SYS.REQ.ACCOUNT.$G.CONNZ", "$SRV.PING", "$SRV.INFO",
	}
	for _, subject := range publish {
		t.Run("publish "+subject, func(t *testing.T) {
			t.Parallel()
			nc := g.guest()
			if err := nc.Publish(subject, []byte(`{}`)); err != nil {
				t.Fatal(err)
			}
			if !refused(nc) {
				t.Error("the server let it pass")
			}
		})
	}
	for _, subject := range []string{
		">", "*", "*.>", "plugin.>", "plugin.victim.command", "plugin.guest.command", "plugin.victim.request", "plugin.*.request", "plugin.victim.event.>", "cytube.>", "cytube.chat", "cytube.send.chat",
		"database.>", "database.set", "platform.>", "$JS.>", "$JS.ACK.>", "$JS.API.CONSUMER.MSG.NEXT.PLUGIN.plugin-victim", "$KV.>", "$KV.plugins.>", "$KV.db_quotes.>", "$SYS.>",
		"$SRV.INFO.plugin-victim", "rosey.>", "rosey.status", "rosey.credentials", "rosey.warden.>", "rosey.plugin.victim.restart",
	} {
		t.Run("subscribe "+subject, func(t *testing.T) {
			t.Parallel()
			nc := g.guest()
			if _, err := nc.SubscribeSync(subject); err != nil {
				t.Fatal(err)
			}
			if !refused(nc) {
				t.Error("the server let it pass")
			}
		})
	}
}

// What it may send, it cannot send so that the server, or whoever answers, does
// for it what it may not.
func TestCredentialsAreNotWorkedAround(t *testing.T) {
	t.Parallel()
	for server, make := range map[string]func(*testing.T) *grounds{"embedded": newGrounds, "external": external} {
		t.Run(server, func(t *testing.T) {
			t.Parallel()
			workedAround(t, make(t))
		})
	}
}

// forged is the payload of whatever event it is taken for.
const forged = `{"reason":"forged","timestamp":1,"command":"forged","user":"admin","args":[],"channel":"c","rank":9,"raw_message":"!forged"}`

func headers(pairs ...string) nats.Header {
	h := nats.Header{}
	for i := 0; i < len(pairs); i += 2 {
		h.Set(pairs[i], pairs[i+1])
	}
	return h
}

// store sends a message and returns the error with which it is refused.
func store(ctx context.Context, nc *nats.Conn, subject string, h nats.Header, body string) error {
	m, err := nc.RequestMsgWithContext(ctx, &nats.Msg{Subject: subject, Header: h, Data: []byte(body)})
	if err != nil {
		return err
	}
	var ack struct{ Error *struct{ Description string } }
	if err := json.Unmarshal(m.Data, &ack); err != nil {
		return err
	}
	if ack.Error != nil {
		return errors.New(ack.Error.Description)
	}
	return event.ReplyError(m.Data)
}

// attempt is a message by which the guest tries what it must not.
type attempt struct {
	subject string
	header  nats.Header
	body    string
}

func attempts() map[string]attempt {
	soon := "@at " + time.Now().Add(time.Second).UTC().Format(time.RFC3339)
	return map[string]attempt{
		"clear a stream by a header":       {"plugin.guest.event", headers("Nats-Rollup", "all"), `{}`},
		"clear its subject by a header":    {"plugin.guest.event", headers("Nats-Rollup", "sub"), `{}`},
		"clear the bucket by a header":     {"$KV.plugins.guest", headers("Nats-Rollup", "all"), `{}`},
		"clear what is said by a header":   {"cytube.send.chat", headers("Nats-Rollup", "all"), `{"message":"x"}`},
		"clear claims by a header":         {"$KV.traces.x", headers("Nats-Rollup", "all"), ``},
		"schedule another's command":       {"plugin.guest.event", headers("Nats-Schedule", soon, "Nats-Schedule-Target", "plugin.victim.command"), forged},
		"purge another's timer":            {"plugin.guest.event", headers("Nats-Schedule-Next", "purge", "Nats-Scheduler", "plugin.victim.event.old"), `{}`},
		"have another's timer set":         {"rosey.warden.guest.timer", headers("Rosey-Timer", "x", "Rosey-Timer-At", "2026-01-01T00:00:00Z"), string(envelope("plugin.victim.event.won", `{}`))},
		"have a command set as timer":      {"rosey.warden.guest.timer", headers("Rosey-Timer", "x", "Rosey-Timer-At", "2026-01-01T00:00:00Z"), string(envelope("plugin.guest.command", forged))},
		"have a timer set with a rollup":   {"rosey.warden.guest.timer", headers("Rosey-Timer", "x.y", "Rosey-Timer-At", "2026-01-01T00:00:00Z", "Nats-Rollup", "all"), string(envelope("plugin.guest.event.won", `{}`))},
		"have all timers cancelled":        {"rosey.warden.guest.cancel-timer", headers("Rosey-Timer", ">"), `{}`},
		"have a durable read the requests": {"rosey.warden.guest.durable", nil, `{"stream":"DATABASE","subjects":["database.>"],"max_deliver":1}`},
		"have a durable read the database": {"rosey.warden.guest.durable", nil, `{"stream":"KV_db_quotes","max_deliver":1}`},
	}
}

func workedAround(t *testing.T, g *grounds) {
	t.Helper()
	ctx := streamstest.Context(t)
	if _, err := g.JetStream().Publish(ctx, "plugin.victim.event.old", envelope("plugin.victim.event.old", `{}`)); err != nil {
		t.Fatal(err)
	}
	for name, a := range attempts() {
		t.Run(name, func(t *testing.T) {
			if err := store(ctx, g.guest(), a.subject, a.header, a.body); err == nil {
				t.Error("it was done")
			}
		})
	}
	g.misdirectReplies(ctx)
	g.checkUntouched(ctx)
}

// misdirectReplies has replies sent to others' subjects. A reply goes where the
// request says, whether or not the requester may publish there; it must not be read as
// an event.
func (g *grounds) misdirectReplies(ctx context.Context) {
	t := g.t
	t.Helper()
	nc := g.guest()
	if err := errors.Join(
		store(ctx, nc, "plugin.guest.event.evil", nil, forged),
		store(ctx, nc, "rosey.warden.guest.durable", nil, `{"stream":"PLUGIN","subjects":["plugin.guest.event.evil"],"max_deliver":9,"max_ack_pending":100}`),
		store(ctx, nc, "database.set", nil, `{"collection":"guest","id":1,"data":`+forged+`}`),
		store(ctx, nc, "database.set", nil, `{"collection":"guest","id":1,"data":`+forged+`}`),
	); err != nil {
		t.Fatal(err)
	}
	for _, where := range []string{
		"platform.shutdown", "plugin.victim.command", "plugin.victim.event.won", "cytube.chat", "rosey.plugin.victim.restart", "$KV.plugins.victim", "$KV.db_guest.1",
		"$JS.API.STREAM.PURGE.PLUGIN", "$JS.API.STREAM.DELETE.PLATFORM", "$JS.API.CONSUMER.DELETE.PLUGIN.plugin-victim", "$JS.API.CONSUMER.PAUSE.PLUGIN.plugin-victim", "$JS.API.STREAM.MSG.DELETE.PLUGIN",
	} {
		for subject, body := range map[string]string{
			"plugin.guest.event.evil":                        forged,
			"$JS.API.CONSUMER.MSG.NEXT.PLUGIN.plugin-guest":  `{"batch":1,"no_wait":true}`,
			"$JS.API.CONSUMER.INFO.PLUGIN.plugin-guest":      ``,
			"$JS.API.DIRECT.GET.KV_plugins.$KV.plugins.none": ``,
			"$JS.API.DIRECT.GET.PLUGIN":                      `{"last_by_subj":"plugin.guest.event.evil"}`,
			"database.get":                                   `{"collection":"guest","id":1}`,
			"database.query":                                 `{"collection":"guest"}`,
			"plugin.victim.request":                          `{}`,
			"rosey.warden.guest.cancel-timer":                ``,
		} {
			if err := nc.PublishRequest(subject, where, []byte(body)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := errors.Join(nc.Flush(), store(ctx, nc, "database.get", nil, `{"collection":"guest","id":1}`), store(ctx, nc, "plugin.guest.event.last", nil, `{}`)); err != nil {
		t.Fatal(err)
	}
}

// checkUntouched checks that nothing of others was forged, cleared or paused.
func (g *grounds) checkUntouched(ctx context.Context) {
	t := g.t
	t.Helper()
	for _, s := range []string{streams.Plugin, streams.Platform, streams.Cytube} {
		stream, err := g.JetStream().Stream(ctx, s)
		if err != nil {
			t.Fatalf("stream %s: %v", s, err)
		}
		for seq := stream.CachedInfo().State.FirstSeq; seq <= stream.CachedInfo().State.LastSeq && seq > 0; seq++ {
			raw, err := stream.GetMsg(ctx, seq)
			if err != nil {
				continue
			}
			read, err := streams.ReadRaw(s, raw)
			if err == nil {
				err = read.Validate()
			}
			if err == nil && event.Owned("guest", read.Subject) != nil && read.Subject != "plugin.victim.event.old" {
				t.Errorf("%s:%d is an event on %s: %s", s, seq, raw.Subject, raw.Data)
			}
		}
	}
	if first, err := g.JetStream().Stream(ctx, streams.Plugin); err != nil || first.CachedInfo().State.FirstSeq != 1 {
		t.Errorf("the stream was cleared: %+v, %v", first.CachedInfo().State, err)
	}
	victim, err := g.JetStream().Consumer(ctx, streams.Plugin, streams.Durable("victim"))
	if err != nil || victim.CachedInfo().Paused {
		t.Errorf("the other's consumer: %v", err)
	}
	kv, err := g.JetStream().KeyValue(ctx, router.Bucket)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kv.Get(ctx, "guest"); err != nil {
		t.Errorf("registrations: %v", err)
	}
}

// Nobody else's replies and requests come to it, though it may subscribe to all
// inboxes: there are none but its own.
func TestCredentialsHearNothingElse(t *testing.T) {
	t.Parallel()
	g := newGrounds(t)
	ctx := streamstest.Context(t)
	nc := g.guest()
	heard := make(chan *nats.Msg, 64)
	if _, err := nc.ChanSubscribe("_INBOX.>", heard); err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	for _, subject := range []string{"database.collections", "plugin.victim.request"} {
		if _, err := g.Conn().RequestWithContext(ctx, subject, []byte(`{}`)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := g.JetStream().Publish(ctx, "plugin.victim.event.x", []byte(`{}`)); err != nil {
		t.Fatal(err)
	}
	if err := nc.PublishRequest("database.collections", "_INBOX.last", []byte(`{}`)); err != nil {
		t.Fatal(err)
	}
	if m := <-heard; m.Subject != "_INBOX.last" {
		t.Errorf("it heard %s: %s", m.Subject, m.Data)
	}
}

// Credentials that are revoked or replaced end the connection that has them, and
// open no other; those of the store's owner go on working.
func TestCredentialsEnd(t *testing.T) {
	t.Parallel()
	g := newGrounds(t)
	ended := make(chan struct{}, 8)
	asGuest := func() *nats.Conn {
		return g.guest(nats.ReconnectWait(time.Millisecond), nats.ReconnectHandler(func(*nats.Conn) { t.Error("reconnected") }), nats.DisconnectErrHandler(func(*nats.Conn, error) { ended <- struct{}{} }))
	}
	old := asGuest()
	before := g.creds
	g.creds = g.issue()
	if n, err := access.AnnounceCredentials(g.Conn()); err != nil || n < 1 {
		t.Errorf("a new key ended %d connections, %v", n, err)
	}
	lost := func(nc *nats.Conn) {
		t.Helper()
		<-ended
		if err := connect.AwaitClosed(streamstest.Context(t), nc); !errors.Is(err, nats.ErrAuthorization) {
			t.Errorf("the connection ended with %v", err)
		}
	}
	lost(old)
	for what, creds := range map[string]string{"the old key": before, "another's key": otherStore(t)} {
		if nc, err := nats.Connect(g.url, nats.UserCredentials(creds)); !errors.Is(err, nats.ErrAuthorization) {
			t.Errorf("%s connects: %v, %v", what, nc, err)
		}
	}
	now := asGuest()
	if found, err := access.RevokeCredentials(g.store, "guest"); err != nil || !found {
		t.Fatalf("revoked: %v, %v", found, err)
	}
	if _, err := access.AnnounceCredentials(g.Conn()); err != nil {
		t.Error(err)
	}
	lost(now)
	if nc, err := nats.Connect(g.url, nats.UserCredentials(g.creds)); !errors.Is(err, nats.ErrAuthorization) {
		t.Errorf("a revoked key connects: %v, %v", nc, err)
	}
	if err := g.Conn().Flush(); err != nil || g.Conn().Stats().Reconnects != 0 {
		t.Errorf("the owner's connection: %v", err)
	}
	if nc, err := nats.Connect(g.url); !errors.Is(err, nats.ErrAuthorization) {
		t.Errorf("nobody connects: %v, %v", nc, err)
	}
}

// otherStore issues credentials for the same plugin of another store.
func otherStore(t *testing.T) string {
	t.Helper()
	text, err := access.IssueCredentials(t.TempDir(), "guest")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "other.creds")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
