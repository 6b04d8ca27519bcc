package console

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/cytube"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// publish stores an event of the lounge.
func (s *served) publish(subject string, payload any) event.Ref {
	s.t.Helper()
	e, err := event.New(subject, payload)
	if err != nil {
		s.t.Fatal(err)
	}
	ack, err := s.bus.Publish(streamstest.Context(s.t), e)
	if err != nil {
		s.t.Fatal(err)
	}
	return ack.Ref
}

// state stores what a part of the lounge is.
func (s *served) state(part, value string) {
	s.t.Helper()
	s.publish(event.SubjectState, event.State{Part: part, Value: []byte(value), Page: 1, Pages: 1, Hash: "x", Channel: "lounge", Time: 1})
}

// furnish stores a channel with something of everything.
func (s *served) furnish() {
	s.t.Helper()
	s.state("playlist", `[{"uid":3,"title":"Alien","url":"https://youtu.be/a","type":"yt","duration":7000,"queued_by":"alice","temp":true},{"uid":5,"title":"<b>News</b>","url":"https://twitch.tv/n","type":"tw","queued_by":"bob"}]`)
	s.state("users", `[{"name":"alice","rank":2},{"name":"bob","rank":1,"afk":true},{"name":"eve","rank":1,"mute":"shadow_mute"},{"name":"rosey","rank":3}]`)
	s.state("lock", `true`)
	s.state("leader", `"alice"`)
	s.publish(event.SubjectMediaChange, event.MediaChange{Title: "Alien", URL: "https://youtu.be/a", Type: "yt", Duration: 7000, Channel: "lounge", QueuedBy: "alice"})
	s.publish(event.SubjectMediaVote, event.MediaVote{Count: 2, Need: 3, Channel: "lounge", Time: 1})
	s.publish(event.SubjectPollOpen, event.Poll{Title: "What next?", Options: []string{"Solaris", "Stalker"}, Counts: []int{1, 2}, By: "alice", Channel: "lounge", Time: 1})
}

// shows fails the test for what a page should show and does not, or shows and should not.
func shows(t *testing.T, body string, wanted, unwanted []string) {
	t.Helper()
	for _, text := range wanted {
		if !strings.Contains(body, text) {
			t.Errorf("the page does not show %q", text)
		}
	}
	for _, text := range unwanted {
		if strings.Contains(body, text) {
			t.Errorf("the page shows %q", text)
		}
	}
	if t.Failed() {
		t.Log(body)
	}
}

// The page shows the channel as the events have it, and goes on with them.
func TestChannelPage(t *testing.T) {
	t.Parallel()
	s := serve(t, Access{})
	s.furnish()
	c := s.client()
	_, body, _ := s.ask(c, "GET", "/channel?channel=lounge", nil)
	shows(t, body, []string{
		"<b>Alien</b>", "2 of 3", ">locked<", "<dd>alice</dd>", "What next?", "Solaris", "Stalker", "muted in secret", ">away<", "&lt;b&gt;News&lt;/b&gt;",
		">live<", "temporary", ">in the channel<",
	}, nil)
	events := s.listen(c, "/channel/events?channel=lounge")
	events.next("part")
	s.publish(event.SubjectMediaLock, event.MediaLock{Channel: "lounge", Time: 2})
	s.publish(event.SubjectMediaDelete, event.MediaDelete{UID: 5, Title: "News", URL: "u", Type: "tw", Channel: "lounge"})
	for {
		_, part := events.next("part")
		if strings.Contains(part, ">open to all<") && !strings.Contains(part, "News") {
			break
		}
	}
	_, other, _ := s.ask(c, "GET", "/channel?channel=attic", nil)
	shows(t, other, []string{"Not known: the channel does not show it", "Nobody, as far as it is known"}, []string{"Alien"})
}

// How the bot fares is seen, whatever the reason that it is not heard.
func TestConditionOnThePage(t *testing.T) {
	t.Parallel()
	streamstest.Slow(t, "a console for each case")
	since := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		name     string
		stats    cytube.Stats
		problem  string
		wanted   []string
		unwanted []string
	}{
		{"well", cytube.Stats{Connected: true, Condition: cytube.Condition{Rank: 2}}, "", []string{">in the channel<", "<dd>2</dd>"}, []string{"Last error"}},
		{"muted", cytube.Stats{Connected: true, Condition: cytube.Condition{Mute: event.ActionMute, By: "alice"}}, "muted", []string{">muted<", "by alice"}, []string{`good">in the channel`}},
		{"shadow-muted", cytube.Stats{Connected: true, Condition: cytube.Condition{Mute: event.ActionShadowMute}}, "muted", []string{">muted in secret<"}, nil},
		{"kicked", cytube.Stats{Condition: cytube.Condition{Away: "the bot was kicked: spam", Kicked: true, By: "bob", Reason: "spam", Since: since, Next: since.Add(time.Minute)}}, "away",
			[]string{">kicked<", "by bob: spam", "Next try", since.Local().Format("2006-01-02 15:04:05")}, []string{"none: somebody"}},
		{"banned", cytube.Stats{Condition: cytube.Condition{Away: "the bot was kicked: You're banned!", Kicked: true, Banned: true, By: "bob", Since: since}}, "away",
			[]string{">banned<", "none: somebody has to start it again"}, nil},
		{"site down", cytube.Stats{Condition: cytube.Condition{Away: "connection refused", Since: since, Next: since.Add(time.Minute)}}, "away", []string{">not in the channel<", "connection refused"}, []string{">kicked<"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := serveWith(t, func(cfg *Config) {
				cfg.Channels[0].Stats = func() cytube.Stats { return test.stats }
				cfg.Channels[0].Problem = func() string { return test.problem }
			})
			_, body, _ := s.ask(s.client(), "GET", "/channel", nil)
			shows(t, body, test.wanted, test.unwanted)
		})
	}
}

