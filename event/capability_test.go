package event_test

import (
	"strings"
	"testing"

	"github.com/rosey-bot/rosey/event"
)

// Every ability of the contract is a capability, in plain words.
func TestEveryAbilityIsACapability(t *testing.T) {
	t.Parallel()
	known := map[string]bool{}
	for _, ability := range event.Abilities() {
		known["cytube.send."+ability] = true
	}
	for _, subject := range event.LiteralSubjects() {
		if said, ok := strings.CutPrefix(subject, "cytube.send."); ok && strings.Contains(said, ".") {
			if !known[subject] || event.Describe(said) == said {
				t.Errorf("%s is no capability", said)
			}
			delete(known, subject)
		}
	}
	for subject := range known {
		t.Errorf("%s is in no contract", subject)
	}
}

// Capabilities are read in the words of operators, and kept in one.
func TestParseCapability(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"chat": "chat", " pm ": "pm", "emote": "chat", "playlist.add": "media.queue", "playlist.*": "media.*", "playlist.skip": "media.skip", "playlist": "media.*",
		"moderation": "moderation.*", "moderation.kick": "moderation.kick", "read:chat": "read:cytube.chat", "read:pm": "read:cytube.pm",
		"read:plugin.trivia.event.>": "read:plugin.trivia.event.>", "storage": "storage", "storage:quotes:read": "storage:quotes:read", "request:*": "request:*",
		"fly": "", "moderation.fly": "", "storage:a b": "", "read:": "", "request:a.b": "", "": "", "*": "", "moderation.**": "",
	} {
		got, err := event.ParseCapability(text)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q is %q, %v; want %q", text, got, err, want)
		}
		if want != "" && event.Describe(got) == got {
			t.Errorf("%q is not described", got)
		}
	}
}

// What is asked of channels is known by the capabilities, however they are written.
func TestSendsOfCapabilities(t *testing.T) {
	t.Parallel()
	got := strings.Join(event.Capabilities{"chat", "playlist.skip", "poll", "storage:quotes", "no such"}.Sends(), " ")
	if want := "cytube.send.media.skip cytube.send.poll.close cytube.send.poll.open cytube.send.poll.vote"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
