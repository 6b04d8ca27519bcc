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
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// forger lets others in the channel say what the bot says.
type forger struct {
	w      *world
	others []*cytubetest.User
	names  []string // of lines that the server sends, but no user of the site can have
	clock  int64    // of these lines, in ms
}

func (w *world) forger() *forger {
	f := &forger{w: w, clock: time.Now().UnixMilli(), names: []string{
		"ROSEY", "rosey", "ro\u017fey", "Rosey ", " Rosey", "Rosey\u200b", "\u202eyesoR", "Rоsey", "<b>Rosey</b>", "[server]", "Rosey\x00",
	}}
	for _, name := range []string{"alice", "rosey_", "R0sey", "-rosey", "roseyrosey"} {
		f.others = append(f.others, w.user(name))
	}
	return f
}

// say says a text under every name, in chat or, with the frame pm, in private.
func (f *forger) say(frame, text string) {
	f.w.t.Helper()
	for _, u := range f.others {
		if frame == "pm" {
			f.w.ok(u.PM(f.w.ctx, "Rosey", text))
		} else {
			f.w.ok(u.Say(f.w.ctx, text))
		}
	}
	for _, name := range f.names {
		f.clock++
		line, err := json.Marshal([]any{frame, map[string]any{"username": name, "msg": text, "to": "alice", "meta": map[string]any{}, "time": f.clock}})
		f.w.ok(err)
		f.w.ok(f.w.site.InjectFrame(lounge, "rosey", "42"+string(line)))
	}
}

// The bot's line is lost, and others say the same: it is confirmed only once the channel
// has it from the bot.
func TestForgedEchoes(t *testing.T) {
	streamstest.Slow(t, "waits for echo timeouts")
	t.Parallel()
	const text, private = "the answer is 42", "only for you"
	w := newWorld(t, func(_ *cytubetest.Config, b *cytube.Config) { b.EchoTimeout = 2 * time.Second })
	b := w.join()
	forger := w.forger()
	for _, c := range []struct {
		frame, text string
		send        func() streams.Ack
	}{
		{"chatMsg", text, func() streams.Ack { return w.chat(text) }},
		{"pm", private, func() streams.Ack { return w.send(event.SubjectSendPM, event.SendPM{To: "alice", Message: private}) }},
	} {
		forger.say(c.frame, c.text) // before it
		w.site.Fail(lounge, "rosey", 1, cytubetest.FaultLost)
		ack := c.send()
		_, err := w.site.WaitReceived(w.ctx, func(f cytubetest.Frame) bool { return f.User == "Rosey" && strings.Contains(f.Data, c.text) })
		w.ok(err)
		forger.say(c.frame, c.text) // and after it
		if echo := w.echo(ack, 1); field[string](echo, "user") != "Rosey" {
			t.Errorf("the echo of %q is by %q", c.text, field[string](echo, "user"))
		}
		if !slices.ContainsFunc(w.site.Heard(), func(l cytubetest.Line) bool { return l.User == "Rosey" && l.Text == c.text }) {
			t.Errorf("%q counts as heard, and nobody heard it of the bot", c.text)
		}
	}
	w.echo(w.chat("all is recorded"), 1)
	for _, s := range slices.Concat(w.stored(event.SubjectChat), w.stored(event.SubjectPM)) {
		if m := field[string](s, "message"); m != text && m != private {
			continue
		}
		_, caused := s.Causation()
		if name := field[string](s, "user"); caused != (name == "Rosey") {
			t.Errorf("a line of %q names a cause: %t", name, caused)
		}
	}
	w.counted(b, func(s cytube.Stats) bool { return s.Resent >= 2 && s.Echoed == 3 })
}

// The bot dies before its line is heard, and others say the same while it is away,
// one of them, a guest like the bot, under its name in another case.
func TestForgedEchoesInTheChatBuffer(t *testing.T) {
	streamstest.Slow(t, "kills bots")
	t.Parallel()
	const text = "the answer is 42"
	w := newWorld(t, func(_ *cytubetest.Config, b *cytube.Config) { b.User, b.Password = "robot", "" })
	kill := w.mortal()
	w.site.Refuse("Rate limit exceeded") // it must not come back before it is killed
	w.site.Fail(lounge, "robot", 1, cytubetest.FaultLost)
	ack := w.chat(text)
	_, err := w.site.WaitReceived(w.ctx, func(f cytubetest.Frame) bool { return f.User == "robot" && strings.Contains(f.Data, text) })
	w.ok(err)
	w.ok(w.site.Drop(lounge, "robot"))
	kill()
	w.site.Refuse("")
	names := []string{"alice", "robot_", "ROBOT"}
	for _, name := range names {
		u := w.user(name)
		w.ok(u.Say(w.ctx, text))
		u.Close()
		w.ok(w.site.WaitGone(w.ctx, lounge, name))
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
}
