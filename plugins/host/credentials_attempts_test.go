package host_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

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
		"have durables read commands":      {"rosey.warden.guest.durable", nil, `{"subjects":["plugin.guest.command","plugin.*"],"max_deliver":1}`},
		"have durables read requests":      {"rosey.warden.guest.durable", nil, `{"subjects":["database.*"],"max_deliver":1}`},
		"have durables read all there is":  {"rosey.warden.guest.durable", nil, `{"subjects":[],"max_deliver":1}`},
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
