package replay

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// durations differ from run to run.
var durations = regexp.MustCompile(` *(at )?\+?\d[\dhm.]*(µs|ms|s|m|h)\b`)

func timeless(s string) string {
	return durations.ReplaceAllString(stamp.ReplaceAllString(s, "TIME"), " ~")
}

func TestRunTree(t *testing.T) {
	t.Parallel()
	ctx := streamstest.Context(t)
	bus := streamstest.Bus(t, streamstest.Server(t))
	talk(ctx, t, bus)
	got := timeless(run(ctx, t, bus, Options{Tree: true, Query: Query{Filter: Filter{User: "alice"}}}))
	want := `TIME  550e8400-e29b-41d4-a716-446655440000  4 events in ~
              cytube.chat  alice  !roll 2d6
 ~  └─ plugin.dice-roller.command  alice  !roll 2d6
 ~     └─ cytube.send.chat  dice-roller  says: 🎲 Rolled 2d6: [3, 5] = 8  [attempt 2]
 ~        └─ cytube.chat  rosey  🎲 Rolled 2d6: [3, 5] = 8

TIME  c-media   cytube.media.change         alice           plays: Cool Video (4m) https://example.org/v
`
	// 4m is a duration of the recording.
	if want = durations.ReplaceAllString(want, " ~"); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// decodedNode is a node of the JSON output.
type decodedNode struct {
	Event    json.RawMessage
	Latency  *float64 `json:"latency_ms"`
	Attempt  int
	Children []decodedNode
}

func TestRunTreeJSON(t *testing.T) {
	t.Parallel()
	ctx := streamstest.Context(t)
	bus := streamstest.Bus(t, streamstest.Server(t))
	events := talk(ctx, t, bus)
	lines := strings.Split(strings.TrimSuffix(run(ctx, t, bus, Options{Tree: true, Style: Style{JSON: true}}), "\n"), "\n")
	if want := len(events) - 3; len(lines) != want {
		t.Errorf("%d conversations, want %d", len(lines), want)
	}
	var c struct {
		ID     string  `json:"correlation_id"`
		Took   float64 `json:"duration_ms"`
		Events int
		Tree   []decodedNode
	}
	if err := json.Unmarshal([]byte(lines[0]), &c); err != nil {
		t.Fatal(err)
	}
	if c.ID != someID || c.Events != 4 || c.Took != ms(events[3].At.Sub(events[0].At)) {
		t.Errorf("the conversation is %+v", c)
	}
	level := c.Tree
	for depth, e := range events[:4] {
		if len(level) != 1 {
			t.Fatalf("%d events at depth %d", len(level), depth)
		}
		n := level[0]
		if got := decodeJSON(t, n.Event); got["stream"] != e.Ref.Stream || got["seq"] != float64(e.Ref.Seq) {
			t.Errorf("at depth %d is %s, want %v", depth, n.Event, e.Ref)
		}
		if depth > 0 && (n.Latency == nil || *n.Latency != ms(e.At.Sub(events[depth-1].At))) {
			t.Errorf("at depth %d the latency is %v", depth, n.Latency)
		}
		if want := map[int]int{2: 2}[depth]; n.Attempt != want {
			t.Errorf("at depth %d the attempt is %d, want %d", depth, n.Attempt, want)
		}
		level = n.Children
	}
}

// Whatever causes events claim, a tree holds each once, and each below its
// cause where that is possible.
func TestTreeHoldsEveryEventOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 12).Draw(t, "n")
		c := &Conversation{ID: "x"}
		for i := range n {
			cause := rapid.IntRange(0, n+1).Draw(t, "cause")
			c.Events = append(c.Events, Event{
				Ref: event.Ref{Stream: "CYTUBE", Seq: uint64(i + 1)}, At: noon.Add(time.Duration(i)), Subject: "plugin.x.event",
				Body: []byte(envelope("plugin.x.event", `{}`, "x", fmt.Sprintf(`{"causation_id":"CYTUBE:%d"}`, cause))),
			})
		}
		seen := map[event.Ref]bool{}
		var visit func(nodes []*Node, parent *Node)
		visit = func(nodes []*Node, parent *Node) {
			for i, at := range nodes {
				if seen[at.Ref] {
					t.Fatalf("%v is there twice", at.Ref)
				}
				seen[at.Ref] = true
				if cause, _ := at.Causation(); parent != nil && cause != parent.Ref {
					t.Fatalf("%v is below %v, its cause is %v", at.Ref, parent.Ref, cause)
				}
				if i > 0 && at.Ref.Seq < nodes[i-1].Ref.Seq {
					t.Fatalf("%v comes after %v", at.Ref, nodes[i-1].Ref)
				}
				visit(at.Children, at)
			}
		}
		roots := c.Tree()
		visit(roots, nil)
		if len(seen) != n {
			t.Fatalf("%d of %d events are in the tree", len(seen), n)
		}
		newPrinter(io.Discard, Style{}).tree(c, roots)
	})
}

