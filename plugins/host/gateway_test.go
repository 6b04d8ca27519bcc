package host_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

// onBoth runs a test on the embedded server and on one that is configured.
func onBoth(t *testing.T, test func(*testing.T, *grounds)) {
	t.Helper()
	for server, start := range map[string]func(*testing.T) *grounds{"embedded": newGrounds, "external": external} {
		t.Run(server, func(t *testing.T) { t.Parallel(); test(t, start(t)) })
	}
}

// A plugin that knows every inbox of the bot can end none of its consumers and answer
// none of its requests.
func TestGuestReachesNoInbox(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, g *grounds) {
		s := g.session(t)
		pulls, err := g.Conn().SubscribeSync("$JS.API.CONSUMER.MSG.NEXT.CYTUBE.router")
		if err != nil {
			t.Fatal(err)
		}
		c, err := g.Durable(s.ctx, streams.Cytube, jetstream.ConsumerConfig{Durable: "router", AckPolicy: jetstream.AckExplicitPolicy})
		if err != nil {
			t.Fatal(err)
		}
		messages, err := streams.PullOne(c)
		if err != nil {
			t.Fatal(err)
		}
		next := make(chan error, 1)
		go func() {
			msg, err := streams.NextMsg(messages)
			if err == nil && msg.Subject() != event.SubjectUserJoin {
				err = fmt.Errorf("it got %s", msg.Subject())
			}
			next <- err
		}()
		pull, err := pulls.NextMsgWithContext(s.ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, forged := range []*nats.Msg{
			{Subject: pull.Reply, Header: headers("Status", "409", "Description", "Consumer Deleted")},
			{Subject: pull.Reply, Data: []byte(forged), Reply: "$JS.ACK.CYTUBE.router.1.1.1.1.0"},
		} {
			_ = s.nc.PublishMsg(forged)
			if err := s.nc.Flush(); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := g.JetStream().Publish(s.ctx, event.SubjectUserJoin, []byte(`{"user":"bob","channel":"c","rank":1,"time":1}`)); err != nil {
			t.Fatal(err)
		}
		if err := <-next; err != nil {
			t.Errorf("the bot's consumer ended: %v", err)
		}
		messages.Stop()
	})
}

// A request to a plugin tells it nothing of the requester's inbox.
func TestGuestLearnsNoInbox(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, g *grounds) {
		s := g.session(t)
		for _, subject := range []string{"plugin.guest.request.x", "$SRV.INFO"} {
			asked, err := s.nc.SubscribeSync(subject)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.nc.Flush(); err != nil {
				t.Fatal(err)
			}
			answer, err := g.Conn().SubscribeSync("_INBOX.known.1")
			if err != nil {
				t.Fatal(err)
			}
			if err := g.Conn().PublishRequest(subject, answer.Subject, []byte(`{}`)); err != nil {
				t.Fatal(err)
			}
			m, err := asked.NextMsgWithContext(s.ctx)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(m.Reply, "known") {
				t.Errorf("%s names the inbox %s", subject, m.Reply)
			}
			if err := m.Respond([]byte("42")); err != nil {
				t.Fatal(err)
			}
			if m, err = answer.NextMsgWithContext(s.ctx); err != nil || string(m.Data) != "42" && subject != "$SRV.INFO" {
				t.Errorf("%s was answered %v, %v", subject, m, err)
			}
		}
	})
}

// No header of a plugin changes what is stored, when or for how long.
func TestGuestHeaders(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, g *grounds) {
		s := g.session(t)
		for key, value := range map[string]string{
			"Nats-TTL": "3s", "nats-ttl": "3s", "Nats-Rollup": "sub", "Nats-Schedule": "@at 2030-01-01T00:00:00Z", "Nats-Expected-Last-Sequence": "0",
			"Nats-Expected-Stream": "CYTUBE", "Nats-Batch-Id": "x", "Nats-Incr": "+1", "Nats-Marker-Reason": "MaxAge",
			streams.HeaderPublisher: "victim", streams.HeaderDue: "2030-01-01T00:00:00Z",
		} {
			for subject, body := range map[string]string{"cytube.send.chat": `{"message":"x"}`, "database.get": `{"collection":"guest","id":1}`, "$KV.plugins.guest": `{"name":"guest"}`} {
				m, err := s.nc.RequestMsgWithContext(s.ctx, &nats.Msg{Subject: subject, Header: nats.Header{key: {value}}, Data: []byte(body)})
				if err != nil || !strings.Contains(string(m.Data), key+" may not come from a plugin") {
					t.Errorf("%s on %s: %v, %v", key, subject, m, err)
				}
			}
		}
		id := headers("Nats-Msg-Id", "router/CYTUBE:7/1")
		if err := store(s.ctx, s.nc, "cytube.send.chat", id, `{"message":"mine"}`); err != nil {
			t.Fatal(err)
		}
		ack, err := g.JetStream().PublishMsg(s.ctx, &nats.Msg{Subject: "cytube.send.chat", Header: headers("Nats-Msg-Id", "router/CYTUBE:7/1"), Data: []byte(`{"message":"the bot's"}`)})
		if err != nil || ack.Duplicate {
			t.Errorf("the bot's own message is a duplicate of the plugin's: %+v, %v", ack, err)
		}
	})
}

// Whatever a plugin says of itself, the source of its events is proven.
func TestGuestSource(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, g *grounds) {
		s := g.session(t)
		heard := make(chan streams.Stored, 4)
		sub, err := g.Subscribe(s.ctx, "cytube.send.chat", func(_ context.Context, e streams.Stored) { heard <- e })
		if err != nil {
			t.Fatal(err)
		}
		defer sub.Stop()
		for source, claimed := range map[string]any{"operator": "operator", "plugin-guest": nil} {
			body := `{"subject":"cytube.send.chat","data":{"message":"x"},"metadata":{"source":"` + source + `"}}`
			if err := store(s.ctx, s.nc, "cytube.send.chat", nil, body); err != nil {
				t.Fatal(err)
			}
			select {
			case e := <-heard:
				if e.Meta(event.MetaSource) != "plugin-guest" || e.Metadata[event.MetaClaimedSource] != claimed {
					t.Errorf("%s: %v", source, e.Metadata)
				}
			case <-time.After(2 * time.Minute):
				t.Fatal("the event was not stored")
			}
		}
	})
}

// A plugin with credentials of its own finds what an earlier attempt of its handler stored,
// and nobody else's outputs.
func TestGuestFindsItsOutputs(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, g *grounds) {
		s := g.session(t)
		before := time.Now().Add(-time.Minute)
		const id = "plugin-guest/PLUGIN:1/1"
		e, err := event.New(event.SubjectSendChat, event.SendChat{Message: "one", Channel: "main"})
		if err != nil {
			t.Fatal(err)
		}
		mine, err := s.bus.As("plugin-guest").Publish(s.ctx, e, streams.WithMsgID(id))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := g.As("plugin-victim").Publish(s.ctx, e, streams.WithMsgID("plugin-victim/PLUGIN:1/1")); err != nil {
			t.Fatal(err)
		}
		found, err := s.bus.As("plugin-guest").Outputs(s.ctx, event.SubjectSendChat, before)
		if err != nil || len(found) != 1 || found[id] != mine.Ref {
			t.Errorf("found %v, %v; want %s at %s", found, err, id, mine.Ref)
		}
	})
}
