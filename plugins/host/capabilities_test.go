package host_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// guestReads lists the events of the bot that the guest's durable delivers to it, where it
// asks for each subject by itself.
func guestReads(t *testing.T, s *session, durable string, subjects []string) (read []string) {
	t.Helper()
	for _, subject := range subjects {
		stream, ok := streams.For(subject)
		if !ok {
			t.Fatalf("no stream holds %s", subject)
		}
		c, err := s.bus.Durable(s.ctx, stream.Name, jetstream.ConsumerConfig{
			Durable: durable, FilterSubjects: []string{subject}, AckPolicy: jetstream.AckExplicitPolicy, MaxDeliver: 2, MaxAckPending: 100,
		})
		switch {
		case event.CodeOf(err) == event.PermissionDenied && strings.Contains(err.Error(), "rosey plugin grant guest read:"+subject):
			continue
		case err != nil:
			t.Fatal(err)
		}
		if _, err := s.grounds.JetStream().Publish(s.ctx, subject, []byte(`{}`)); err != nil {
			t.Fatal(err)
		}
		messages, err := streams.PullOne(c)
		if err != nil {
			t.Fatal(err)
		}
		m, err := streams.NextMsg(messages)
		messages.Stop()
		if err != nil || m.Subject() != subject {
			t.Fatalf("%s: %v", subject, err)
		}
		read = append(read, subject)
		_ = m.Ack()
	}
	return read
}

// What a credential can read is what its plugin's registration declares and what was
// granted, and nothing private without a grant.
func TestGuestReadsWhatItMay(t *testing.T) {
	t.Parallel()
	streamstest.Slow(t, "two servers with credentials")
	own := []string{"plugin.guest.command", "plugin.guest.event", "plugin.guest.event.x"}
	public := []string{"cytube.chat", "cytube.user.join", "cytube.send.chat", "platform.startup", "plugin.victim.event.scored"}
	private := []string{"cytube.pm", "cytube.send.pm", "plugin.victim.command", "plugin.victim.event.dead_letter"}
	all := slices.Concat(own, public, private)
	onBoth(t, func(t *testing.T, g *grounds) {
		s := g.session(t)
		for _, c := range []struct {
			declared, granted, want []string
		}{
			{nil, nil, slices.Concat(own, public)}, // as in an earlier release
			{[]string{}, nil, own},
			{[]string{"cytube.chat", "cytube.pm", "plugin.*.event.>"}, nil, slices.Concat(own, []string{"cytube.chat", "plugin.victim.event.scored"})},
			{[]string{"cytube.*"}, nil, slices.Concat(own, public[:3])},
			{[]string{}, []string{"cytube.pm", "platform.>"}, slices.Concat(own, []string{"platform.startup", "cytube.pm"})},
			{nil, []string{"cytube.>", "plugin.*"}, all},
		} {
			r := router.Registration{Name: "guest", Version: "1.0.0", Events: c.declared}
			if _, err := router.Register(s.ctx, g.registrations, r); err != nil {
				t.Fatal(err)
			}
			if err := router.DeleteCapabilities(s.ctx, g.registrations, "guest"); err != nil {
				t.Fatal(err)
			}
			for _, subject := range c.granted {
				if err := router.GrantCapabilities(s.ctx, g.registrations, "guest", "read:"+subject); err != nil {
					t.Fatal(err)
				}
			}
			for _, durable := range []string{"plugin-guest", "past-guest"} {
				if read := guestReads(t, s, durable, all); !slices.Equal(read, c.want) {
					t.Errorf("with %q declared and %q granted %s reads\n%q, want\n%q", c.declared, c.granted, durable, read, c.want)
				}
			}
		}
		for _, body := range []string{`{"stream":"CYTUBE"}`, `{"stream":"CYTUBE","subjects":[">"]}`, `{"stream":"CYTUBE","subjects":["cytube.>","x.>"]}`} {
			if err := router.DeleteCapabilities(s.ctx, g.registrations, "guest"); err != nil {
				t.Fatal(err)
			}
			if err := answered("rosey.warden.guest.durable", body)(s); event.CodeOf(err) != event.PermissionDenied {
				t.Errorf("%s: %v", body, err)
			}
		}
	})
}