// A conversation that falls silent for long is not kept for ever.
func TestConversationsAreLetGo(t *testing.T) {
	t.Parallel()
	g := grouping{open: map[string]*Conversation{}}
	e := Event{Subject: "plugin.x.event", Body: []byte(envelope("plugin.x.event", `{}`, "one", `{}`)), At: noon}
	g.add(e, false)
	e.Body, e.At = []byte(envelope("plugin.x.event", `{}`, "two", `{}`)), noon.Add(idleTimeout+time.Second)
	g.add(e, true)
	if got := g.idle(e.At); got <= idleTimeout {
		t.Fatalf("the first conversation has been silent for %s", got)
	}
	if c := g.pop(); c.ID != "one" || c.matched || g.held != 1 {
		t.Errorf("took %+v, %d events are held", c, g.held)
	}
	if c := g.pop(); c.ID != "two" || !c.matched || g.held != 0 || len(g.open) != 0 {
		t.Errorf("took %+v, %d events are held", c, g.held)
	}
}

func traceText(t *testing.T, bus *streams.Bus, id string, o ConversationOptions) (string, error) {
	var out bytes.Buffer
	err := WriteTrace(streamstest.Context(t), bus.JetStream(), &out, id, o, Style{Zone: time.UTC})
	return out.String(), err
}

func TestTrace(t *testing.T) {
	t.Parallel()
	ctx := streamstest.Context(t)
	bus := streamstest.Bus(t, streamstest.Server(t))
	talk(ctx, t, bus)
	for _, id := range []string{someID, "550e8400", someTrace, "PLUGIN:1", " CYTUBE:3 "} {
		got, err := traceText(t, bus, id, ConversationOptions{})
		if err != nil {
			t.Errorf("%s: %v", id, err)
			continue
		}
		want := `TIME  550e8400-e29b-41d4-a716-446655440000  4 events in ~
              cytube.chat  alice  !roll 2d6
 ~  └─ plugin.dice-roller.command  alice  !roll 2d6
 ~     └─ cytube.send.chat  dice-roller  says: 🎲 Rolled 2d6: [3, 5] = 8  [attempt 2]
 ~        └─ cytube.chat  rosey  🎲 Rolled 2d6: [3, 5] = 8

 ~  route   router makes plugin.dice-roller.command
 ~  send    plugin.dice-roller.command is stored
 ~  plugin  plugin-dice-roller makes cytube.send.chat
 ~  send    cytube.send.chat is stored
 ~  echo    cytube.send.chat is heard as cytube.chat
 ~  total
`
		if got := timeless(got); got != want {
			t.Errorf("%s: got:\n%s\nwant:\n%s", id, got, want)
		}
	}
	if got, err := traceText(t, bus, "CYTUBE:5", ConversationOptions{}); err != nil || !strings.Contains(got, "CYTUBE:5@") || !strings.Contains(got, "malformed") {
		t.Errorf("an event without a correlation ID is traced as %q, %v", got, err)
	}
}

func TestTraceRefuses(t *testing.T) {
	t.Parallel()
	ctx := streamstest.Context(t)
	bus := streamstest.Bus(t, streamstest.Server(t))
	talk(ctx, t, bus)
	putRaw(t, bus.Conn(), "plugin.x.event", envelope("plugin.x.event", `{}`, "550e8400-other", `{}`))
	stored(ctx, t, bus.JetStream(), len(talkLines)+1)
	if _, err := traceText(t, bus, "550e8400", ConversationOptions{}); event.CodeOf(err) != event.InvalidInput || !strings.Contains(err.Error(), someID) || !strings.Contains(err.Error(), "550e8400-other") {
		t.Errorf("of two conversations it says %v", err)
	}
	if _, err := traceText(t, bus, "", ConversationOptions{}); event.CodeOf(err) != event.InvalidInput {
		t.Errorf("without an ID it says %v", err)
	}
	for _, id := range []string{"no-such-conversation", "CYTUBE:999", "NOSTREAM:1"} {
		if _, err := traceText(t, bus, id, ConversationOptions{}); !errors.Is(err, ErrNoMatch) {
			t.Errorf("of %s it says %v", id, err)
		}
	}
}

