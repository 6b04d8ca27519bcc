package plugins

import (
	"slices"
	"testing"

	"github.com/rosey-bot/rosey/streams/streamstest"
)

func TestMain(m *testing.M) { streamstest.Main(m) }

// JetStream refuses filters that overlap, and a plugin must not be given its
// timers before their time.
func TestSubjects(t *testing.T) {
	t.Parallel()
	p := Plugin{Name: "x", Events: []Subscription{
		{Subject: "plugin.x.event.tick"}, {Subject: "plugin.*.event.>"}, {Subject: "cytube.chat"}, {Subject: "cytube.*"}, {Subject: "cytube.chat"}, {Subject: "plugin.*"},
	}}
	found, err := p.SubjectsByStream()
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(found["PLUGIN"])
	for stream, want := range map[string][]string{
		"CYTUBE":         {"cytube.>"},
		"PLUGIN":         {"plugin.*.command", "plugin.*.event", "plugin.*.event.>"},
		"PLUGIN_REQUEST": {"plugin.*.request", "plugin.*.request.>"},
	} {
		if !slices.Equal(found[stream], want) {
			t.Errorf("of %s it reads %v, want %v", stream, found[stream], want)
		}
		delete(found, stream)
	}
	if len(found) != 0 {
		t.Errorf("it also reads %v", found)
	}
}

func TestMatches(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern, subject string
		want             bool
	}{
		{"cytube.*", "cytube.user.join", true}, {"cytube.chat", "cytube.chat", true}, {"cytube.chat", "cytube.pm", false},
		{"plugin.trivia.event.>", "plugin.trivia.event.answer", true}, {"plugin.trivia.event", "plugin.trivia.event.answer", false}, {"nowhere.x", "nowhere.x", false},
	} {
		if got := matches(c.pattern, c.subject); got != c.want {
			t.Errorf("matches(%q, %q) = %v", c.pattern, c.subject, got)
		}
	}
}
