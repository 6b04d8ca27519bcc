package cmd

import (
	"strings"
	"testing"

	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams/embedded"
	"github.com/rosey-bot/rosey/streams/streamstest"
	"github.com/rosey-bot/rosey/telemetry/oteltest"
)

// What is exported, counted or shown of a user is what has the name in a field that the
// contract, or the registration of the plugin whose event it is, marks as a person.
func TestUserIsFoundByMarks(t *testing.T) {
	streamstest.Slow(t, "runs several processes")
	t.Parallel()
	store := markedStore(t)
	endpoint := ""
	for _, variable := range oteltest.Start(t).Environ("http/protobuf") {
		if name, value, _ := strings.Cut(variable, "="); name == "OTEL_EXPORTER_OTLP_ENDPOINT" {
			endpoint = value
		}
	}
	for _, c := range []struct {
		args       string
		want, none string // on stdout; lists
	}{
		{"replay --output json", "chat-hers,kick-of-her,pm-to-her,won-by-her", "chat-about-her,said-of-her"},
		{"replay --summary", "4 events from", "said-of-her"},
		{"replay --tree", "chat-hers,won-by-her", "said-of-her"},
		{"replay --export-otlp " + endpoint, "of 4 traces", ""},
		{"audit --output csv --private", "chat-hers,kick-of-her,pm-to-her", "chat-about-her,won-by-her"},
		{"audit --output html", "chat-hers,kick-of-her", "chat-about-her,pm-to-her"},
		{"audit --output json", "chat-hers,kick-of-her", "chat-about-her,pm-to-her"},
		{"audit", "chat-hers,kick-of-her", "chat-about-her,pm-to-her"},
		{"audit forget --dry-run", "would erase 4 event(s) of zoe; 2 other event(s) still name the person", ""},
	} {
		args := append(strings.Fields(c.args), "--user", "zoe", "--since", "20y", "--store", store)
		r := rosey(t, "", args...)
		for _, want := range strings.Split(c.want, ",") {
			if r.code != 0 || !strings.Contains(r.stdout, want) {
				t.Errorf("rosey %s: no %s in %+v", c.args, want, r)
			}
		}
		for _, none := range strings.Split(c.none, ",") {
			if none != "" && strings.Contains(r.stdout, none) {
				t.Errorf("rosey %s: %s in %s", c.args, none, r.stdout)
			}
		}
	}
}

// markedStore makes a store with events that name zoe, in fields with marks and without.
func markedStore(t *testing.T) (store string) {
	t.Helper()
	store = t.TempDir()
	server, err := embedded.Start(embedded.Config{Store: store, Holder: "a test"})
	if err != nil {
		t.Fatal(err)
	}
	bus := streamstest.Bus(t, server)
	kv, err := router.OpenBucket(t.Context(), bus.JetStream(), 1)
	if err == nil {
		_, err = router.Register(t.Context(), kv, router.Registration{Name: "quiz", Version: "1.0.0", Emits: map[string][]event.Field{
			"won": {{Name: "winner", Mark: event.MarkPerson}, {Name: "said", Mark: event.MarkText}, {Name: "note"}},
		}})
	}
	if err != nil {
		t.Fatal(err)
	}
	won := event.EventSubject("quiz", "won")
	for _, e := range []struct {
		subject string
		payload any
	}{
		{event.SubjectChat, event.Chat{User: "Zoe", Message: "chat-hers", Channel: "lounge", Time: 1}},
		{event.SubjectChat, event.Chat{User: "bob", Message: "chat-about-her zoe", Channel: "lounge", Time: 2}},
		{event.ModerationSubject(event.ActionKick), event.Moderation{User: "zoe", By: "mod", Reason: "kick-of-her", Channel: "lounge", Time: 3}},
		{event.SubjectPM, event.PM{User: "bob", To: "zoe", Message: "pm-to-her", Channel: "lounge", Time: 4}},
		{won, map[string]any{"event_type": "won", "winner": "zoe", "note": "won-by-her"}},
		{won, map[string]any{"event_type": "won", "winner": "bob", "said": "zoe", "note": "said-of-her"}},
	} {
		streamstest.Publish(t, bus, e.subject, e.payload)
	}
	bus.Conn().Close()
	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	return store
}