// With what consumers record, waiting and working are distinguished.
func TestSteps(t *testing.T) {
	t.Parallel()
	at := func(ms int) time.Time { return noon.Add(time.Duration(ms) * time.Millisecond) }
	ev := func(stream string, seq uint64, subject, data, meta string, made, stored int) Event {
		body := fmt.Sprintf(`{"subject":%q,"data":%s,"timestamp":%.3f,"correlation_id":"x","metadata":%s}`, subject, data, float64(at(made).UnixMilli())/1000, meta)
		return Event{Ref: event.Ref{Stream: stream, Seq: seq}, At: at(stored), Subject: subject, Body: []byte(body)}
	}
	c := &Conversation{ID: "x", Events: []Event{
		ev("CYTUBE", 1, "cytube.chat", `{"user":"a","message":"!r","channel":"m","rank":1,"time":1}`, `{}`, 0, 0),
		ev("PLUGIN", 1, "plugin.dice.command", `{"command":"r","user":"a"}`, `{"source":"router","causation_id":"CYTUBE:1","waited":0.001}`, 3, 4),
		ev("CYTUBE", 2, "cytube.send.chat", `{"message":"8"}`, `{"source":"plugin-dice","causation_id":"PLUGIN:1","waited":0.1}`, 110, 114),
		ev("CYTUBE", 3, "cytube.chat", `{"user":"bot","message":"8","channel":"m","rank":1,"time":1}`, `{"source":"cytube","causation_id":"CYTUBE:2"}`, 150, 154),
		ev("PLUGIN", 2, "plugin.dice.event", `{}`, `{"source":"plugin-dice","causation_id":"PLUGIN:1"}`, 200, 120),
	}}
	var got []string
	for _, s := range Steps(c.Tree()) {
		got = append(got, fmt.Sprint(s.Name, " ", s.Took))
	}
	want := "queue 1ms, route 2ms, send 1ms, queue 100ms, plugin 6ms, send 4ms, echo 40ms, total 154ms"
	if strings.Join(got, ", ") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(got, ", "), want)
	}
}

func TestRunSummary(t *testing.T) {
	t.Parallel()
	ctx := streamstest.Context(t)
	bus := streamstest.Bus(t, streamstest.Server(t))
	talk(ctx, t, bus)
	got := timeless(run(ctx, t, bus, Options{Summary: true}))
	for _, want := range []string{
		"14 events from ", "        4         ", "cytube.chat",
		"        1          1          0          0          0  dice-roller",
		"        0          0          3          0          3  trivia",
		"        0          0          0          1          0  quote-db",
		someID + "  alice  !roll 2d6",
		"        1  dead letter\n        1  denied\n        1  expired\n        2  malformed\n        1  refused\n        1  made by a repeated attempt\n",
		"gives up on plugin.trivia.command PLUGIN:7 after 5 attempts: no questions  [dead letter]",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the summary lacks %q:\n%s", want, got)
		}
	}
	var s jsonSummary
	j := run(ctx, t, bus, Options{Summary: true, Style: Style{JSON: true}})
	if err := json.Unmarshal([]byte(strings.ReplaceAll(j, "stored_at", "x")), &struct {
		Events   *int
		Subjects *map[string]*SubjectCount
		Plugins  *map[string]*PluginCount
		Problems *map[string]int
		Repeated *int `json:"repeated_attempts"`
	}{&s.Events, &s.Subjects, &s.Plugins, &s.Problems, &s.Repeated}); err != nil {
		t.Fatal(err)
	}
	if s.Events != 14 || s.Subjects["cytube.chat"].Count != 4 || *s.Plugins["dice-roller"] != (PluginCount{Commands: 1, Sends: 1}) ||
		s.Problems["dead letter"] != 1 || s.Repeated != 1 {
		t.Errorf("the summary is %s", j)
	}
}

func TestSummaryFindsTheSlowest(t *testing.T) {
	t.Parallel()
	c := chains{open: map[string]*Chain{}}
	for i := range 50 {
		c.add(Event{At: noon.Add(time.Duration(i) * time.Hour)}, fmt.Sprint(i))
		c.add(Event{At: noon.Add(time.Duration(i)*time.Hour + time.Duration(i%17)*time.Minute)}, fmt.Sprint(i))
	}
	for len(c.queue) > 0 {
		c.finish()
	}
	if len(c.slowest) != maxSlowest || len(c.open) != 0 {
		t.Fatalf("%d are found, %d are open", len(c.slowest), len(c.open))
	}
	for i, want := range []int{16, 16, 15, 15, 15, 14, 14, 14, 13, 13} {
		if got := c.slowest[i].Took(); got != time.Duration(want)*time.Minute {
			t.Errorf("number %d took %s, want %dm", i, got, want)
		}
	}
}
