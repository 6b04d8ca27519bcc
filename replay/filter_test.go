package replay

import (
	"regexp"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"pgregory.net/rapid"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/telemetry/propagation"
)

const (
	someID    = "550e8400-e29b-41d4-a716-446655440000"
	someTrace = "550e8400e29b41d4a716446655440000"
)

func TestFilter(t *testing.T) {
	t.Parallel()
	chat := Event{Subject: "cytube.chat", Body: []byte(`{"subject":"cytube.chat","data":{"user":"Alice","message":"caf\u00e9 ![x] line","channel":"Main","rank":2,"time":1},"correlation_id":"` + someID + `","metadata":{"source":"cytube"}}`)}
	pm := Event{Subject: "cytube.send.pm", Body: []byte(`{"to":"alice","message":"psst"}`), Header: nats.Header{propagation.HeaderCorrelation: {someID}}}
	send := Event{Subject: "cytube.send.chat", Body: []byte(`{"subject":"cytube.send.chat","data":{"message":"8"},"metadata":{"source":"plugin-dice"}}`),
		Header: nats.Header{"traceparent": {"00-" + someTrace + "-00f067aa0ba902b7-01"}}}
	denied := Event{Subject: "plugin.dice.event.denied", Body: []byte(`{"event_type":"denied","success":false,"error":"no","error_code":"PERMISSION_DENIED","details":{"user":"alice"},"channel":"main"}`)}
	media := Event{Subject: "cytube.media.change", Body: []byte(`{"title":"A","queued_by":"ALICE","channel":"main"}`)}
	broken := Event{Subject: "cytube.chat", Body: []byte(`{"user":"alice","channel":"main"`), Header: nats.Header{propagation.HeaderCorrelation: {someID}}}
	named := Event{Subject: "platform.heartbeat", Body: []byte(`{"subject":"platform.heartbeat","data":{},"correlation_id":"game-7"}`)}
	escaped := Event{Subject: "cytube.chat", Body: []byte(`{"subject":"cytube.chat","data":{"\u0075ser":"\u0061lice","channel":"main"},"correlation_id":"x"}`)}
	long := Event{Subject: "platform.shutdown", Body: []byte(`{"subject":"platform.shutdown","data":{},"correlation_id":"` + strings.Repeat("x", event.MaxCorrelationID+1) + `"}`),
		Header: nats.Header{propagation.HeaderCorrelation: {someID}}}
	found := Event{Subject: event.SubjectState, Body: []byte(`{"subject":"cytube.state","data":{"part":"filters","value":[],"channel":"other"}}`)}
	all := map[string]Event{"found": found, "chat": chat, "pm": pm, "send": send, "denied": denied, "media": media, "broken": broken, "named": named, "escaped": escaped, "long": long}
	for name, c := range map[string]struct {
		f    Filter
		want []string
	}{
		"everything":              {Filter{}, []string{"found", "chat", "pm", "send", "denied", "media", "broken", "named", "escaped", "long"}},
		"part":                    {Filter{Part: "filters", Channel: "other"}, []string{"found"}},
		"another part":            {Filter{Part: "emotes", Channel: "other"}, nil},
		"user":                    {Filter{User: "alice"}, []string{"chat", "pm", "denied", "media", "escaped"}},
		"channel":                 {Filter{Channel: "main"}, []string{"chat", "denied", "media", "escaped"}},
		"user and channel":        {Filter{User: "alice", Channel: "MAIN"}, []string{"chat", "denied", "media", "escaped"}},
		"plugin":                  {Filter{Plugin: "dice"}, []string{"send", "denied"}},
		"correlation":             {Filter{Correlation: someID}, []string{"chat", "pm", "send", "broken", "long"}},
		"correlation's beginning": {Filter{Correlation: "550e8400"}, []string{"chat", "pm", "send", "broken", "long"}},
		"beginning in capitals":   {Filter{Correlation: "550E8400-E29B"}, []string{"chat", "pm", "send", "broken", "long"}},
		"too short a beginning":   {Filter{Correlation: "550e"}, nil},
		"trace ID":                {Filter{Correlation: someTrace}, []string{"chat", "pm", "send", "broken", "long"}},
		"trace ID of another":     {Filter{Correlation: hexOf(propagation.TraceID("game-7"))}, []string{"named"}},
		"correlation of no UUID":  {Filter{Correlation: "game-7"}, []string{"named"}},
		"text":                    {Filter{Grep: regexp.MustCompile(`^café .*line$`)}, []string{"chat"}},
		"text of the malformed":   {Filter{Grep: regexp.MustCompile(`alice`)}, []string{"pm", "denied", "broken", "escaped"}},
		"names are no text":       {Filter{Grep: regexp.MustCompile(`queued_by`)}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := map[string]bool{}
			for _, n := range c.want {
				want[n] = true
			}
			m := c.f.matcher()
			for n, e := range all {
				if got := m.match(&e); got != want[n] {
					t.Errorf("%s: matches %v, want %v", n, got, want[n])
				}
			}
		})
	}
}

func hexOf(id [16]byte) string {
	const digits = "0123456789abcdef"
	var s []byte
	for _, b := range id {
		s = append(s, digits[b>>4], digits[b&15])
	}
	return string(s)
}

// However patterns overlap, what a stream is asked for leaves out nothing that was
// wanted.
func TestPlansCoverWhatIsWanted(t *testing.T) {
	t.Parallel()
	token := rapid.SampledFrom([]string{"cytube", "plugin", "platform", "chat", "user", "join", "dice", "command", "event", "request", "denied", "*", "*", ">"})
	rapid.Check(t, func(t *rapid.T) {
		f := Filter{}
		for range rapid.IntRange(1, 4).Draw(t, "patterns") {
			p := rapid.SampledFrom([]string{"cytube", "plugin", "platform", "database", "*", ">"}).Draw(t, "namespace")
			for p[len(p)-1] != '>' && rapid.IntRange(0, 2).Draw(t, "more") > 0 {
				p += "." + token.Draw(t, "token")
			}
			f.Subjects = append(f.Subjects, p)
		}
		plans, err := f.plans()
		if err != nil {
			t.Skip("no stream holds one of the patterns")
		}
		asked := map[string]plan{}
		for _, p := range plans {
			asked[p.stream] = p
		}
		m := f.matcher()
		for _, subject := range append([]string{"plugin.dice.command", "plugin.dice.event", "plugin.dice.event.denied", "plugin.chat.event.user.join",
			"plugin.dice.request", "plugin.dice.request.user"}, knownSubjects...) {
			spec, _ := streams.For(subject)
			p, ok := asked[spec.Name]
			delivered := ok && p.selects(subject)
			if delivered && len(p.filters()) > 0 && !server.SubjectsCollide(p.filters()[0], subject) {
				t.Fatalf("%v asks %s for %v, which leaves out %s", f.Subjects, p.stream, p.filters(), subject)
			}
			if want := m.subject(subject); delivered != want {
				t.Fatalf("%v with plans %+v delivers %s: %v, want %v", f.Subjects, plans, subject, delivered, want)
			}
		}
	})
}