// Viewers look and ask for nothing; an operator needs the page's token, and is asked first
// where something is gone.
func TestWhoAsksOfTheChannel(t *testing.T) {
	t.Parallel()
	s := serve(t, Access{Accounts: []Account{{"ann", Operator, cheapHash("act")}, {"vic", Viewer, cheapHash("look")}}})
	s.furnish()
	viewer, operator := s.client(), s.client()
	s.signIn(viewer, "vic", "look")
	s.signIn(operator, "ann", "act")
	controls := []string{`action="/channel/`, `formaction=`, `data-fill=`}
	_, body, _ := s.ask(viewer, "GET", "/channel", nil)
	shows(t, body, []string{"<b>Alien</b>"}, controls)
	_, body, _ = s.ask(operator, "GET", "/channel", nil)
	shows(t, body, controls, nil)
	token := s.token(operator)
	for _, test := range []struct {
		name, action string
		client       *http.Client
		form         url.Values
		status       int
		want         string
	}{
		{"a viewer", "skip", viewer, url.Values{"csrf": {s.token(viewer)}}, http.StatusForbidden, "operators only"},
		{"no token", "skip", operator, url.Values{}, http.StatusForbidden, "out of date"},
		{"another's token", "skip", operator, url.Values{"csrf": {s.token(viewer)}}, http.StatusForbidden, "out of date"},
		{"nothing there is", "dance", operator, url.Values{"csrf": {token}}, http.StatusNotFound, "no such page"},
		{"no address", "queue", operator, url.Values{"csrf": {token}}, http.StatusBadRequest, "give the address"},
		{"one option", "poll-open", operator, url.Values{"csrf": {token}, "title": {"x"}, "options": {"one\n\n"}}, http.StatusBadRequest, "two options or more"},
		{"no user", "kick", operator, url.Values{"csrf": {token}, "confirm": {"yes"}}, http.StatusBadRequest, "say whom"},
		{"a uid that is none", "delete", operator, url.Values{"csrf": {token}, "uid": {"first"}}, http.StatusBadRequest, "is no uid"},
		{"clear without an answer", "clear", operator, url.Values{"csrf": {token}}, http.StatusOK, `name="confirm" value="yes"`},
		{"ban without an answer", "ban", operator, url.Values{"csrf": {token}, "user": {"eve"}, "reason": {"spam"}}, http.StatusOK, `name="reason" value="spam"`},
	} {
		status, body, _ := s.ask(test.client, "POST", "/channel/"+test.action, test.form)
		if status != test.status || !strings.Contains(body, test.want) {
			t.Errorf("%s: %d\n%s", test.name, status, body)
		}
	}
	if n := s.stored(event.AllSends); n != 0 {
		t.Errorf("%d sends are stored", n)
	}
}

// What an operator asks for is a send in the operator's name, and the outcome is shown.
func TestOutcomeOfWhatIsAsked(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		delivery event.Delivery
		status   int
		want     string
	}{
		{event.Delivery{Status: event.DeliveryDone}, http.StatusOK, "Done: ban eve"},
		{event.Delivery{Status: event.DeliveryAlready}, http.StatusOK, "It is so already: ban eve"},
		{event.Delivery{Status: event.DeliveryRefused, Code: event.PermissionDenied, Reason: "the bot has rank 1"}, http.StatusForbidden, "refused: the bot has rank 1"},
		{event.Delivery{Status: event.DeliveryExpired, Reason: "the bot was away"}, http.StatusGatewayTimeout, "expired: the bot was away"},
	} {
		t.Run(test.delivery.Status, func(t *testing.T) {
			t.Parallel()
			s := serve(t, Access{Accounts: []Account{{"ann", Operator, cheapHash("act")}}})
			c := s.client()
			s.signIn(c, "ann", "act")
			asked := s.settle(test.delivery)
			status, body, _ := s.ask(c, "POST", "/channel/ban", url.Values{"user": {"eve"}, "reason": {"spam"}, "confirm": {"yes"}, "csrf": {s.token(c)}}, "X-Rosey: 1")
			if status != test.status || !strings.Contains(body, test.want) {
				t.Errorf("%d %s", status, body)
			}
			p := <-asked
			if p.For != "ann" || p.User != "eve" || p.Reason != "spam" || p.Channel != "lounge" {
				t.Errorf("asked %+v", p)
			}
		})
	}
}

// stored counts the events of a subject.
func (s *served) stored(subject string) int {
	s.t.Helper()
	stream, err := s.bus.JetStream().Stream(s.t.Context(), streams.Cytube)
	if err != nil {
		s.t.Fatal(err)
	}
	info, err := stream.Info(s.t.Context(), jetstream.WithSubjectFilter(subject))
	if err != nil {
		s.t.Fatal(err)
	}
	n := 0
	for _, of := range info.State.Subjects {
		n += int(of)
	}
	return n
}

// settle gives the next ban that is asked for an outcome, as a bot in the channel does.
func (s *served) settle(d event.Delivery) <-chan event.SendModeration {
	s.t.Helper()
	asked := make(chan event.SendModeration, 1)
	sub, err := s.bus.Subscribe(s.t.Context(), event.SubjectSendBan, func(ctx context.Context, send streams.Stored) {
		d.Send, d.Channel = send.Ref.String(), "lounge"
		e, err := event.New(event.SubjectDelivery, d)
		if err == nil {
			_, err = s.bus.Publish(ctx, e)
		}
		if err != nil {
			s.t.Error(err)
		}
		p, _ := event.As[event.SendModeration](send.Envelope)
		asked <- p
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(sub.Stop)
	return asked
}
