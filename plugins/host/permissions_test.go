package host_test

import (
	"encoding/json"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// A trial is what a capability allows: to publish on a subject, or to make a request.
type trial struct {
	capability string // an operator grants it
	subject    string
	body       string
}

// trials has every capability, but those of reading.
func trials() (list []trial) {
	for _, ability := range event.Abilities() {
		area, _, _ := strings.Cut(ability, ".")
		list = append(list,
			trial{ability, "cytube.send." + ability, `{}`}, trial{area + ".*", "cytube.send." + ability, `{}`},
			trial{ability, "plugin.channel.request." + ability, `{}`})
	}
	return append(list,
		trial{"chat", event.SubjectSendChat, `{"message":"hi"}`}, trial{"chat", event.SubjectSendEmote, `{"emote":"waves"}`},
		trial{"pm", event.SubjectSendPM, `{"to":"alice","message":"hi"}`},
		trial{"playlist.add", event.SubjectSendMediaQueue, `{}`}, trial{"moderation", event.SubjectSendBan, `{}`},
		trial{"request:victim", "plugin.victim.request", `{}`}, trial{"request:*", "plugin.victim.request", `{}`},
		trial{"storage", event.SubjectSet, `{"collection":"mine","id":1,"data":{"n":1}}`},
		trial{"storage:theirs", event.SubjectSet, `{"collection":"theirs","id":1,"data":{"n":1}}`},
		trial{"storage:theirs:read", event.SubjectQuery, `{"collection":"theirs"}`},
	)
}

// tries sends what a trial says on a connection of the guest's own, and reports whether it was
// done: neither the server nor who answers refused it.
func (g *grounds) tries(t *testing.T, tr trial) (done bool) {
	t.Helper()
	nc := g.guest()
	inbox, err := nc.SubscribeSync(nc.NewInbox())
	if err != nil {
		t.Fatal(err)
	}
	if err := nc.PublishRequest(tr.subject, inbox.Subject, []byte(tr.body)); err != nil {
		t.Fatal(err)
	}
	if refused(nc) {
		return false
	}
	m, err := inbox.NextMsg(2 * time.Minute)
	if err != nil {
		t.Fatalf("%+v: %v", tr, err)
	}
	var ack struct {
		Error   any
		Success *bool
	}
	if err := json.Unmarshal(m.Data, &ack); err != nil {
		t.Fatalf("%+v: %v in %s", tr, err, m.Data)
	}
	return ack.Error == nil && (ack.Success == nil || *ack.Success)
}

// may makes capabilities all that the guest has.
func (g *grounds) may(t *testing.T, capabilities ...string) {
	t.Helper()
	if err := router.SetCapabilities(streamstest.Context(t), g.registrations, "guest", capabilities...); err != nil {
		t.Fatal(err)
	}
}

// A plugin can do what a capability allows if it has it, and cannot if it has all others:
// whatever it sends is refused, and nothing of it comes into the channel or the database.
func TestCapabilities(t *testing.T) {
	t.Parallel()
	streamstest.Slow(t, "a plugin for each capability")
	onBoth(t, func(t *testing.T, g *grounds) {
		ctx := streamstest.Context(t)
		asked := &atomic.Int64{}
		if _, err := g.Conn().Subscribe("plugin.channel.request.>", func(m *nats.Msg) { asked.Add(1); _ = m.Respond([]byte(`{"success":true}`)) }); err != nil {
			t.Fatal(err)
		}
		if err := g.Conn().Flush(); err != nil {
			t.Fatal(err)
		}
		stored := func(subject string) uint64 {
			s, err := g.JetStream().Stream(ctx, streams.Cytube)
			if err != nil {
				t.Fatal(err)
			}
			info, err := s.Info(ctx, jetstream.WithSubjectFilter(subject))
			if err != nil {
				t.Fatal(err)
			}
			return info.State.Subjects[subject]
		}
		all := append(event.Abilities(), "chat", "pm", "read:public", "request:*", "storage", "storage:theirs")
		for _, tr := range trials() {
			g.may(t, tr.capability)
			if !g.tries(t, tr) {
				t.Errorf("%s does not allow %s", tr.capability, tr.subject)
			}
			others := slices.DeleteFunc(slices.Clone(all), func(c string) bool { return grants(c, tr) })
			g.may(t, others...)
			before, requests := stored(tr.subject), asked.Load()
			if g.tries(t, tr) {
				t.Errorf("%s is done without %s, with %q", tr.subject, tr.capability, others)
			}
			if after := stored(tr.subject); after != before || asked.Load() != requests {
				t.Errorf("%s without %s was stored %d times, asked %d times", tr.subject, tr.capability, after-before, asked.Load()-requests)
			}
		}
	})
}

// grants reports whether a capability allows what a trial does.
func grants(capability string, tr trial) bool {
	if strings.HasPrefix(tr.capability, "storage") {
		return strings.HasPrefix(capability, "storage")
	}
	return event.Capabilities{capability}.Allow("guest", tr.subject) == nil
}

// A plugin without the base capabilities of reading sees no chat and no private message, what it has
// read until then no more either.
func TestCapabilitiesOfReading(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, g *grounds) {
		s := g.session(t)
		for _, c := range []struct {
			have []string
			want []string
		}{
			{[]string{"chat", "pm"}, nil},
			{[]string{"read:chat"}, []string{"cytube.chat"}},
			{[]string{"read:pm"}, []string{"cytube.pm"}},
			{[]string{"read:public"}, []string{"cytube.chat"}},
		} {
			g.may(t, c.have...)
			if read := guestReads(t, s, "plugin-guest", []string{"cytube.chat", "cytube.pm"}); !slices.Equal(read, c.want) {
				t.Errorf("with %q it reads %q, want %q", c.have, read, c.want)
			}
		}
	})
}

// An ability cannot be had by asking the bot for it in another way, without its capability: earlier
// releases let any plugin with credentials request it.
func TestBaseCapabilitiesBanNobody(t *testing.T) {
	t.Parallel()
	streamstest.Slow(t, "a plugin for each capability")
	onBoth(t, func(t *testing.T, g *grounds) {
		var asked atomic.Int64
		if _, err := g.Conn().Subscribe("plugin.channel.request.>", func(m *nats.Msg) { asked.Add(1); _ = m.Respond([]byte(`{"success":true}`)) }); err != nil {
			t.Fatal(err)
		}
		if err := g.Conn().Flush(); err != nil {
			t.Fatal(err)
		}
		for _, ability := range event.Abilities() {
			for _, subject := range []string{"cytube.send." + ability, "plugin.channel.request." + ability} {
				if g.tries(t, trial{"", subject, `{"user":"alice","channel":"c"}`}) {
					t.Errorf("a plugin to which nobody granted anything does %s", subject)
				}
			}
		}
		if n := asked.Load(); n > 0 {
			t.Errorf("the bot was asked %d times", n)
		}
	})
}
