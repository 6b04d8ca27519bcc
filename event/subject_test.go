package event_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/rosey-bot/rosey/event"
)

func TestMatch(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern, subject string
		want             bool
	}{
		{"cytube.chat", "cytube.chat", true},
		{"cytube.chat", "cytube.chats", false},
		{"cytube.chat", "cytube", false},
		{"cytube.*", "cytube.chat", true},
		{"cytube.*", "cytube.user.join", false},
		{"cytube.*", "cytube", false},
		{"cytube.*", "cytube.", false},
		{"cytube.>", "cytube.user.join", true},
		{"cytube.>", "cytube.chat", true},
		{"cytube.>", "cytube", false},
		{"cytube.>", "cytubes.chat", false},
		{">", "a", true},
		{"*", "a", true},
		{"*", "", false},
		{">", "", false},
		{"plugin.*.command", "plugin.dice-roller.command", true},
		{"plugin.*.command", "plugin.dice-roller.commands", false},
		{"plugin.*.event.>", "plugin.trivia.event", false},
		{"plugin.*.event.>", "plugin.trivia.event.game.start", true},
		{event.AllSends, event.SubjectSendPM, true},
		{event.AllCytube, event.SubjectUserRank, true},
	} {
		if got := event.Match(c.pattern, c.subject); got != c.want {
			t.Errorf("Match(%q, %q) = %v", c.pattern, c.subject, got)
		}
	}
}

func TestMatchProperty(t *testing.T) {
	t.Parallel()
	token := rapid.SampledFrom([]string{"a", "b", "user", "x-1"})
	rapid.Check(t, func(t *rapid.T) {
		subject := rapid.SliceOfN(token, 1, 5).Draw(t, "subject")
		pattern := rapid.SliceOfN(rapid.OneOf(token, rapid.Just("*")), 1, 5).Draw(t, "pattern")
		if rapid.Bool().Draw(t, "open") {
			pattern = append(pattern, ">")
		}
		want := true
		for i, p := range pattern {
			if p == ">" {
				want = want && len(subject) > i
				break
			}
			want = want && i < len(subject) && (p == "*" || p == subject[i])
		}
		if pattern[len(pattern)-1] != ">" {
			want = want && len(pattern) == len(subject)
		}
		if got := event.Match(strings.Join(pattern, "."), strings.Join(subject, ".")); got != want {
			t.Fatalf("Match(%v, %v) = %v", pattern, subject, got)
		}
	})
}

func TestSubjects(t *testing.T) {
	t.Parallel()
	for _, ex := range examples {
		if err := event.CheckSubject(ex.subject); err != nil {
			t.Error(err)
		}
	}
	for _, bad := range []string{"", ".", "cytube", "cytube.", "cytube.nonsense", "other.chat", "plugin", "plugin.dice", "plugin.dice.nonsense",
		"plugin..command", "plugin.*.command", "cytube.>", "plugin.a b.command", "plugin.a.command.x", "plugin." + strings.Repeat("x", 65) + ".command"} {
		if err := event.CheckSubject(bad); event.CodeOf(err) != event.InvalidInput {
			t.Errorf("%q: got %v", bad, err)
		}
	}
	for subject, want := range map[string]string{"plugin.dice-roller.command": "plugin.{name}.command", "plugin.trivia.event.game_start": "plugin.{name}.event.game_start",
		"cytube.chat": "cytube.chat", "plugin.x": "plugin.x", "pluginx.y.z": "pluginx.y.z"} {
		if got := event.Template(subject); got != want {
			t.Errorf("Template(%q) = %q", subject, got)
		}
	}
	if got := event.RequestSubject("trivia", "question"); got != "plugin.trivia.request.question" {
		t.Error(got)
	}
}

func TestOwned(t *testing.T) {
	t.Parallel()
	for subject, ok := range map[string]bool{
		"plugin.trivia.event": true, "plugin.trivia.event.game_start": true, "cytube.send.chat": true, "cytube.send.emote": true,
		"plugin.other.event": false, "plugin.trivia.command": false, "plugin.trivia.events": false, "cytube.chat": false, "platform.shutdown": false, "database.set": false,
	} {
		err := event.Owned("trivia", subject)
		if (err == nil) != ok || err != nil && event.CodeOf(err) != event.PermissionDenied {
			t.Errorf("%s: got %v", subject, err)
		}
	}
}

// Subjects finds what a search through all patterns finds.
func TestSubjectsFind(t *testing.T) {
	t.Parallel()
	patterns := []string{
		event.SubjectChat, "plugin.*.command", "plugin.*.event.won", "plugin.*.event.>", "plugin.one.event.>", "plugin.*.*.x", "plugin.>", "cytube.*", "cytube.>", "*.a",
	}
	var s event.Subjects[string]
	if _, ok := s.Find("cytube.chat"); ok {
		t.Error("an empty one finds something")
	}
	for _, p := range patterns {
		s.Add(p, p)
	}
	for subject, want := range map[string]string{
		"cytube.chat": "cytube.chat", "cytube.pm": "cytube.*", "cytube.send.chat": "cytube.>", "cytube.a": "cytube.*", "platform.a": "*.a", "platform.b": "", "plugin": "", "": "",
		"plugin.one.command": "plugin.*.command", "plugin.one.event.won": "plugin.*.event.won", "plugin.one.event.lost": "plugin.*.event.>",
		"plugin.one.event": "plugin.>", "plugin.one.request.x": "plugin.*.*.x", "plugin.one": "plugin.>", "plugin.a": "plugin.>",
	} {
		if got, ok := s.Find(subject); got != want || ok != (want != "") {
			t.Errorf("%q: %q, want %q", subject, got, want)
		}
	}
}
