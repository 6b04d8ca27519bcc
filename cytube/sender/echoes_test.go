package sender

import (
	"testing"

	"github.com/rosey-bot/rosey/cytube/channel"
)

// pend makes a text the pending message, written so many times.
func pend(tracker *EchoTracker, text string, writes int) *Message {
	u := &Message{Part: 1, Parts: 1, text: text, echo: normalize(text), changed: make(chan struct{}, 1), writes: writes}
	tracker.pending = u
	return u
}

// botLine is a chat line of the bot's.
func botLine(text string) *channel.Line { return &channel.Line{User: "bot", Text: text} }

// hear claims and records a chat line of the bot's.
func hear(tracker *EchoTracker, text string) *Message {
	l := botLine(text)
	m := tracker.Claim(l, false)
	if m != nil {
		tracker.Recorded(m, l)
	}
	return m
}

// Which message a line of the bot's is the echo of.
func TestClaims(t *testing.T) {
	t.Parallel()
	t.Run("word for word", func(t *testing.T) {
		tracker := newEchoTracker(channel.FloodLimit{})
		if u := pend(tracker, "a  b", 1); hear(tracker, " a b") != u || u.state != confirmed {
			t.Error("not claimed")
		}
	})
	t.Run("altered by a filter", func(t *testing.T) {
		tracker := newEchoTracker(channel.FloodLimit{})
		if u := pend(tracker, "*a*", 1); hear(tracker, "a") != u {
			t.Error("not claimed")
		}
	})
	t.Run("nothing said", func(t *testing.T) {
		if hear(newEchoTracker(channel.FloodLimit{}), "a") != nil {
			t.Error("claimed")
		}
	})
	t.Run("of another kind", func(t *testing.T) {
		tracker := newEchoTracker(channel.FloodLimit{})
		if pend(tracker, "a", 1); tracker.Claim(&channel.Line{PM: true, To: "x", Text: "a"}, false) != nil {
			t.Error("claimed")
		}
	})
	t.Run("echo of a repeat", func(t *testing.T) {
		tracker := newEchoTracker(channel.FloodLimit{})
		first := pend(tracker, "*a*", 2)
		hear(tracker, "a")
		tracker.done(first)
		second := pend(tracker, "*b*", 1)
		if u := hear(tracker, "a"); u == nil || u == second || u.Send != first.Send || second.state != waiting {
			t.Error("the repeat's echo was taken for the next message's")
		}
		if hear(tracker, "b") != second || hear(tracker, "a") != nil {
			t.Error("the next message's echo was not found, or a repeat too many")
		}
	})
	t.Run("echo after giving up", func(t *testing.T) {
		tracker := newEchoTracker(channel.FloodLimit{})
		first := pend(tracker, "*a*", 3)
		tracker.done(first)
		for range 3 {
			if hear(tracker, "a") == nil {
				t.Error("the late echo was not found")
			}
		}
		if hear(tracker, "a") != nil {
			t.Error("one too many")
		}
	})
}

// Which message a line of the chat buffer is the echo of.
func TestClaimsWhileJoining(t *testing.T) {
	t.Parallel()
	t.Run("over a reconnect", func(t *testing.T) {
		tracker := newEchoTracker(channel.FloodLimit{})
		u := pend(tracker, "a", 1)
		tracker.Close()
		if tracker.Claim(botLine("a"), false) != nil {
			t.Error("a line from nowhere was claimed")
		}
		if tracker.Claim(botLine("a"), true) != u {
			t.Error("the line in the chat buffer was not claimed")
		}
		tracker.Recorded(u, botLine("a"))
		if tracker.Open(nil); u.state != confirmed {
			t.Errorf("state %d", u.state)
		}
	})
	t.Run("lost over a reconnect", func(t *testing.T) {
		tracker := newEchoTracker(channel.FloodLimit{})
		u := pend(tracker, "a", 1)
		tracker.Close()
		if tracker.Open(nil); u.state != lost {
			t.Errorf("state %d", u.state)
		}
	})
	t.Run("what a process before was speaking", func(t *testing.T) {
		tracker := newEchoTracker(channel.FloodLimit{})
		parts := []*Message{{Part: 1, echo: "a"}, {Part: 2, echo: "*b*"}, {Part: 3, echo: "c"}}
		tracker.inherit(parts[1:], true)
		if u := tracker.Claim(botLine("c"), true); u == nil || u.Part != 3 {
			t.Errorf("word for word: %+v", u)
		}
		if u := tracker.Claim(botLine("b"), true); u == nil || u.Part != 2 {
			t.Errorf("altered: %+v", u)
		}
		if tracker.Claim(botLine("d"), true) != nil {
			t.Error("a part too many")
		}
	})
}
