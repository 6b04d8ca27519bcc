package sender

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rosey-bot/rosey/cytube/channel"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

func TestMain(m *testing.M) { streamstest.Main(m) }

// Which parts of a send are recorded as heard.
func TestHeard(t *testing.T) {
	t.Parallel()
	ctx := streamstest.Context(t)
	bus := streamstest.Bus(t, streamstest.Server(t))
	publish := func(subject string, payload any, meta map[string]any) event.Ref {
		e, err := event.New(subject, payload)
		if err != nil {
			t.Fatal(err)
		}
		e.Metadata = meta
		ack, err := bus.Publish(ctx, e)
		if err != nil {
			t.Fatal(err)
		}
		return ack.Ref
	}
	line := func(channel, user, text string, meta map[string]any) {
		publish(event.SubjectChat, event.Chat{User: user, Message: text, Channel: channel, Time: 1}, meta)
	}
	line("testchan", "bot", "one", nil) // before the send
	send := publish(event.SubjectSendChat, event.SendChat{Message: "one two two four"}, nil)
	causedBy := func(ref event.Ref) map[string]any { return map[string]any{event.MetaCausation: ref.String()} }
	part := func(n int) map[string]any {
		meta := causedBy(send)
		meta[event.MetaPart] = n
		return meta
	}
	s := New(bus, Config{Channel: "testchan"})
	var parts []*Message
	for i, text := range []string{"one", "two", "two", "four"} {
		parts = append(parts, &Message{Part: i + 1, Parts: 4, echo: text})
	}
	check := func(want map[int]bool) {
		t.Helper()
		o, err := s.history.Outcomes(ctx, send.Seq, "bot")
		if err != nil {
			t.Fatal(err)
		}
		got := heard(o, send, parts)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got) %s", diff)
		}
	}
	check(map[int]bool{})
	line("testchan", "alice", "two", nil)
	line("testchan", "BOT", "two", nil) // a guest's, who came while the bot was away
	line("testchan", "bot", "one", causedBy(event.Ref{Stream: streams.Cytube, Seq: 99999}))
	line("elsewhere", "bot", "one", nil)
	check(map[int]bool{})
	line("testchan", "bot", "two", nil)
	check(map[int]bool{2: true})
	line("testchan", "bot", " two ", nil)
	check(map[int]bool{2: true, 3: true})
	line("testchan", "bot", "fore", part(4))
	check(map[int]bool{2: true, 3: true, 4: true})
	line("testchan", "bot", "eins", causedBy(send))
	check(map[int]bool{1: true, 2: true, 3: true, 4: true})
}

// silentWriter takes frames and answers none.
type silentWriter struct{}

func (silentWriter) Emit(context.Context, string, ...any) error { return nil }

// onMissed calls do each time an echo times out.
type onMissed struct {
	ignore
	do func()
}

func (m onMissed) EchoMissed(context.Context, string) { m.do() }

// An echo that comes in the instant in which the sender stops waiting for it is the
// message's echo all the same.
func TestEchoAtTheLastInstant(t *testing.T) {
	t.Parallel()
	for _, writes := range []int{1, maxWrites, maxWrites + 1} {
		m := &Message{Part: 1, Parts: 1, text: "a", echo: "a", changed: make(chan struct{}, 1)}
		var s *Sender
		missed := 0
		echo := func() {
			if missed++; missed != writes {
				return
			}
			l := &channel.Line{User: "bot", Text: "a"}
			if s.Echoes.Claim(l, false) != m {
				t.Error("the echo is not the message's")
			}
			time.AfterFunc(10*time.Millisecond, func() { s.Echoes.Recorded(m, l) }) // while the sender waits for that
		}
		cfg := Config{EchoTimeout: time.Millisecond, MaxAge: time.Hour, Observer: onMissed{do: echo}}.WithDefaults()
		s = &Sender{Echoes: newEchoTracker(channel.FloodLimit{}), cfg: cfg}
		s.Echoes.Open(silentWriter{})
		want := ""
		if writes > maxWrites {
			want = event.DeliveryUnconfirmed
		}
		got, err := s.speak(t.Context(), m, time.Now().Add(s.cfg.MaxAge))
		if got == nil {
			got = &failure{}
		}
		if got.status != want || err != nil {
			t.Errorf("with the echo after %d writes: %+v, %v; want %q", writes, got, err, want)
		}
	}
}

// FuzzAnswer gives the tracker whatever a server might send: it never panics.
func FuzzAnswer(f *testing.F) {
	for _, name := range []string{"cooldown", "spamFiltered", "noflood", "kick", "errorMsg"} {
		f.Add(name, []byte(`{"msg":"x","reason":"y","action":"chat"}`))
		f.Add(name, []byte("500"))
	}
	f.Fuzz(func(_ *testing.T, name string, arg []byte) {
		tracker := newEchoTracker(channel.FloodLimit{})
		pend(tracker, "a", 1)
		tracker.Answer(channel.Frame{Name: name, Args: []json.RawMessage{arg}})
	})
}
