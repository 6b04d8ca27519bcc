package replay

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/nats-io/nats.go"
	"pgregory.net/rapid"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// talkLines is a command from chat to echo, and what can go wrong.
var talkLines = []struct{ subject, body string }{
	{"cytube.chat", envelope("cytube.chat", `{"user":"alice","message":"!roll 2d6","channel":"main","rank":2,"time":1732645200000}`, someID, `{"source":"cytube"}`)},
	{"plugin.dice-roller.command", envelope("plugin.dice-roller.command", `{"command":"roll","args":["2d6"],"user":"alice","channel":"main","rank":2,"raw_message":"!roll 2d6"}`, someID, `{"source":"router","causation_id":"CYTUBE:1"}`)},
	{"cytube.send.chat", envelope("cytube.send.chat", `{"message":"\ud83c\udfb2 Rolled 2d6: [3, 5] = 8","channel":"main"}`, someID, `{"source":"plugin-dice-roller","causation_id":"PLUGIN:1","attempt":2}`)},
	{"cytube.chat", envelope("cytube.chat", `{"user":"rosey","message":"\ud83c\udfb2 Rolled 2d6: [3, 5] = 8","channel":"main","rank":3,"time":1732645200100}`, someID, `{"source":"cytube","causation_id":"CYTUBE:2"}`)},
	{"plugin.trivia.event.denied", envelope("plugin.trivia.event.denied", `{"event_type":"denied","success":false,"error":"!trivia needs rank 2, and bob has 0","error_code":"PERMISSION_DENIED","details":{"user":"bob"},"channel":"main"}`, "c-denied", `{"source":"router"}`)},
	{"plugin.trivia.event.dead_letter", envelope("plugin.trivia.event.dead_letter", `{"event_type":"dead_letter","consumer":"plugin-trivia","stream":"PLUGIN","seq":7,"subject":"plugin.trivia.command","error":"no questions","attempts":5}`, "c-dead", `{"source":"plugin-trivia"}`)},
	{"plugin.trivia.event.expired", envelope("plugin.trivia.event.expired", `{"event_type":"expired","consumer":"plugin-trivia","stream":"PLUGIN","seq":8,"subject":"plugin.trivia.command","age":700,"max_age":600}`, "c-late", `{"source":"plugin-trivia"}`)},
	{"cytube.delivery", envelope("cytube.delivery", `{"channel":"main","status":"refused","reason":"muted","send":"CYTUBE:9"}`, "c-refused", `{"source":"cytube"}`)},
	{"cytube.chat", `{"user":"eve"`},
	{"cytube.chat", envelope("cytube.chat", `{"user":"eve","message":"no rank","channel":"main","time":1}`, "c-bad", `{"source":"nats"}`)},
	{"cytube.send.chat", `{"message":"from the NATS CLI"}`},
	{"platform.heartbeat", envelope("platform.heartbeat", `{"timestamp":1732645260,"uptime":3600,"plugins_active":6,"nats_connected":true}`, "c-beat", `{"source":"rosey"}`)},
	{"database.get", envelope("database.get", `{"collection":"quotes","id":42}`, "c-db", `{"source":"plugin-quote-db"}`)},
	{"cytube.media.change", envelope("cytube.media.change", `{"title":"Cool Video","url":"https://example.org/v","type":"yt","duration":240,"channel":"main","queued_by":"alice"}`, "c-media", `{"source":"cytube"}`)},
}

func envelope(subject, data, correlation, metadata string) string {
	return fmt.Sprintf(`{"subject":%q,"data":%s,"timestamp":1732645200.5,"priority":1,"correlation_id":%q,"metadata":%s}`, subject, data, correlation, metadata)
}

// talk stores the conversation, each event after the one before it.
func talk(ctx context.Context, t testing.TB, bus *streams.Bus) []Event {
	t.Helper()
	for i, m := range talkLines {
		putRaw(t, bus.Conn(), m.subject, m.body)
		stored(ctx, t, bus.JetStream(), i+1)
	}
	return history(ctx, t, bus.JetStream())
}

