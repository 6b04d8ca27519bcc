package cytube

import "testing"

func say(v *voice, text string, writes int) *utterance {
	u := &utterance{part: 1, parts: 1, text: text, echo: normal(text), notices: make(chan struct{}, 1), writes: writes}
	v.pending = u
	return u
}

// Which message a line of the bot's is the echo of.
func TestClaims(t *testing.T) {
	t.Parallel()
	heardLine := func(text string) *line { return &line{user: "bot", text: text} }
	hear := func(v *voice, text string) *utterance {
		l := heardLine(text)
		u := v.claim(l, false)
		if u != nil {
			v.recorded(u, l)
		}
		return u
	}
	t.Run("word for word", func(t *testing.T) {
		v := newVoice(flood{})
		if u := say(v, "a  b", 1); hear(v, " a b") != u || u.state != heard {
			t.Error("not claimed")
		}
	})
	t.Run("altered by a filter", func(t *testing.T) {
		v := newVoice(flood{})
		if u := say(v, "*a*", 1); hear(v, "a") != u {
			t.Error("not claimed")
		}
	})
	t.Run("nothing said", func(t *testing.T) {
		if hear(newVoice(flood{}), "a") != nil {
			t.Error("claimed")
		}
	})
	t.Run("of another kind", func(t *testing.T) {
		v := newVoice(flood{})
		if say(v, "a", 1); v.claim(&line{pm: true, to: "x", text: "a"}, false) != nil {
			t.Error("claimed")
		}
	})
	t.Run("echo of a repeat", func(t *testing.T) {
		v := newVoice(flood{})
		first := say(v, "*a*", 2)
		hear(v, "a")
		v.done(first)
		second := say(v, "*b*", 1)
		if u := hear(v, "a"); u == nil || u == second || u.send != first.send || second.state != waiting {
			t.Error("the repeat's echo was taken for the next message's")
		}
		if hear(v, "b") != second || hear(v, "a") != nil {
			t.Error("the next message's echo was not found, or a repeat too many")
		}
	})
	t.Run("echo after giving up", func(t *testing.T) {
		v := newVoice(flood{})
		first := say(v, "*a*", 3)
		v.done(first)
		for range 3 {
			if hear(v, "a") == nil {
				t.Error("the late echo was not found")
			}
		}
		if hear(v, "a") != nil {
			t.Error("one too many")
		}
	})
	t.Run("over a reconnect", func(t *testing.T) {
		v := newVoice(flood{})
		u := say(v, "a", 1)
		v.close()
		if v.claim(heardLine("a"), false) != nil {
			t.Error("a line from nowhere was claimed")
		}
		if v.claim(heardLine("a"), true) != u {
			t.Error("the line in the chat buffer was not claimed")
		}
		v.recorded(u, heardLine("a"))
		if v.open(nil); u.state != heard {
			t.Errorf("state %d", u.state)
		}
	})
	t.Run("lost over a reconnect", func(t *testing.T) {
		v := newVoice(flood{})
		u := say(v, "a", 1)
		v.close()
		if v.open(nil); u.state != lost {
			t.Errorf("state %d", u.state)
		}
	})
	t.Run("what a dead process said", func(t *testing.T) {
		v := newVoice(flood{})
		parts := []*utterance{{part: 1, echo: "a"}, {part: 2, echo: "*b*"}, {part: 3, echo: "c"}}
		v.adopt(parts, map[int]bool{1: true})
		if u := v.claim(heardLine("c"), true); u == nil || u.part != 3 {
			t.Errorf("word for word: %+v", u)
		}
		if u := v.claim(heardLine("b"), true); u == nil || u.part != 2 {
			t.Errorf("altered: %+v", u)
		}
		if v.claim(heardLine("d"), true) != nil {
			t.Error("a part too many")
		}
	})
}
