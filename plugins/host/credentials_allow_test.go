package host_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
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
	"github.com/rosey-bot/rosey/streams/streamstest"
	"github.com/rosey-bot/rosey/telemetry/propagation"
)

// A plugin with credentials of its own can do all that a plugin does.
func TestCredentialsAllow(t *testing.T) {
	t.Parallel()
	streamstest.Slow(t, "two servers with credentials")
	for server, make := range map[string]func(*testing.T) *grounds{"embedded": newGrounds, "external": external} {
		t.Run(server, func(t *testing.T) {
			t.Parallel()
			allowed(t, make(t))
		})
	}
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
	if err := s.bus.SaveExchanges(s.ctx, "victim", of, want); err != nil {
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
