package plugins_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rosey-bot/rosey/consumers"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/plugins/plugintest"
	"github.com/rosey-bot/rosey/streams"
)

// plugin is a plugin named x with one command x.
func plugin(h plugins.Handler) plugins.Plugin {
	return plugins.Plugin{Name: "x", Version: "1.0.0", Commands: []plugins.Command{{Name: "x", Handle: h}}}
}

func hello(c *plugins.Context) ([]event.Envelope, error) { return c.Say("hello"), nil }

func deadLetter(t *testing.T, room *plugintest.Room) event.DeadLetter {
	t.Helper()
	s := room.Await("a dead letter", func(s streams.Stored) bool { return s.Subject == "plugin.x.event.dead_letter" })
	l, err := event.As[event.DeadLetter](s.Envelope)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// A plugin whose start fails, with an error or a panic, is started again; the
// commands that came meanwhile wait for it.
func TestStartIsTriedAgain(t *testing.T) {
	t.Parallel()
	p := plugin(hello)
	failed, mend := make(chan struct{}), make(chan struct{})
	var attempts atomic.Int64
	p.Start = func(c *plugins.Context) error {
		switch attempts.Add(1) {
		case 1: // as it was when the room opened
			return nil
		case 2:
			close(failed)
			<-mend
			panic("not yet")
		}
		return nil
	}
	room := plugintest.Run(t, p)
	if err := plugins.Restart(room.Bus.Conn(), "x"); err != nil {
		t.Fatal(err)
	}
	<-failed
	room.Type("alice", 1, "!x")
	close(mend)
	if got := room.Next(); got != "hello" || attempts.Load() != 3 {
		t.Errorf("it said %q after %d starts, want hello after 3", got, attempts.Load())
	}
}

// A plugin that has never run is registered before it starts, so that its first
// commands wait for it.
func TestCommandsWaitForTheFirstStart(t *testing.T) {
	t.Parallel()
	room := plugintest.Run(t)
	var starts atomic.Int64
	p := plugin(hello)
	p.Start = func(c *plugins.Context) error {
		if starts.Add(1) == 1 {
			// The router learns of the registration by watching it, so the
			// command is put where it would put it.
			room.Publish(event.CommandSubject("x"), event.Command{Command: "x", User: "alice", Channel: plugintest.Channel})
			if all, err := c.Streams().Plugins(c); err != nil || len(all) != 1 {
				t.Errorf("registered before the start: %v, %v", all, err)
			}
			return errors.New("not yet")
		}
		return nil
	}
	host(t, room, p, nil)
	if got := room.Next(); got != "hello" || starts.Load() != 2 {
		t.Errorf("it said %q after %d starts", got, starts.Load())
	}
}

// host runs a plugin in a host of its own, as another process would.
func host(t *testing.T, room *plugintest.Room, p plugins.Plugin, observe func(consumers.Outcome)) {
	t.Helper()
	kv, err := consumers.OpenBucket(t.Context(), room.Bus.JetStream(), 1)
	if err != nil {
		t.Fatal(err)
	}
	h := plugins.Host{Bus: room.Bus, Bucket: kv, Logger: slog.New(slog.DiscardHandler), Observe: observe}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- h.Run(ctx, p) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// A handler that fails or panics is tried again and at last given up on; the
// commands behind are handled all the same.
func TestFailuresAreRetriedAndThenDead(t *testing.T) {
	t.Parallel()
	var attempts atomic.Int64
	room := plugintest.Run(t, plugin(func(c *plugins.Context) ([]event.Envelope, error) {
		switch len(c.Command.Args) {
		case 0:
			return c.Say("fine"), nil
		case 1:
			attempts.Add(1)
			panic("on purpose")
		}
		if attempts.Add(1) == 5 {
			return c.Say("mended"), nil
		}
		return nil, errors.New("broken")
	}))
	room.Type("alice", 1, "!x panic")
	l := deadLetter(t, room)
	if l.Attempts != 3 || attempts.Load() != 3 || !strings.Contains(l.Error, "on purpose") || !strings.Contains(l.Stack, "plugins_test.go") || l.Subject != "plugin.x.command" {
		t.Errorf("after %d attempts: %+v", attempts.Load(), l)
	}
	if got := room.Say("alice", "!x"); got != "fine" {
		t.Error(got)
	}
	if got := room.Say("alice", "!x fails once"); got != "mended" {
		t.Error(got)
	}
}

func TestRestart(t *testing.T) {
	t.Parallel()
	started := make(chan string, 4)
	p := plugin(hello)
	p.Start = func(c *plugins.Context) error { started <- c.Event.Ref.String(); return nil }
	room := plugintest.Run(t, p)
	<-started
	room.Restart("x")
	<-started
	if got := room.Say("alice", "!x"); got != "hello" {
		t.Error(got)
	}
}

// A plugin that publishes what is not its own, or what breaks the contract, is
// told the rule, at once and for good.
func TestContractIsEnforced(t *testing.T) {
	t.Parallel()
	foreign := func(subject string, payload any) event.Envelope {
		e, err := event.New(subject, payload)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	chat := foreign(event.SubjectChat, event.Chat{User: "alice", Message: "hi", Channel: "test"})
	other := foreign("plugin.y.event.lie", map[string]any{})
	for name, c := range map[string]struct {
		handle plugins.Handler
		code   event.Code
		says   string
	}{
		"returns a chat line": {func(c *plugins.Context) ([]event.Envelope, error) { return []event.Envelope{chat}, nil },
			event.PermissionDenied, "plugin x may publish plugin.x.event, plugin.x.event.{type} and cytube.send.*, not cytube.chat"},
		"publishes another's event": {func(c *plugins.Context) ([]event.Envelope, error) { return nil, c.Publish(other) },
			event.PermissionDenied, "not plugin.y.event.lie"},
		"publishes and goes on": {func(c *plugins.Context) ([]event.Envelope, error) { _ = c.Publish(other); return c.Say("hello"), nil },
			event.PermissionDenied, "not plugin.y.event.lie"},
		"says nothing": {func(c *plugins.Context) ([]event.Envelope, error) { return c.Say(""), nil },
			event.InvalidInput, "cytube.send.chat: message must not be empty"},
		"answers with nothing": {func(c *plugins.Context) ([]event.Envelope, error) { return nil, event.Errorf(event.InvalidInput, "") },
			"", ""},
		"emits no subject": {func(c *plugins.Context) ([]event.Envelope, error) { return c.Emit("not a token", nil), nil },
			event.InvalidInput, "each part must be"},
		"returns no payload": {func(c *plugins.Context) ([]event.Envelope, error) {
			return []event.Envelope{{Subject: event.SubjectSendChat, Data: json.RawMessage(`{}`)}}, nil
		}, event.InvalidInput, "cytube.send.chat: message is required"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			room := plugintest.Run(t, plugin(c.handle))
			room.Type("alice", 1, "!x")
			if c.code == "" {
				if got := room.Next(); got != "❌ " {
					t.Errorf("said %q", got)
				}
				return
			}
			l := deadLetter(t, room)
			if l.Code != c.code || l.Attempts != 1 || !strings.Contains(l.Error, c.says) {
				t.Errorf("%s after %d attempts: %s; want %s that says %q", l.Code, l.Attempts, l.Error, c.code, c.says)
			}
			if said := room.Said(); len(said) != 0 {
				t.Errorf("it said %q", said)
			}
		})
	}
}

// Errors that are an answer are told to the user and not tried again.
func TestErrorsThatAreAnswers(t *testing.T) {
	t.Parallel()
	var attempts atomic.Int64
	room := plugintest.Run(t, plugin(func(c *plugins.Context) ([]event.Envelope, error) {
		attempts.Add(1)
		return nil, fmt.Errorf("sorry: %w", event.Errorf(event.Code(c.Command.Args[0]), "no such thing"))
	}))
	for _, code := range []event.Code{event.InvalidInput, event.RecordNotFound, event.PermissionDenied, event.PluginError} {
		attempts.Store(0)
		if got := room.Say("alice", "!x "+string(code)); got != "❌ sorry: no such thing" || attempts.Load() != 1 {
			t.Errorf("%s: said %q after %d attempts", code, got, attempts.Load())
		}
	}
	room.Type("alice", 1, "!x "+string(event.DatabaseError))
	if l := deadLetter(t, room); l.Code != event.DatabaseError || l.Attempts != 3 {
		t.Errorf("%+v", l)
	}
}

func TestRequests(t *testing.T) {
	t.Parallel()
	p := plugins.Plugin{Name: "x", Version: "1.0.0", Requests: []plugins.Endpoint{
		{Handle: func(c *plugins.Context) (any, error) {
			var r struct{ Mode string }
			if err := c.Decode(&r); err != nil {
				return nil, err
			}
			switch r.Mode {
			case "found":
				return map[string]any{"success": true, "who": c.Event.CorrelationID != ""}, nil
			case "missing":
				return nil, event.Errorf(event.RecordNotFound, "nothing there").With("id", 7)
			case "panic":
				panic("on purpose")
			case "no object":
				return []int{1}, nil
			}
			return nil, errors.New("plain")
		}},
		{Action: "twice", Handle: func(c *plugins.Context) (any, error) {
			reply, err := c.Request("plugin.x.request", map[string]any{"mode": "found"})
			if err != nil {
				return nil, err
			}
			return map[string]any{"success": true, "inner": reply}, c.Publish(c.Emit("asked", nil)...)
		}},
	}}
	room := plugintest.Run(t, p)
	for payload, want := range map[string]string{
		`{"mode":"found"}`:   `{"success":true,"who":true}`,
		`{"mode":"missing"}`: `{"success":false,"error":"nothing there","error_code":"RECORD_NOT_FOUND","details":{"id":7}}`,
		`{"mode":"panic"}`:   `{"success":false,"error":"the plugin failed: on purpose","error_code":"PLUGIN_ERROR","details":{}}`,
		`{"mode":"plain"}`:   `{"success":false,"error":"plain","error_code":"PLUGIN_ERROR","details":{}}`,
		`{"mode":7}`:         `{"success":false,"error":"plugin.x.request: Mode must not be a number","error_code":"INVALID_INPUT","details":{"field":"Mode"}}`,
		`not JSON`:           `{"success":false,"error":"plugin.x.request: the body must be a JSON object","error_code":"INVALID_INPUT","details":{"field":""}}`,
	} {
		// As the NATS CLI asks: a bare payload, and the reply as it is.
		reply, err := room.Bus.Conn().Request("plugin.x.request", []byte(payload), 5*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if string(reply.Data) != want {
			t.Errorf("%s\n got %s\nwant %s", payload, reply.Data, want)
		}
	}
	body, err := room.Request("plugin.x.request.twice", map[string]any{})
	if err != nil || string(body) != `{"inner":{"success":true,"who":true},"success":true}` {
		t.Errorf("%s, %v", body, err)
	}
	room.Emitted("plugin.x.event.asked")
	if _, err := room.Request("plugin.x.request", map[string]any{"mode": "no object"}); event.CodeOf(err) == "" {
		t.Errorf("a reply that is no object: %v", err)
	}
}

// Two hosts of one plugin share its commands: each is handled once, by either.
func TestTwoHostsShareTheWork(t *testing.T) {
	t.Parallel()
	const commands = 100
	counter := func(who *atomic.Int64) plugins.Plugin {
		return plugin(func(c *plugins.Context) ([]event.Envelope, error) {
			who.Add(1)
			var tally struct {
				N int `json:"n"`
			}
			return c.DB("tallies").Change("x", &tally, func() ([]event.Envelope, error) {
				tally.N++
				return c.Say("%s is number %d", c.Command.Args[0], tally.N), nil
			})
		})
	}
	var first, second atomic.Int64
	room := plugintest.Run(t, counter(&first))
	host(t, room, counter(&second), nil)
	// Once both ask for work, both get some.
	for deadline := time.Now().Add(10 * time.Second); ; {
		c, err := room.Bus.JetStream().Consumer(t.Context(), streams.Plugin, plugins.Durable("x"))
		if err == nil && c.CachedInfo().NumWaiting == 2 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the second host does not run")
		}
	}
	for i := range commands {
		room.Type("alice", 1, fmt.Sprintf("!x c%d", i))
	}
	replies, numbers := map[string]bool{}, map[string]bool{}
	for range commands {
		command, number, _ := strings.Cut(room.Next(), " is number ")
		replies[command], numbers[number] = true, true
	}
	room.Settle("x")
	if said := len(room.Said()); len(replies) != commands || len(numbers) != commands || said != commands {
		t.Errorf("%d commands gave %d replies to %d of them with %d numbers", commands, said, len(replies), len(numbers))
	}
	if a, b := first.Load(), second.Load(); a+b != commands || a == 0 || b == 0 {
		t.Errorf("one host handled %d, the other %d, of %d", a, b, commands)
	}
}

// A command handled twice gives one reply and one record, however the handler
// writes.
func TestRepeat(t *testing.T) {
	t.Parallel()
	room := plugintest.Run(t, plugin(func(c *plugins.Context) ([]event.Envelope, error) {
		db := c.DB("things")
		id, err := db.Add(map[string]any{"by": c.Command.User})
		if err != nil {
			return nil, err
		}
		// The second time this finds what the first wrote, and writes less.
		if err := db.Get("first", &struct{}{}); event.CodeOf(err) == event.RecordNotFound {
			if _, err := db.Set("first", map[string]any{"id": "first", "was": id}); err != nil {
				return nil, err
			}
		}
		if _, err := db.Set("last", map[string]any{"n": c.Rand().IntN(1_000_000), "at": c.Now().UnixNano()}); err != nil {
			return nil, err
		}
		var tally struct{ N int }
		out, err := db.Change("naïve tally\n", &tally, func() ([]event.Envelope, error) { tally.N++; return c.Say("%d", tally.N), nil })
		if err != nil {
			return nil, err
		}
		again, err := db.Change("naïve tally\n", &tally, func() ([]event.Envelope, error) { tally.N += 10; return c.Say("%d", tally.N), nil })
		if err != nil {
			return nil, err
		}
		if err := c.Publish(c.Emit("early", map[string]any{"n": tally.N})...); err != nil {
			return nil, err
		}
		return append(append(out, again...), c.Emote("adds %s", id)...), nil
	}))
	for i, want := range []string{"1 11 /me adds 1", "12 22 /me adds 2"} {
		room.Type("alice", 1, "!x")
		if got := strings.Join([]string{room.Next(), room.Next(), room.Next()}, " "); got != want {
			t.Errorf("it said %s, want %s", got, want)
		}
		things := func() string {
			body, err := room.Request(event.SubjectQuery, event.Query{Collection: "things", OrderBy: "id"})
			if err != nil {
				t.Fatal(err)
			}
			return string(body)
		}
		room.Settle("x")
		before := things()
		room.Repeat("x")
		if after := things(); after != before {
			t.Errorf("handled again, the records are %s, after %s", after, before)
		}
		if said, early := len(room.Said()), len(room.Stored("plugin.x.event.early")); said != 3*(i+1) || early != i+1 {
			t.Errorf("handled again, it said %d things and emitted %d events", said, early)
		}
	}
}

// Change starts over when another process came between, and returns an error of
// change without writing.
func TestChange(t *testing.T) {
	t.Parallel()
	type tally struct {
		N    int      `json:"n"`
		Seen []string `json:"seen"`
	}
	room := plugintest.Run(t, plugin(func(c *plugins.Context) ([]event.Envelope, error) {
		var v tally
		calls := 0
		out, err := c.DB("tallies").Change("x", &v, func() ([]event.Envelope, error) {
			switch calls++; c.Command.Args[0] {
			case "nothing":
				return nil, nil
			case "fail":
				v.N = 1000
				return nil, event.Errorf(event.PluginError, "no")
			case "bad":
				v.N = 1000
				return c.Say(""), nil
			case "race":
				if calls < 3 { // another process writes between the read and the write
					if _, err := c.DB("tallies").Set("x", tally{N: v.N + 100}); err != nil {
						return nil, err
					}
				}
			}
			v.N++
			v.Seen = append(v.Seen, c.Command.Args[0])
			return c.Say("%d %v after %d", v.N, v.Seen, calls), nil
		})
		if err == nil && len(out) == 0 {
			return c.Say("nothing"), nil
		}
		return out, err
	}))
	revision := func() (r struct {
		Data     tally
		Revision uint64
	}) {
		body, err := room.Request(event.SubjectGet, event.Get{Collection: "tallies", ID: "x"})
		if event.CodeOf(err) == event.RecordNotFound {
			return r
		}
		if err != nil || json.Unmarshal(body, &r) != nil {
			t.Fatal(string(body), err)
		}
		return r
	}
	for _, step := range [][2]string{
		{"nothing", "nothing"}, {"fail", "❌ no"},
	} {
		if got := room.Say("alice", "!x "+step[0]); got != step[1] || revision().Revision != 0 {
			t.Errorf("%s: said %q, and the record is %v", step[0], got, revision())
		}
	}
	if got := room.Say("alice", "!x one"); got != "1 [one] after 1" {
		t.Error(got)
	}
	before := revision()
	for _, step := range [][2]string{{"nothing", "nothing"}, {"fail", "❌ no"}} {
		if got := room.Say("alice", "!x "+step[0]); got != step[1] || revision().Revision != before.Revision {
			t.Errorf("%s: said %q, and the record is %v, after %v", step[0], got, revision(), before)
		}
	}
	room.Type("alice", 1, "!x bad")
	if l := deadLetter(t, room); l.Attempts != 1 || revision().Revision != before.Revision {
		t.Errorf("a change that says nothing: %+v, %v", l, revision())
	}
	if got := room.Say("alice", "!x race"); got != "202 [race] after 3" {
		t.Error(got)
	}
}

func TestTimers(t *testing.T) {
	t.Parallel()
	fired := make(chan string, 8)
	p := plugin(func(c *plugins.Context) ([]event.Envelope, error) {
		for _, err := range []error{
			c.At(c.Now().Add(-time.Hour), "past", "tick", map[string]any{"name": "past"}),
			c.After(time.Second, "any name: ä/b c.*>", "tick", map[string]any{"name": "odd"}),
			c.After(time.Second, "replaced", "tick", map[string]any{"name": "never"}),
			c.After(2*time.Second, "replaced", "tick", map[string]any{"name": "second"}),
			c.After(time.Second, "cancelled ✂", "tick", map[string]any{"name": "never"}),
			c.CancelTimer("cancelled ✂"),
		} {
			if err != nil {
				return nil, err
			}
		}
		return nil, nil
	})
	p.Events = []plugins.Subscription{{Subject: "plugin.x.event.tick", MaxAge: plugins.Never, Handle: func(c *plugins.Context) ([]event.Envelope, error) {
		var tick struct{ Name string }
		err := c.Decode(&tick)
		fired <- tick.Name
		return nil, err
	}}}
	room := plugintest.Run(t, p)
	room.Type("alice", 1, "!x")
	for _, want := range []string{"past", "odd", "second"} {
		select {
		case got := <-fired:
			if got != want {
				t.Errorf("%s fired, want %s", got, want)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("%s did not fire", want)
		}
	}
	room.Repeat("x")
	if n := len(room.Stored("plugin.x.event.tick")); n != 3 {
		t.Errorf("%d timers fired, want 3", n)
	}
}

// What is too old is passed over, unless it must be handled however late; a
// command that is too old is recorded.
func TestMaxAge(t *testing.T) {
	t.Parallel()
	seen := make(chan string, 8)
	note := func(what string) plugins.Handler {
		return func(c *plugins.Context) ([]event.Envelope, error) { seen <- what; return nil, nil }
	}
	p := plugin(note("command"))
	p.MaxAge = time.Nanosecond
	p.Events = []plugins.Subscription{
		{Subject: event.SubjectUserJoin, Handle: note("by the plugin's age")},
		{Subject: event.SubjectUserLeave, Handle: note("by its own age"), MaxAge: time.Hour},
		{Subject: event.SubjectMediaDelete, Handle: note("too old by its own age"), MaxAge: time.Nanosecond},
		{Subject: event.SubjectPM, Handle: note("never"), MaxAge: plugins.Never},
	}
	room := plugintest.Run(t, p)
	room.Publish(event.SubjectUserJoin, event.UserJoin{User: "alice", Channel: plugintest.Channel})
	room.Publish(event.SubjectMediaDelete, event.MediaDelete{UID: 1, Channel: plugintest.Channel})
	room.Publish(event.SubjectUserLeave, event.UserLeave{User: "alice", Channel: plugintest.Channel})
	room.Publish(event.SubjectPM, event.PM{User: "alice", To: "rosey", Message: "hi", Channel: plugintest.Channel})
	for _, want := range []string{"by its own age", "never"} {
		if got := <-seen; got != want {
			t.Errorf("handled %s, want %s", got, want)
		}
	}
	// The router lets it pass; what is too old is so when the plugin gets it.
	room.Publish(event.CommandSubject("x"), event.Command{Command: "x", User: "alice"})
	expired := room.Emitted("plugin.x.event.expired")
	if !strings.Contains(string(expired.Data), `"subject":"plugin.x.command"`) {
		t.Errorf("expired %s", expired.Data)
	}
	select {
	case got := <-seen:
		t.Errorf("handled %s", got)
	default:
	}
}

// A plugin's first start does not put the whole past to it.
func TestNewPluginBeginsNow(t *testing.T) {
	t.Parallel()
	room := plugintest.Run(t)
	for range 5 {
		room.Type("alice", 1, "before")
	}
	seen := make(chan string, 16)
	p := plugin(hello)
	p.Events = []plugins.Subscription{{Subject: "cytube.chat", Handle: func(c *plugins.Context) ([]event.Envelope, error) {
		line, ok := c.Chat()
		seen <- fmt.Sprint(line.Message, ok)
		return nil, nil
	}}}
	ran := make(chan struct{}, 16)
	host(t, room, p, func(consumers.Outcome) { ran <- struct{}{} })
	for deadline := time.Now().Add(10 * time.Second); ; {
		if _, err := room.Bus.JetStream().Consumer(t.Context(), streams.Cytube, plugins.Durable("x")); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the plugin does not run")
		}
	}
	room.Type("alice", 1, "after")
	if got := <-seen; got != "aftertrue" {
		t.Errorf("the first line it was given is %q", got)
	}
	<-ran
}

func TestTexts(t *testing.T) {
	t.Parallel()
	room := plugintest.Run(t, plugin(func(c *plugins.Context) ([]event.Envelope, error) {
		return c.Emote("[%s][%s][%s][%s]", c.Prefix(), c.Text(0), c.Text(1), c.Text(5)), nil
	}))
	for line, want := range map[string]string{
		`!x`:                      `/me [!][][][]`,
		`!x one`:                  `/me [!][one][][]`,
		`  !X  "a  b"   it's  ok`: `/me [!]["a  b"   it's  ok][b"   it's  ok][]`,
	} {
		if got := room.Say("alice", line); got != want {
			t.Errorf("%q\n got %q\nwant %q", line, got, want)
		}
	}
	// Without the original message, as the contract's own example has it.
	room.Publish(event.CommandSubject("x"), event.Command{Command: "x", Args: []string{"one", "two"}, User: "alice", Channel: plugintest.Channel})
	if got := room.Next(); got != "/me [!][one two][two][]" {
		t.Error(got)
	}
}

func TestChatIsWhatSomebodySaid(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var got []string
	p := plugin(hello)
	p.Events = []plugins.Subscription{{Subject: event.AllCytube, Handle: func(c *plugins.Context) ([]event.Envelope, error) {
		if line, ok := c.Chat(); ok {
			mu.Lock()
			got = append(got, line.Message)
			mu.Unlock()
		}
		return nil, nil
	}}}
	room := plugintest.Run(t, p)
	for _, line := range []struct {
		text, meta string
		value      any
		extra      event.Extra
	}{
		{text: "plain"}, {text: "echo", meta: event.MetaCausation, value: "CYTUBE:1"}, {text: "past", meta: event.MetaBackfill, value: true},
		{text: "retried", meta: event.MetaCausation, value: "PLUGIN:9"}, {text: "shadow", extra: event.Extra{"shadow": json.RawMessage("true")}},
		{text: "missed", meta: event.MetaBuffered, value: true},
	} {
		e, err := event.New(event.SubjectChat, event.Chat{User: "alice", Message: line.text, Channel: plugintest.Channel, Extra: line.extra})
		if err != nil {
			t.Fatal(err)
		}
		if line.meta != "" {
			e = e.WithMeta(line.meta, line.value)
		}
		if _, err := room.Bus.Publish(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	room.Publish(event.SubjectUserLeave, event.UserLeave{User: "alice", Channel: plugintest.Channel})
	room.Settle("x")
	mu.Lock()
	defer mu.Unlock()
	if want := []string{"plain", "retried", "missed"}; !slices.Equal(got, want) {
		t.Errorf("what somebody said is %q, want %q", got, want)
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	ok := plugin(hello)
	ok.Events = []plugins.Subscription{{Subject: "cytube.*", Handle: hello}}
	ok.Requests = []plugins.Endpoint{{Handle: func(*plugins.Context) (any, error) { return nil, nil }}}
	if err := ok.Validate(); err != nil {
		t.Error(err)
	}
	for says, change := range map[string]func(*plugins.Plugin){
		"a plugin's name is":             func(p *plugins.Plugin) { p.Name = "two words" },
		"has no version":                 func(p *plugins.Plugin) { p.Version = "" },
		"is not a semantic version":      func(p *plugins.Plugin) { p.Version = "one" },
		"command x of plugin x has no h": func(p *plugins.Plugin) { p.Commands[0].Handle = nil },
		"two commands y":                 func(p *plugins.Plugin) { p.Commands[0].Aliases = []string{"y", "Y"} },
		"must be one word":               func(p *plugins.Plugin) { p.Commands[0].Name = "x y" },
		"max_age":                        func(p *plugins.Plugin) { p.MaxAge = 24 * time.Hour },
		"subscription cytube.chat of":    func(p *plugins.Plugin) { p.Events = []plugins.Subscription{{Subject: "cytube.chat"}} },
		"no stream holds":                func(p *plugins.Plugin) { p.Events = []plugins.Subscription{{Subject: "weather.>", Handle: hello}} },
		"request plugin.x.request.a of":  func(p *plugins.Plugin) { p.Requests = []plugins.Endpoint{{Action: "a"}} },
		"action": func(p *plugins.Plugin) {
			p.Requests = []plugins.Endpoint{{Action: "a b", Handle: ok.Requests[0].Handle}}
		},
	} {
		p := plugin(hello)
		change(&p)
		if err := p.Validate(); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want an error that says %q", err, says)
		}
		if err := (plugins.Host{Logger: slog.New(slog.DiscardHandler)}).Run(t.Context(), p); err == nil {
			t.Errorf("a plugin that is wrong (%s) runs", says)
		}
	}
}