func run(ctx context.Context, t testing.TB, bus *streams.Bus, o Options) string {
	t.Helper()
	var out bytes.Buffer
	o.Zone = time.UTC
	if err := Write(ctx, bus.JetStream(), &out, o); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

var stamp = regexp.MustCompile(`(?m)^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}`)

func TestRunText(t *testing.T) {
	t.Parallel()
	ctx := streamstest.Context(t)
	bus := streamstest.Bus(t, streamstest.Server(t))
	talk(ctx, t, bus)
	got := stamp.ReplaceAllString(run(ctx, t, bus, Options{}), "TIME")
	want := `TIME  550e8400  cytube.chat                 alice           !roll 2d6
TIME  550e8400  plugin.dice-roller.command  alice           !roll 2d6
TIME  550e8400  cytube.send.chat            dice-roller     says: 🎲 Rolled 2d6: [3, 5] = 8  [attempt 2]
TIME  550e8400  cytube.chat                 rosey           🎲 Rolled 2d6: [3, 5] = 8
TIME  c-denied  plugin.trivia.event.denied  bob             !trivia needs rank 2, and bob has 0  [denied]
TIME  c-dead    plugin.trivia.event.dead_letter  plugin-trivia   gives up on plugin.trivia.command PLUGIN:7 after 5 attempts: no questions  [dead letter]
TIME  c-late    plugin.trivia.event.expired  plugin-trivia   plugin.trivia.command PLUGIN:8 was 11m40s old, limit 10m  [expired]
TIME  c-refuse  cytube.delivery             main            CYTUBE:9 is refused muted  [refused]
TIME  CYTUBE:5  cytube.chat                                 {"user":"eve"  [malformed: cytube.chat: the body is not valid JSON: unexpected end of JSON input]
TIME  c-bad     cytube.chat                 eve             no rank  [malformed: cytube.chat: rank is required]
TIME  CYTUBE:7  cytube.send.chat                            says: from the NATS CLI
TIME  c-beat    platform.heartbeat          rosey           up for 1h, 6 plugins
TIME  c-db      database.get                quote-db        {"collection":"quotes","id":42}
TIME  c-media   cytube.media.change         alice           plays: Cool Video (4m) https://example.org/v
`
	if got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestRunColorsByPlugin(t *testing.T) {
	t.Parallel()
	ctx := streamstest.Context(t)
	bus := streamstest.Bus(t, streamstest.Server(t))
	talk(ctx, t, bus)
	plain, colored := run(ctx, t, bus, Options{}), run(ctx, t, bus, Options{Style: Style{Colors: true}})
	if strings.Contains(plain, "\x1b") {
		t.Error("colours without being asked for")
	}
	escapes := regexp.MustCompile(`\x1b\[\d*m`)
	if stripped := escapes.ReplaceAllString(colored, ""); stripped != plain {
		t.Errorf("colours change the text:\n%s", stripped)
	}
	lines := strings.Split(colored, "\n")
	subject := func(i int) string { return escapes.FindAllString(lines[i], -1)[4] }
	if subject(1) != subject(2) {
		t.Errorf("a plugin's command and its answer are painted %q and %q", subject(1), subject(2))
	}
	if subject(5) != "\x1b[31m" {
		t.Errorf("a dead letter is painted %q, want red", subject(5))
	}
}

func TestRunJSON(t *testing.T) {
	t.Parallel()
	ctx := streamstest.Context(t)
	bus := streamstest.Bus(t, streamstest.Server(t))
	events := talk(ctx, t, bus)
	lines := strings.Split(strings.TrimSuffix(run(ctx, t, bus, Options{Style: Style{JSON: true}}), "\n"), "\n")
	if len(lines) != len(events) {
		t.Fatalf("%d lines for %d events", len(lines), len(events))
	}
	for i, line := range lines {
		got, e := decodeJSON(t, []byte(line)), events[i]
		if got["stream"] != e.Ref.Stream || got["seq"] != float64(e.Ref.Seq) || got["subject"] != e.Subject {
			t.Errorf("line %d is of %v:%v %v, want %v %s", i, got["stream"], got["seq"], got["subject"], e.Ref, e.Subject)
		}
		if at, _ := got["stored_at"].(string); len(at) != len("2026-11-24T14:05:06.123456789Z") || !time.Time.Equal(must(time.Parse(time.RFC3339Nano, at)), e.At) {
			t.Errorf("line %d was stored at %v, want %v", i, got["stored_at"], e.At)
		}
	}
	broken := decodeJSON(t, []byte(lines[8]))
	if broken["body"] != `{"user":"eve"` || broken["data"] != nil || !strings.Contains(fmt.Sprint(broken["malformed"]), "not valid JSON") {
		t.Errorf("the malformed body came out as %s", lines[8])
	}
	if bad := decodeJSON(t, []byte(lines[9])); !strings.Contains(fmt.Sprint(bad["malformed"]), "rank is required") || bad["data"].(map[string]any)["user"] != "eve" {
		t.Errorf("the malformed payload came out as %s", lines[9])
	}
	if bare := decodeJSON(t, []byte(lines[10])); bare["data"].(map[string]any)["message"] != "from the NATS CLI" {
		t.Errorf("the bare payload came out as %s", lines[10])
	}
}

// Whatever an envelope holds comes out as it went in, with three fields added.
func TestJSONKeepsEnvelopes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[a-z\n"\\é\x00]{0,8}`)
		in := map[string]any{
			"subject": "plugin.x.event", "data": map[string]any{"k": text.Draw(t, "data"), "n": json.Number("12345678901234567890.5")},
			"timestamp": json.Number("1732645200.25"), "priority": json.Number("2"), "correlation_id": "c" + text.Draw(t, "id"),
			"metadata": map[string]any{"m": text.Draw(t, "meta")}, "x" + text.Draw(t, "name"): text.Draw(t, "extra"),
		}
		body, err := json.MarshalIndent(in, "", rapid.SampledFrom([]string{"", "  "}).Draw(t, "indent"))
		if err != nil {
			t.Fatal(err)
		}
		e := Event{Ref: event.Ref{Stream: "PLUGIN", Seq: 7}, At: noon, Subject: "plugin.x.event", Body: body}
		line, err := e.JSON()
		if err != nil {
			t.Fatal(err)
		}
		if bytes.IndexByte(line, '\n') >= 0 {
			t.Fatalf("two lines: %q", line)
		}
		var out map[string]any
		d := json.NewDecoder(bytes.NewReader(line))
		d.UseNumber()
		if err := d.Decode(&out); err != nil {
			t.Fatal(err)
		}
		in["stream"], in["seq"], in["stored_at"] = "PLUGIN", json.Number("7"), "2026-11-24T10:00:00.000000000Z"
		if want, got := fmt.Sprint(in), fmt.Sprint(out); want != got {
			t.Fatalf("got  %s\nwant %s", got, want)
		}
	})
}