// borrower is a guest that asks for a collection of victim's, beside the bot's own processes.
type borrower struct {
	*session
	t *testing.T
	g *grounds
}

func setRecord(collection string) string {
	return fmt.Sprintf(`{"collection":%q,"id":1,"data":{"n":1}}`, collection)
}

func (b *borrower) setAs(source, collection string) {
	b.t.Helper()
	e, err := event.New(event.SubjectSet, json.RawMessage(setRecord(collection)))
	if err != nil {
		b.t.Fatal(err)
	}
	e.Metadata = map[string]any{event.MetaSource: source}
	data, err := e.MarshalJSON()
	if err != nil {
		b.t.Fatal(err)
	}
	if m, err := b.g.Conn().RequestWithContext(b.ctx, event.SubjectSet, data); err != nil || event.ReplyError(m.Data) != nil {
		b.t.Fatalf("set as %s: %v %v", source, err, m)
	}
}

// expectDenied asks for all that can be asked of victim's collection.
func (b *borrower) expectDenied(reads, writes bool) {
	b.t.Helper()
	for op, body := range map[string]string{
		"get": `{"collection":"theirs","id":1}`, "query": `{"collection":"theirs"}`, "set": setRecord("theirs"),
		"update": `{"collection":"theirs","id":1,"ops":{"$inc":{"n":1}}}`, "delete": `{"collection":"theirs","id":1}`,
		"batch": `{"operations":[{"op":"get","collection":"theirs","id":1}]}`,
	} {
		denied := writes
		if op == "get" || op == "query" || op == "batch" {
			denied = reads
		}
		err := answered("database."+op, body)(b.session)
		if got := event.CodeOf(err) == event.PermissionDenied; got != denied {
			b.t.Errorf("%s: %v; want denied %t", op, err, denied)
		}
		if denied && (!strings.Contains(err.Error(), "belongs to victim") && op != "batch" || !strings.Contains(err.Error(), "rosey plugin grant guest storage:theirs")) {
			b.t.Errorf("%s: %v", op, err)
		}
		if op == "delete" && !denied {
			b.setAs("victim", "theirs")
		}
	}
}

func (b *borrower) expectListed(want string) {
	b.t.Helper()
	if m, err := b.nc.RequestWithContext(b.ctx, event.SubjectCollections, []byte("{}")); err != nil || !strings.Contains(string(m.Data), want) {
		b.t.Errorf("it is listed %v, %v; want %s", m, err, want)
	}
}

func (b *borrower) grant(capability string) {
	b.t.Helper()
	if err := router.GrantCapabilities(b.ctx, b.g.registrations, "guest", capability); err != nil {
		b.t.Fatal(err)
	}
}

// A collection belongs to the plugin that wrote it first; what others may do with it is
// granted. The bot's own processes and operators may always.
func TestCollectionsBelongToPlugins(t *testing.T) {
	t.Parallel()
	g := newGrounds(t)
	b := &borrower{session: g.session(t), t: t, g: g}
	b.setAs("victim", "theirs")
	b.setAs("rosey-cli", "notes")
	b.expectDenied(true, true)
	b.expectListed(`"data":[{"collection":"notes"`)
	b.grant("storage:theirs:read")
	b.expectDenied(false, true)
	b.expectListed(`{"collection":"theirs"`)
	b.grant("storage:theirs")
	b.expectDenied(false, false)
	if had, err := router.RevokeCapabilities(b.ctx, g.registrations, "guest", "storage:theirs", "storage:theirs:read"); err != nil || len(had) != 2 {
		t.Errorf("revoked %q, %v", had, err)
	}
	b.expectDenied(true, true)
	for _, mine := range []string{"mine", "notes"} { // nobody's: of the first to write
		if err := answered(event.SubjectSet, setRecord(mine))(b.session); err != nil {
			t.Errorf("%s: %v", mine, err)
		}
	}
	b.setAs("victim", "mine")
	auth, err := router.ReadAuthorizations(b.ctx, g.registrations)
	if got := auth.Collections("guest"); err != nil || !slices.Equal(got, []string{"mine", "notes"}) {
		t.Errorf("it has %q, %v", got, err)
	}
}
