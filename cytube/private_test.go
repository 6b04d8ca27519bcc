package cytube_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

// A private answer to who left, or was thrown out by the act that it tells of, is refused,
// which its sender is told by the outcome. The act stands, the answer is said nowhere else,
// and the bot goes on.
func TestS41PrivateAnswerToNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(t, owned)
	w.join()
	w.joined("alice")
	kick := w.send(event.SubjectSendKick, event.SendModeration{User: "alice", Reason: "spam"})
	told := w.send(event.SubjectSendPM, event.SendPM{To: "alice", Message: "your secret answer", Channel: lounge})
	if d := w.delivery(kick); d.Status != event.DeliveryDone {
		t.Errorf("the act: %+v", d)
	}
	if d := w.delivery(told); d.Status != event.DeliveryRefused || !strings.Contains(d.Reason, "isn't connected") || d.Subject != event.SubjectSendPM {
		t.Errorf("the answer: %+v", d)
	}
	w.chat("still here")
	w.heard("still here")
	for _, l := range w.site.Heard() {
		if strings.Contains(l.Text, "secret") {
			t.Errorf("said in public: %+v", l)
		}
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