// No chat line can do anything to a terminal but fill one line of it.
func TestTextIsAlwaysOneHarmlessLine(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		body := rapid.SliceOf(rapid.Byte()).Draw(t, "body")
		if rapid.Bool().Draw(t, "valid") {
			body, _ = event.Encode(event.Chat{User: rapid.String().Draw(t, "user"), Message: rapid.String().Draw(t, "message"), Channel: "c"})
		}
		var b bytes.Buffer
		p := newPrinter(&b, Style{TruncatedHint: "(ask for all)"})
		if err := errors.Join(p.event(Event{Subject: "cytube.chat", Body: body, At: noon}), p.w.Flush()); err != nil {
			t.Fatal(err)
		}
		line, found := strings.CutSuffix(b.String(), "\n")
		if !found || strings.ContainsFunc(line, unicode.IsControl) || !utf8.ValidString(line) {
			t.Fatalf("the line is %q", b.String())
		}
	})
}

// A chat line is shown whole, and a payload of many kilobytes fills no screen.
func TestTextIsTruncated(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		length int
		want   string
	}{
		{320, strings.Repeat("é", 320) + "\n"},
		{5000, strings.Repeat("é", 400) + "… (ask for all)\n"},
	} {
		body, err := event.Encode(event.Chat{User: "alice", Message: strings.Repeat("é", c.length), Channel: "c"})
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		p := newPrinter(&b, Style{TruncatedHint: "(ask for all)"})
		if err := errors.Join(p.event(Event{Subject: "cytube.chat", Body: body, At: noon}), p.w.Flush()); err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(b.String(), " "+c.want) {
			t.Errorf("%d characters are shown as %q", c.length, b.String())
		}
	}
}

func TestRunSaysWhenNothingMatches(t *testing.T) {
	t.Parallel()
	ctx := streamstest.Context(t)
	bus := streamstest.Bus(t, streamstest.Server(t))
	err := Write(ctx, bus.JetStream(), io.Discard, Options{})
	if !errors.Is(err, ErrNoMatch) || !strings.Contains(err.Error(), "the streams are empty") {
		t.Errorf("on an empty store it says %v", err)
	}
	talk(ctx, t, bus)
	err = Write(ctx, bus.JetStream(), io.Discard, Options{Query: Query{Filter: Filter{User: "nobody"}}})
	if !errors.Is(err, ErrNoMatch) || !strings.Contains(err.Error(), "user nobody") || !strings.Contains(err.Error(), "14 events") {
		t.Errorf("it says %v", err)
	}
}

