package console

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

// setsMOTD does what is asked of the message of the day, as a bot in the channel does.
func (s *served) setsMOTD() {
	s.t.Helper()
	sub, err := s.bus.Subscribe(s.t.Context(), event.SubjectSendMOTD, func(ctx context.Context, send streams.Stored) {
		p, err := event.As[event.SendText](send.Envelope)
		if err != nil || p.For != "ann" {
			s.t.Errorf("asked %+v, %v", p, err)
		}
		s.publish(event.SubjectMOTD, event.ChannelText{Value: p.Value, Channel: "lounge", Time: 2})
		s.publish(event.SubjectDelivery, event.Delivery{Send: send.Ref.String(), Channel: "lounge", Status: event.DeliveryDone})
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(sub.Stop)
}

// The page shows the channel as it was and what is different now; an operator makes it so
// again, and is asked first.
func TestChannelAtAnotherTime(t *testing.T) {
	t.Parallel()
	s := serve(t, Access{Accounts: []Account{{"ann", Operator, cheapHash("act")}, {"vic", Viewer, cheapHash("look")}}})
	s.state("motd", `"before"`)
	then := time.Now().UTC()
	s.publish(event.SubjectMOTD, event.ChannelText{Value: "after", Channel: "lounge", Time: 1})
	viewer, operator := s.client(), s.client()
	s.signIn(viewer, "vic", "look")
	s.signIn(operator, "ann", "act")
	page := func(at string) string {
		return "/channel/past?" + url.Values{"channel": {"lounge"}, "at": {at}}.Encode()
	}
	at := then.Format(time.RFC3339Nano)
	_, body, _ := s.ask(viewer, "GET", page(at), nil)
	shows(t, body, []string{"<pre>before\n", "~ motd: after → before"}, []string{`action="/channel/restore"`})
	for text, want := range map[string]string{"": "As it was", "in 2 hours": "future", "the day before": `class="error"`, "3d": "nothing is known of the channel then"} {
		_, body, _ = s.ask(viewer, "GET", page(text), nil)
		shows(t, body, []string{want}, []string{"<pre>"})
	}

	s.setsMOTD()
	form := url.Values{"csrf": {s.token(operator)}, "channel": {"lounge"}, "at": {at}, "part": {"motd"}}
	for _, test := range []struct {
		client     *http.Client
		key, value string
		want       string
	}{{viewer, "csrf", s.token(viewer), "operators only"}, {operator, "part", "users", "cannot be restored"}, {operator, "part", "motd", "Make motd what they were at"}} {
		bad := url.Values{"csrf": form["csrf"], "channel": form["channel"], "at": form["at"], "part": form["part"]}
		bad.Set(test.key, test.value)
		if _, body, _ := s.ask(test.client, "POST", "/channel/restore", bad); !strings.Contains(body, test.want) {
			t.Errorf("%s=%s: %s", test.key, test.value, body)
		}
	}
	form.Set("confirm", "yes")
	s.ask(operator, "POST", "/channel/restore", form)
	events := s.listen(operator, "/channel/past/events?channel=lounge")
	for {
		if _, part := events.next("part"); strings.Contains(part, "Differences left") {
			shows(t, part, []string{"1 of 1", "<dd>0</dd>", "Undo it"}, []string{"Broken off", "Not done"})
			break
		}
	}
	_, body, _ = s.ask(viewer, "GET", page(at), nil)
	shows(t, body, []string{"<pre>before\n"}, []string{"~ motd:"})
}
