package cytube_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rosey-bot/rosey/cytube"
	"github.com/rosey-bot/rosey/cytube/sender"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

// A private answer to a user who left, or whom the act itself kicked, is refused, which the
// outcome reports to its sender. The act stands, the answer is said nowhere else, and the bot
// goes on.
func TestS41PrivateAnswerToNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(t, owned)
	w.join()
	w.joined("alice")
	kick := w.send(event.SubjectSendKick, event.SendModeration{User: "alice", Reason: "spam"})
	told := w.privateAnswer(event.SubjectChat, "alice", "alice", "your secret answer")
	if d := w.delivery(kick); d.Status != event.DeliveryDone {
		t.Errorf("the act: %+v", d)
	}
	if d := w.delivery(told); d.Status != event.DeliveryRefused || !strings.Contains(d.Reason, "isn't connected") || d.Subject != event.SubjectSendPM {
		t.Errorf("the answer: %+v", d)
	}
	w.chat("still here")
	w.heard("still here")
	if said := w.said(lounge); len(said) != 1 {
		t.Errorf("said in public: %q", said)
	}
}

// privateAnswer stores a private message to a user because of a command that another typed: in
// chat, or privately.
func (w *world) privateAnswer(typed, by, to, text string) streams.Ack {
	w.t.Helper()
	var line any = event.Chat{User: by, Message: "!warn", Channel: lounge, Rank: 2}
	if typed == event.SubjectPM {
		line = event.PM{User: by, To: "Rosey", Message: "!warn", Channel: lounge, Rank: 2}
	}
	cause := w.send(typed, line)
	for _, e := range []struct {
		subject string
		payload any
	}{
		{event.CommandSubject("moderation"), event.Command{Command: "warn", User: by, Channel: lounge, Rank: 2, Private: typed == event.SubjectPM}},
		{event.SubjectSendPM, event.SendPM{To: to, Message: text, Channel: lounge}},
	} {
		caused, err := event.New(e.subject, e.payload)
		w.ok(err)
		caused.CorrelationID = w.correlation(cause)
		cause, err = w.bus.Publish(w.ctx, caused.WithMeta(event.MetaCausation, cause.Ref.String()))
		w.ok(err)
	}
	return cause
}

// Reports about private messages are in the words of the channel, reasons too, and left out
// where these are empty.
func TestUndeliveredIsToldInWords(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.join(func(c *cytube.Config) {
		c.UndeliveredPM = sender.UndeliveredChat
		c.Words = func(_ context.Context, channel string, p event.Phrase) string {
			switch {
			case p.Text == "reason":
				return "weg"
			case p.Values["own"] == true && p.Values["user"] == "Alice":
				return ""
			}
			return fmt.Sprint(channel, ": ", p.Values["user"], " ", p.Values["to"], " ", p.Values["reason"])
		}
	})
	w.joined("mod")
	for _, by := range []string{"Alice", "mod", "gone"} {
		w.delivery(w.privateAnswer(event.SubjectChat, by, "alice", "secret"))
	}
	w.heard("lounge: gone gone weg") // as the notice to gone did not arrive either
	if diff := cmp.Diff([]string{"lounge: mod alice weg", "lounge: gone gone weg"}, w.said(lounge)); diff != "" {
		t.Error(diff)
	}
}

