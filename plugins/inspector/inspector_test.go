package inspector

import (
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/plugins/diceroller"
	"github.com/rosey-bot/rosey/plugins/plugintest"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

func TestMain(m *testing.M) { streamstest.Main(m) }

// Everything is answered by private message, errors too.
func TestAnswersByPM(t *testing.T) {
	t.Parallel()
	channel := plugintest.Run(t, New())
	seen := 0
	for _, step := range []struct{ line, answer string }{
		{"!inspect", "🔎"}, {"!inspect rates", "🔎"}, {"!inspect RATES 2h", "🔎"}, {"!inspect recent", "🔎"},
		{"!inspect plugins", "🔎"}, {"!inspect dead", "🔎 nothing in the last day"},
		{"!inspect bananas", "❌ I do not know inspect bananas: there are rates, recent, plugins and dead"},
		{"!inspect rates bananas", "❌ bananas is no time to look at: write 1m to 1d"},
		{"!inspect rates 1s", "❌ 1s is no time to look at"},
		{"!inspect rates 2d", "❌ 2d is no time to look at"},
		{"!inspect recent 11", "❌ I show 1 to 10 events"},
		{"!inspect recent 0", "❌ I show 1 to 10 events"},
		{"!inspect recent bad/name", "❌ bad/name is neither a subject nor a plugin's name"},
		{"!inspect recent nosuch.subject", "❌ no stream holds"},
	} {
		channel.Type("mod", 2, step.line)
		channel.Next()
		channel.Settle(Name)
		answers := channel.Stored(event.AllSends)[seen:]
		seen += len(answers)
		for _, s := range answers {
			pm, err := event.As[event.SendPM](s.Envelope)
			if s.Subject != event.SubjectSendPM || err != nil || pm.To != "mod" || !strings.HasPrefix(pm.Message, step.answer) {
				t.Errorf("%s was answered with %s %s", step.line, s.Subject, s.Data)
			}
		}
		for range len(answers) - 1 {
			channel.Next()
		}
	}
	channel.Type("alice", 1, "!inspect")
	denied := channel.Emitted("plugin.inspector.event.denied")
	if !strings.Contains(string(denied.Data), `"error_code":"PERMISSION_DENIED"`) {
		t.Errorf("a user of rank 1: %s", denied.Data)
	}
}

// busy returns the channel of a bot in which plugins are up, paused, down or have
// never run, and events were stored.
func busy(t *testing.T) *plugintest.Channel {
	t.Helper()
	lost := plugins.Plugin{Name: "lost", Version: "0.1.0", Commands: []plugins.Command{{Name: "lose", Handle: func(*plugins.Context) ([]event.Envelope, error) {
		return nil, errors.New("where am I?")
	}}}}
	channel := plugintest.Run(t, New(), diceroller.New(), lost)
	kv, err := router.OpenBucket(t.Context(), channel.Bus.JetStream(), 1)
	if err != nil {
		t.Fatal(err)
	}
	js := channel.Bus.JetStream()
	for _, name := range []string{"absent", "gone"} {
		if _, err := router.Register(t.Context(), kv, router.Registration{Name: name, Version: "2.0.0"}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := js.CreateConsumer(t.Context(), streams.Plugin, jetstream.ConsumerConfig{
		Durable: streams.Durable("gone"), FilterSubject: event.CommandSubject("gone"), AckPolicy: jetstream.AckExplicitPolicy,
	}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		channel.Publish(event.CommandSubject("gone"), event.Command{Command: "x", User: "alice"})
	}
	if _, err := js.PauseConsumer(t.Context(), streams.Plugin, streams.Durable("dice-roller"), time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	channel.Type("alice", 1, "!roll 2d6")
	channel.Type("alice", 1, "hello there")
	channel.Publish(event.SubjectPM, event.PM{User: "bob", To: "rosey", Message: "a secret", Channel: plugintest.ChannelName, Time: 1})
	channel.Type("alice", 1, "!lose")
	channel.Emitted("plugin.lost.event.dead_letter")
	if _, err := js.Publish(t.Context(), "plugin.lost.event.odd", []byte("not JSON")); err != nil {
		t.Fatal(err)
	}
	return channel
}

func TestViews(t *testing.T) {
	t.Parallel()
	channel := busy(t)
	for _, step := range []struct {
		line string
		want []string // patterns, one a line
	}{
		{"!inspect recent 3 cytube.chat", []string{
			`^🔎 \d\d:\d\d:\d\d CYTUBE:\d+ cytube\.chat alice: hello there$`,
			`cytube\.chat alice: !lose$`,
			`cytube\.chat mod: !inspect recent 3 cytube\.chat$`,
		}},
		{"!inspect plugins", []string{
			`^🔎 absent 2\.0\.0 never ran; dice-roller 1\.0\.0 paused, 1 waiting; gone 2\.0\.0 DOWN, 2 waiting; inspector 1\.0\.0 up$`,
			`^🔎 lost 0\.1\.0 up; router up$`,
		}},
		{"!inspect recent 1 cytube.pm", []string{`cytube\.pm \(private\)$`}},
		{"!inspect recent 2 lost", []string{`plugin\.lost\.event\.dead_letter plugin-lost: where am I\?$`, `plugin\.lost\.event\.odd \(malformed: `}},
		{"!inspect dead", []string{`plugin\.lost\.event\.dead_letter plugin-lost: where am I\?$`}},
		{"!inspect recent 5 nobody", []string{`^🔎 nothing in the last day$`}},
		{"!inspect rates 1h", []string{`^🔎 last 1h: \d+ events, 0\.\d a minute: cytube\.chat \d+, .*plugin\.\{name\}\.command \d+, .*cytube\.pm 1, .*plugin\.\{name\}\.event\.dead_letter 1`}},
		{"!inspect", []string{
			`^🔎 \d+ events in the last minute, \d+ in the last hour\. CYTUBE \d+ in [\d.]+ kB, TIMER 0 in 0 B, PLUGIN \d+ in [\d.]+ kB, PLUGIN_REQUEST 0 in 0 B, PLATFORM 0 in 0 B, DATABASE \d+ in`,
			`^🔎 absent 2\.0\.0 never ran; .*; router up$`,
		}},
	} {
		channel.Type("mod", 2, step.line)
		for i, pattern := range step.want {
			if got := channel.Next(); !regexp.MustCompile(pattern).MatchString(got) {
				t.Errorf("%s: line %d\n got %q\nwant %s", step.line, i+1, got, pattern)
			}
		}
		channel.Settle(Name)
	}
}
