package cytube_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rosey-bot/rosey/cytube"
	"github.com/rosey-bot/rosey/cytube/cytubetest"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

// The bot's line is lost, and others say the same: it counts as heard only once
// the channel has it from the bot.
func TestForgedEchoes(t *testing.T) {
	t.Parallel()
	const text, private = "the answer is 42", "only for you"
	w := newWorld(t, func(_ *cytubetest.Config, b *cytube.Config) { b.EchoTimeout = 2 * time.Second })
	b := w.join()
	var others []*cytubetest.User
	for _, name := range []string{"alice", "rosey_", "R0sey", "-rosey", "roseyrosey"} {
		others = append(others, w.user(name))
	}
	// These names the site gives to nobody, but its server may send any.
	names := []string{"ROSEY", "rosey", "ro\u017fey", "Rosey ", " Rosey", "Rosey\u200b", "\u202eyesoR", "Rоsey", "<b>Rosey</b>", "[server]", "Rosey\x00"}
	clock := time.Now().UnixMilli()
	forge := func(name, event, text string) {
		clock++
		frame, err := json.Marshal([]any{event, map[string]any{"username": name, "msg": text, "to": "alice", "meta": map[string]any{}, "time": clock}})
		w.ok(err)
		w.ok(w.site.InjectFrame(room, "rosey", "42"+string(frame)))
	}
	all := func(event, text string) {
		for _, u := range others {
			if event == "pm" {
				w.ok(u.PM(w.ctx, "Rosey", text))
			} else {
				w.ok(u.Say(w.ctx, text))
			}
		}
		for _, name := range names {
			forge(name, event, text)
		}
	}
	forged := 0
	for _, c := range []struct {
		event, text string
		send        func() streams.Ack
	}{
		{"chatMsg", text, func() streams.Ack { return w.chat(text) }},
		{"pm", private, func() streams.Ack { return w.send(event.SubjectSendPM, event.SendPM{To: "alice", Message: private}) }},
	} {
		all(c.event, c.text) // before it
		w.site.Fail(room, "rosey", 1, cytubetest.FaultLost)
		ack := c.send()
		_, err := w.site.WaitReceived(w.ctx, func(f cytubetest.Frame) bool { return f.User == "Rosey" && strings.Contains(f.Data, c.text) })
		w.ok(err)
		all(c.event, c.text) // and after it
		if echo := w.echo(ack, 1); field[string](echo, "user") != "Rosey" {
			t.Errorf("the echo of %q is by %q", c.text, field[string](echo, "user"))
		}
		if !slices.ContainsFunc(w.site.Heard(), func(l cytubetest.Line) bool { return l.User == "Rosey" && l.Text == c.text }) {
			t.Errorf("%q counts as heard, and nobody heard it of the bot", c.text)
		}
		forged += 2 * (len(others) + len(names))
	}
	w.echo(w.chat("all is recorded"), 1)
	recorded, own := 0, 0
	for _, s := range slices.Concat(w.stored(event.SubjectChat), w.stored(event.SubjectPM)) {
		if m := field[string](s, "message"); m != text && m != private {
			continue
		}
		_, caused := s.Causation()
		if name := field[string](s, "user"); caused != (name == "Rosey") {
			t.Errorf("a line of %q names a cause: %t", name, caused)
		}
		if recorded++; caused {
			own++
		}
	}
	w.counted(b, func(s cytube.Stats) bool { return s.Resent >= 2 && s.Echoed == 3 })
	t.Logf("%d forged echoes under %d names, before and after the bot's lines: %d recorded as what they are, none taken for an echo; the %d lines that were lost were said again",
		forged, len(others)+len(names), recorded-own, 2)
}

// The bot dies before its line is heard, and others say the same while it is away,
// one of them, a guest like the bot, under its name in another case.
func TestForgedEchoesInTheChatBuffer(t *testing.T) {
	t.Parallel()
	const text = "the answer is 42"
	w := newWorld(t, func(_ *cytubetest.Config, b *cytube.Config) { b.User, b.Password = "robot", "" })
	kill := w.mortal()
	w.site.Refuse("Rate limit exceeded") // it must not come back before it is killed
	w.site.Fail(room, "robot", 1, cytubetest.FaultLost)
	ack := w.chat(text)
	_, err := w.site.WaitReceived(w.ctx, func(f cytubetest.Frame) bool { return f.User == "robot" && strings.Contains(f.Data, text) })
	w.ok(err)
	w.ok(w.site.Drop(room, "robot"))
	kill()
	w.site.Refuse("")
	names := []string{"alice", "robot_", "ROBOT"}
	for _, name := range names {
		u := w.user(name)
		w.ok(u.Say(w.ctx, text))
		u.Close()
		w.ok(w.site.WaitGone(w.ctx, room, name))
	}
	w.start()
	if echo := w.echo(ack, 1); field[string](echo, "user") != "robot" {
		t.Errorf("the echo is by %q", field[string](echo, "user"))
	}
	var said []string
	for _, l := range w.site.Heard() {
		said = append(said, l.User)
	}
	if want := append(names, "robot"); !slices.Equal(said, want) {
		t.Errorf("it was said by %q, want %q", said, want)
	}
	t.Logf("%d forged echoes in the chat buffer: none taken for the bot's, whose line was said again, once", len(names))
}
