package cytube

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// Which parts of a send are recorded as said.
func TestSpoken(t *testing.T) {
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
	line := func(user, text string, meta map[string]any) {
		publish(event.SubjectChat, event.Chat{User: user, Message: text, Channel: "testchan", Time: 1}, meta)
	}
	line("bot", "one", nil) // before the send
	ref := publish(event.SubjectSendChat, event.SendChat{Message: "one two two four"}, nil)
	cause := func(part any) map[string]any {
		m := map[string]any{event.MetaCausation: ref.String()}
		if part != nil {
			m[event.MetaPart] = part
		}
		return m
	}
	h := &history{js: bus.JetStream(), channel: "testchan"}
	var parts []*utterance
	for i, text := range []string{"one", "two", "two", "four"} {
		parts = append(parts, &utterance{part: i + 1, parts: 4, echo: text})
	}
	check := func(want ...int) {
		t.Helper()
		got, err := h.spoken(ctx, ref, parts, "bot")
		if err != nil {
			t.Fatal(err)
		}
		heard := map[int]bool{}
		for _, n := range want {
			heard[n] = true
		}
		if diff := cmp.Diff(heard, got); diff != "" {
			t.Errorf("(-want +got) %s", diff)
		}
	}
	check()
	line("alice", "two", nil)
	line("BOT", "two", nil) // a guest's, who came while the bot was away
	line("bot", "one", map[string]any{event.MetaCausation: "CYTUBE:99999"})
	publish(event.SubjectChat, event.Chat{User: "bot", Message: "one", Channel: "elsewhere", Time: 1}, nil)
	check()
	line("bot", "two", nil)
	check(2)
	line("bot", " two ", nil)
	check(2, 3)
	line("bot", "fore", cause(4))
	check(2, 3, 4)
	line("bot", "eins", cause(nil))
	check(1, 2, 3, 4)
}

// Reading goes on from batch to batch, and stops at the end it was given.
func TestEach(t *testing.T) {
	t.Parallel()
	ctx := streamstest.Context(t)
	bus := streamstest.Bus(t, streamstest.Server(t))
	const n = 2*batchSize + 10
	for i := range n {
		e, err := event.New(event.SubjectUserLeave, event.UserLeave{User: fmt.Sprint(i), Channel: "testchan"})
		if err != nil {
			t.Fatal(err)
		}
		body, err := e.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := bus.JetStream().PublishAsync(e.Subject, body); err != nil {
			t.Fatal(err)
		}
	}
	<-bus.JetStream().PublishAsyncComplete()
	h := &history{js: bus.JetStream(), channel: "testchan"}
	for _, test := range []struct {
		subject        string
		from, to, want uint64
	}{
		{event.SubjectUserLeave, 0, n, n},
		{event.SubjectUserLeave, 1, n + 100, n},
		{event.SubjectUserLeave, 3, batchSize + 2, batchSize},
		{event.SubjectUserLeave, 5, 4, 0},
		{event.SubjectUserLeave, n + 1, n + 5, 0},
		{event.SubjectChat, 1, n, 0},
	} {
		var got uint64
		err := h.each(ctx, test.subject, test.from, test.to, func(streams.Stored) bool { got++; return true })
		if err != nil || got != test.want {
			t.Errorf("%+v: %d events, %v", test, got, err)
		}
	}
	stopped := 0
	if err := h.each(ctx, event.SubjectUserLeave, 1, n, func(streams.Stored) bool { stopped++; return stopped < 7 }); err != nil || stopped != 7 {
		t.Errorf("read %d events, %v", stopped, err)
	}
}

// What a retried dead letter has stored again counts once.
func TestHistoryPassesOverRetries(t *testing.T) {
	t.Parallel()
	ctx := streamstest.Context(t)
	bus := streamstest.Bus(t, streamstest.Server(t))
	publish := func(subject string, payload any, meta map[string]any) {
		t.Helper()
		e, err := event.New(subject, payload)
		if err != nil {
			t.Fatal(err)
		}
		e.Metadata = meta
		if _, err := bus.Publish(ctx, e); err != nil {
			t.Fatal(err)
		}
	}
	retry := map[string]any{event.MetaRetryFor: "router"}
	chat := event.Chat{User: "alice", Message: "!roll", Channel: "testchan", Time: 1}
	first := event.MediaChange{Title: "First", URL: "https://example.org/1", Type: "yt", Channel: "testchan"}
	second := event.MediaChange{Title: "Second", URL: "https://example.org/2", Type: "yt", Channel: "testchan"}
	publish(event.SubjectChat, chat, nil)
	publish(event.SubjectMediaChange, first, nil)
	publish(event.SubjectMediaChange, second, nil)
	publish(event.SubjectChat, chat, retry)
	publish(event.SubjectMediaChange, first, retry)
	h := &history{js: bus.JetStream(), channel: "testchan"}
	lines, err := h.lines(ctx, 0)
	if diff := cmp.Diff(map[lineKey]int{{user: "alice", text: "!roll", time: 1}: 1}, lines, cmp.AllowUnexported(lineKey{})); err != nil || diff != "" {
		t.Errorf("%v, (-want +got) %s", err, diff)
	}
	if key, err := h.playing(ctx); err != nil || key != playingKey(second.Type, second.URL) {
		t.Errorf("%q plays, %v", key, err)
	}
}
