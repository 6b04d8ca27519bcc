package eightball

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins/plugintest"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

func TestMain(m *testing.M) { streamstest.Main(m) }

// The toy's die has ten sides that say yes, five that say maybe and five that
// say no, all different.
func TestAnswers(t *testing.T) {
	t.Parallel()
	count := map[Tone]int{}
	var texts []string
	for _, a := range Answers {
		count[a.Tone]++
		texts = append(texts, a.Text)
	}
	if count[Yes] != 10 || count[Maybe] != 5 || count[No] != 5 {
		t.Errorf("tones %v", count)
	}
	slices.Sort(texts)
	if len(slices.Compact(texts)) != len(Answers) {
		t.Error("an answer is there twice")
	}
}

func TestAsk(t *testing.T) {
	t.Parallel()
	channel := plugintest.Run(t, New())
	for _, line := range []string{"!8ball will it rain?", "!eightball   will it\tsnow?", "!8BALL \"is this quoted?\""} {
		got, ok := strings.CutPrefix(channel.Say("alice", line), "🎱 alice: ")
		if !ok || !slices.ContainsFunc(Answers[:], func(a Answer) bool { return a.Text == got }) {
			t.Errorf("%s was answered %q", line, got)
		}
	}
	for _, line := range []string{"!8ball", `!8ball ""`, "!8ball   "} {
		if got := channel.Say("alice", line); !strings.HasPrefix(got, "❌ ask me something") {
			t.Errorf("%s was answered %q", line, got)
		}
	}
	before := channel.Said()
	channel.Repeat("8ball")
	if after := channel.Said(); !slices.Equal(before, after) {
		t.Errorf("handled again, it said %q after %q", after, before)
	}
}

// Different questions do not all get one answer.
func TestAnswersDiffer(t *testing.T) {
	t.Parallel()
	channel := plugintest.Run(t, New())
	seen := map[string]bool{}
	for range 40 {
		seen[channel.Say("alice", "!8ball again?")] = true
	}
	// That 40 shakes show three answers or fewer has a chance below 1e-29.
	if len(seen) < 4 {
		t.Errorf("40 questions got the answers %v", seen)
	}
}

func TestRequest(t *testing.T) {
	t.Parallel()
	channel := plugintest.Run(t, New())
	body, err := channel.Request("plugin.8ball.request", map[string]any{"question": "will it rain?"})
	var reply struct {
		Success      bool
		Answer, Tone string
	}
	if err != nil || json.Unmarshal(body, &reply) != nil || !reply.Success || !slices.Contains(Answers[:], Answer{Tone(reply.Tone), reply.Answer}) {
		t.Errorf("reply %s, %v", body, err)
	}
	for _, payload := range []map[string]any{{}, {"question": " "}, {"question": 7}} {
		if _, err := channel.Request("plugin.8ball.request", payload); event.CodeOf(err) != event.InvalidInput {
			t.Errorf("%v: %v, want INVALID_INPUT", payload, err)
		}
	}
}

// How it speaks is a setting.
func TestTexts(t *testing.T) {
	t.Parallel()
	channel := plugintest.Run(t, New())
	channel.Set("8ball", "answer", `{{if eq .tone "yes"}}👍{{else}}🤷{{end}} {{.user}} fragt {{.question}}`)
	if got := channel.Say("alice", "!8ball {{.answer}} %s?"); !strings.HasSuffix(got, " alice fragt {{.answer}} %s?") {
		t.Errorf("said %q", got)
	}
	channel.Set("8ball", "usage", "Frag mich etwas: {{.prefix}}8ball")
	if got := channel.Say("alice", "!8ball"); got != "❌ Frag mich etwas: !8ball" {
		t.Errorf("said %q", got)
	}
}
