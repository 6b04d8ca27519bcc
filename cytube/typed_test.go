package cytube_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rosey-bot/rosey/cytube/cytubetest"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

// typed are texts that the filters of a new channel change.
var typed = []string{"!quote add use `x`, ~~not~~ y", "the_cat_sat and the_dog_sat", "[sp]*x*[/sp] _see http://x.example/a_b_c?d=*e*&f now_", "/me waves *twice*"}

// What people type is recorded as they typed it, with the HTML that the channel showed.
func TestLinesAreRecordedAsTyped(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice := w.user("alice")
	w.join()
	for _, text := range typed {
		w.ok(alice.Say(w.ctx, text))
	}
	w.ok(alice.PM(w.ctx, w.cfg.User, "*private*"))
	pm := w.await("the private message", func(s streams.Stored) bool { return s.Subject == event.SubjectPM })
	want := append(append([]string{}, typed[:3]...), "waves *twice*", "*private*")
	var got, html []string
	for _, s := range append(w.stored(event.SubjectChat), pm) {
		got, html = append(got, field[string](s, "message")), append(html, field[string](s, "html"))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if want := "<strong>private</strong>"; html[4] != want {
		t.Errorf("it was shown as %q, want %q", html[4], want)
	}
}

// A line of the chat buffer that an earlier release recorded, as it was shown and without
// its HTML, is not recorded again.
func TestLinesOfEarlierReleasesAreRecordedOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice := w.user("alice")
	w.ok(alice.Say(w.ctx, "*x*"))
	line, err := w.site.WaitHeard(w.ctx, func(l cytubetest.Line) bool { return l.Text == "*x*" })
	w.ok(err)
	w.send(event.SubjectChat, event.Chat{User: "alice", Message: "x", Channel: w.cfg.Channel, Time: line.Time.UnixMilli()})
	w.ok(alice.Say(w.ctx, "*y*"))
	w.join()
	if diff := cmp.Diff([]string{"x", "*y* m"}, w.lines()); diff != "" {
		t.Error(diff)
	}
}
