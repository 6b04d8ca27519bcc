package plugins_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/plugins/plugintest"
)

// A command that puts media on the playlist for who typed it, and says what came of it.
func ExampleContext_Queue() {
	request := plugins.Plugin{
		Name: "request", Version: "1.0.0",
		Commands: []plugins.Command{{Name: "request", Usage: "LINK", Handle: func(c *plugins.Context) ([]event.Envelope, error) {
			return c.Queue(c.Text(0)).Next().Temporarily().For(c.Command.User).Events(), nil
		}}},
		Outcomes: func(c *plugins.Context, o event.Delivery) ([]event.Envelope, error) {
			if o.Status == event.DeliveryRefused {
				return c.Say("%s: ❌ %s", o.For, o.Reason), nil
			}
			return nil, nil
		},
	}
	fmt.Println(request.Validate())
	// Output: <nil>
}

// A command that kicks the user who it names.
func ExampleContext_Kick() {
	p := plugins.Plugin{Name: "order", Version: "1.0.0", Commands: []plugins.Command{{
		Name: "out", Usage: "USER", MinRank: 2, Handle: func(c *plugins.Context) ([]event.Envelope, error) {
			return c.Kick(plugins.UserName(c.Text(0)), "order in the house").For(c.Command.User).Events(), nil
		},
	}}}
	fmt.Println(p.Validate())
	// Output: <nil>
}

// What a handler asks for is published with the event's channel.
func TestAsks(t *testing.T) {
	t.Parallel()
	p := plugin(func(c *plugins.Context) (out []event.Envelope, err error) {
		for _, a := range []plugins.Ask{
			c.Queue("https://youtu.be/x").Next().Temporarily().For("alice").Because("fun"),
			c.Delete(7), c.Jump(8), c.Move(7, event.PlaceFirst), c.Skip().In("elsewhere"), c.Shuffle(), c.Lock(true),
			c.OpenPoll("Pizza?", "yes", "no"), c.ClosePoll(), c.Kick("bob", "spam"), c.Ban("bob", "spam"), c.Unban("bob"), c.Mute("bob"),
			c.Unmute("bob"), c.SetMOTD("<b>hi</b>"), c.Ask(event.SubjectSendAFK, event.SendAFK{AFK: true}),
		} {
			out = append(out, a.Events()...)
		}
		return out, nil
	})
	channel := plugintest.Run(t, p)
	channel.Type("alice", 1, "!x")
	channel.Emitted(event.SubjectSendAFK)
	var got []string
	for _, s := range channel.Stored(event.AllSends) {
		var fields map[string]any
		if err := json.Unmarshal(s.Data, &fields); err != nil {
			t.Fatal(err)
		}
		if fields["channel"] == plugintest.ChannelName {
			delete(fields, "channel")
		}
		raw, err := json.Marshal(fields)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, s.Subject+" "+string(raw))
	}
	want := []string{
		`cytube.send.media.queue {"for":"alice","position":"next","reason":"fun","temp":true,"url":"https://youtu.be/x"}`,
		`cytube.send.media.delete {"uid":7}`, `cytube.send.media.jump {"uid":8}`, `cytube.send.media.move {"after":"first","uid":7}`,
		`cytube.send.media.skip {"channel":"elsewhere"}`, `cytube.send.media.shuffle {}`, `cytube.send.media.lock {"locked":true}`,
		`cytube.send.poll.open {"options":["yes","no"],"title":"Pizza?"}`, `cytube.send.poll.close {}`,
		`cytube.send.moderation.kick {"reason":"spam","user":"bob"}`, `cytube.send.moderation.ban {"reason":"spam","user":"bob"}`,
		`cytube.send.moderation.unban {"user":"bob"}`, `cytube.send.moderation.mute {"user":"bob"}`, `cytube.send.moderation.unmute {"user":"bob"}`,
		`cytube.send.channel.motd {"value":"\u003cb\u003ehi\u003c/b\u003e"}`, `cytube.send.user.afk {"afk":true}`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// A plugin's Outcomes gets what came of its own sends, and of no others.
func TestOutcomes(t *testing.T) {
	t.Parallel()
	p := plugin(func(c *plugins.Context) ([]event.Envelope, error) { return c.Skip().For("alice").Events(), nil })
	p.Outcomes = func(c *plugins.Context, o event.Delivery) ([]event.Envelope, error) {
		return c.Say("%s for %s: %s", o.Subject, o.For, o.Status), nil
	}
	channel := plugintest.Run(t, p)
	outcome := func(source, status string) {
		channel.Publish(event.SubjectDelivery, event.Delivery{
			Channel: plugintest.ChannelName, Status: status, Send: "CYTUBE:1", Subject: event.SubjectSendMediaSkip, Source: source, For: "alice",
		})
	}
	outcome("plugin-other", event.DeliveryRefused)
	outcome("plugin-x", event.DeliveryDone)
	if got, want := channel.Next(), "cytube.send.media.skip for alice: done"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// An ask that breaks the contract is dead-lettered at once, with the rule.
func TestInvalidAsk(t *testing.T) {
	t.Parallel()
	channel := plugintest.Run(t, plugin(func(c *plugins.Context) ([]event.Envelope, error) { return c.Kick("", "").Events(), nil }))
	channel.Type("alice", 1, "!x")
	if l := deadLetter(t, channel); l.Code != event.InvalidInput || l.Attempts != 1 {
		t.Errorf("%+v", l)
	}
}