// An event that came without a correlation ID is asked for by what is shown of it:
// its place, whose beginning is that of others too.
func TestRunOfAnEvent(t *testing.T) {
	t.Parallel()
	ctx := streamstest.Context(t)
	bus := streamstest.Bus(t, streamstest.Server(t))
	for i := range 12 {
		if _, err := bus.JetStream().Publish(ctx, event.SubjectChat, fmt.Appendf(nil, `{"user":"alice","message":"line %d.","channel":"c"}`, i+1)); err != nil {
			t.Fatal(err)
		}
	}
	own := streamstest.Publish(t, bus, event.SubjectChat, event.Chat{User: "alice", Message: "mine", Channel: "c"})
	for _, c := range []struct{ ask, want string }{
		{"CYTUBE:1", "line 1."},
		{"CYTUBE:12", "line 12."},
		{own.Ref.String(), "mine"},
	} {
		var b strings.Builder
		if err := Write(ctx, bus.JetStream(), &b, Options{Query: Query{Filter: Filter{Correlation: c.ask}}}); err != nil {
			t.Errorf("%s: %v", c.ask, err)
		}
		if strings.Count(b.String(), "\n") != 1 || !strings.Contains(b.String(), c.want) || c.want != "mine" && !strings.Contains(b.String(), "  "+c.ask+" ") {
			t.Errorf("%s shows:\n%s", c.ask, &b)
		}
	}
	err := Write(ctx, bus.JetStream(), io.Discard, Options{Query: Query{Filter: Filter{Correlation: "CYTUBE:99"}}})
	if !errors.Is(err, ErrNoMatch) || !strings.Contains(err.Error(), "does not hold event 99") {
		t.Errorf("an event that is not there: %v", err)
	}
	err = Write(ctx, bus.JetStream(), io.Discard, Options{Query: Query{Filter: Filter{Correlation: "550e"}}})
	if !errors.Is(err, ErrNoMatch) || !strings.Contains(err.Error(), "at least 8 characters") {
		t.Errorf("too short a beginning: %v", err)
	}
}

func TestRunRefusesContradictions(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]Options{
		"tree and summary":  {Tree: true, Summary: true},
		"following a tree":  {Tree: true, Query: Query{Follow: true}},
		"following a count": {Summary: true, Query: Query{Follow: true}},
	} {
		if err := Write(t.Context(), nil, io.Discard, o); event.CodeOf(err) != event.InvalidInput {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A follower's lines are written as they happen, and its end is no error.
func TestRunFollows(t *testing.T) {
	t.Parallel()
	bus := streamstest.Bus(t, streamstest.Server(t))
	ctx, cancel := context.WithCancel(streamstest.Context(t))
	defer cancel()
	out, in := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := Write(ctx, bus.JetStream(), in, Options{Style: Style{JSON: true}, Query: Query{Follow: true}})
		in.Close()
		ended <- err
	}()
	d := json.NewDecoder(out)
	for n := range 5 {
		put(t, bus.Conn(), n, n)
		var got struct{ Subject string }
		if err := d.Decode(&got); err != nil || got.Subject != samples[n].subject {
			t.Fatalf("event %d came out as %q, %v", n, got.Subject, err)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("the end of following is an error: %v", err)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// A plugin with credentials of its own is named, whoever it says that it is.
func TestTextNamesWhoPublished(t *testing.T) {
	t.Parallel()
	forged := Event{Subject: "cytube.send.chat", At: noon, Header: nats.Header{streams.HeaderPublisher: {"dice"}},
		Body: []byte(envelope("cytube.send.chat", `{"message":"hi"}`, "c", `{"source":"operator"}`))}
	var b bytes.Buffer
	p := newPrinter(&b, Style{})
	if err := errors.Join(p.event(forged), p.w.Flush()); err != nil {
		t.Fatal(err)
	}
	if line := b.String(); !strings.Contains(line, "dice") || !strings.Contains(line, "[claims to be operator]") {
		t.Errorf("it is shown as %s", line)
	}
	for plugin, want := range map[string]bool{"dice": true, "operator": false} {
		if got := (Filter{Plugin: plugin}).matcher().match(&forged); got != want {
			t.Errorf("a filter for %s matches: %t", plugin, got)
		}
	}
}