// The failure of a private message is reported to the user who asked for it: of one to another
// user privately, of one to themselves in the channel, where they asked there and a setting has it.
// Neither says what the message was.
func TestS41UndeliveredIsTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.join(func(c *cytube.Config) { c.UndeliveredPM = sender.UndeliveredChat })
	w.joined("mod")
	const reason = "PM failed: alice isn't connected to this channel."
	for _, asked := range []struct{ typed, by string }{
		{event.SubjectChat, "mod"}, {event.SubjectPM, "Mod"}, {event.SubjectPM, "alice"}, {event.SubjectChat, "Alice"}, {event.SubjectChat, "gone"},
	} {
		send := w.privateAnswer(asked.typed, asked.by, "alice", "secret")
		if d := w.delivery(send); d.Status != event.DeliveryRefused || d.Reason != reason {
			t.Errorf("%+v: %+v", asked, d)
		}
	}
	w.heard("gone: a private message of mine did not reach you.") // the one that should have told
	want := []string{
		"⚠️ My private message to alice was not delivered: " + reason,
		"⚠️ My private message to alice was not delivered: " + reason,
		"Alice: a private message of mine did not reach you.",
		"gone: a private message of mine did not reach you.",
	}
	if diff := cmp.Diff(want, w.said(lounge)); diff != "" {
		t.Error(diff)
	}
	told := slices.DeleteFunc(w.stored(event.SubjectPM), func(s streams.Stored) bool { return field[string](s, "user") != "Rosey" })
	for _, s := range told {
		if !strings.EqualFold(field[string](s, "to"), "mod") {
			t.Errorf("told %s", s.Data)
		}
	}
	if len(told) != 2 {
		t.Errorf("told privately %d times", len(told))
	}
}

// Private messages to a user who is away wait, where the setting says so, and come once each, in
// order, when the user is back; what is too old by then is refused.
func TestS41UndeliveredWaits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.join(func(c *cytube.Config) { c.UndeliveredPM = sender.UndeliveredWait })
	waits := w.logged("private message waits for its receiver")
	sends := []streams.Ack{w.privateAnswer(event.SubjectPM, "alice", "alice", "one"), w.privateAnswer(event.SubjectPM, "alice", "Alice", "two")}
	waits()
	w.echo(w.chat("nobody waits behind them"), 1)
	w.joined("alice")
	for i, send := range append(sends, w.privateAnswer(event.SubjectPM, "alice", "alice", "three")) {
		if text := field[string](w.echo(send, 1), "message"); text != []string{"one", "two", "three"}[i] {
			t.Errorf("message %d was %q", i, text)
		}
	}
	if got := w.stored(event.SubjectDelivery); len(got) > 0 {
		t.Errorf("given up: %s", got[0].Data)
	}
	w.ok(b.stop())
	w.join(func(c *cytube.Config) { c.UndeliveredPM, c.MaxAge = sender.UndeliveredWait, time.Second })
	if d := w.delivery(w.privateAnswer(event.SubjectPM, "mod", "mod", "never")); d.Status != event.DeliveryRefused && d.Status != event.DeliveryExpired {
		t.Errorf("the wait ended with %+v", d)
	}
}

// A user who ignores the bot cannot be told from one who reads: the server takes the message and
// tells nobody, so that it is heard, once, and nothing waits for the user.
func TestPrivateMessageToWhoIgnoresTheBot(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.join(func(c *cytube.Config) { c.UndeliveredPM = sender.UndeliveredWait })
	w.joined("alice") // who does not look
	w.echo(w.send(event.SubjectSendPM, event.SendPM{To: "alice", Message: "your turn", Channel: lounge}), 1)
	w.echo(w.chat("meanwhile"), 1)
	if heard, given := len(w.stored(event.SubjectPM)), len(w.stored(event.SubjectDelivery)); heard != 1 || given != 0 {
		t.Errorf("heard %d times, %d deliveries", heard, given)
	}
}

// Private answers beyond the site's limit wait, and are delivered once each, in order.
func TestS41PrivateAnswersUnderTheLimit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.join()
	w.joined("alice")
	var sends []streams.Ack
	for i := range 25 { // the site takes 20 at once
		sends = append(sends, w.send(event.SubjectSendPM, event.SendPM{To: "alice", Message: fmt.Sprintf("answer %d", i), Channel: lounge}))
	}
	for i, send := range sends {
		if text := field[string](w.echo(send, 1), "message"); text != fmt.Sprintf("answer %d", i) {
			t.Errorf("answer %d was %q", i, text)
		}
	}
	if n := len(w.stored(event.SubjectPM)); n != len(sends) {
		t.Errorf("%d private messages", n)
	}
}
