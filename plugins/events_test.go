package plugins_test

import (
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/plugins/plugintest"
	"github.com/rosey-bot/rosey/streams"
)

func TestTimers(t *testing.T) {
	t.Parallel()
	p := plugin(func(c *plugins.Context) ([]event.Envelope, error) {
		for _, err := range []error{
			c.At(c.Now().Add(-time.Hour), "past", "tick", map[string]any{"name": "past"}),
			c.After(time.Second, "any name: ä/b c.*>", "tick", map[string]any{"name": "odd"}),
			c.After(time.Hour, "replaced", "tick", map[string]any{"name": "never"}),
			c.After(2*time.Second, "replaced", "tick", map[string]any{"name": "second"}),
			c.After(time.Hour, "cancelled ✂", "tick", map[string]any{"name": "never"}),
			c.CancelTimer("cancelled ✂"),
			c.After(time.Hour, "", "tick", map[string]any{"name": "never"}),
			c.CancelTimer(""),
		} {
			if err != nil {
				return nil, err
			}
		}
		return nil, nil
	})
	p.Events = []plugins.Subscription{{Subject: "plugin.x.event.tick", MaxAge: plugins.Never, Handle: func(c *plugins.Context) ([]event.Envelope, error) {
		return nil, nil
	}}}
	channel := plugintest.Run(t, p)
	channel.Type("alice", 1, "!x")
	var got []string
	for range 3 {
		var tick struct{ Name string }
		if err := json.Unmarshal(channel.Emitted("plugin.x.event.tick").Data, &tick); err != nil {
			t.Fatal(err)
		}
		got = append(got, tick.Name)
	}
	slices.Sort(got)
	if want := []string{"odd", "past", "second"}; !slices.Equal(got, want) {
		t.Errorf("%q fired, want %q", got, want)
	}
	channel.Repeat("x")
	if n := len(channel.Stored("plugin.x.event.tick")); n != 3 {
		t.Errorf("%d timers fired, want 3", n)
	}
	timers, err := channel.Bus.JetStream().Stream(t.Context(), streams.Timer)
	if err != nil {
		t.Fatal(err)
	}
	info, err := timers.Info(t.Context(), jetstream.WithSubjectFilter(event.AllSchedules))
	if err != nil {
		t.Fatal(err)
	}
	if waiting := info.State.Subjects; len(waiting) > 0 {
		t.Errorf("timers that were replaced or cancelled still wait: %v", waiting)
	}
}

// Events older than MaxAge are skipped, except with Never; old commands are recorded.
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
	channel := plugintest.Run(t, p)
	channel.Publish(event.SubjectUserJoin, event.UserJoin{User: "alice", Channel: plugintest.ChannelName})
	channel.Publish(event.SubjectMediaDelete, event.MediaDelete{UID: 1, Channel: plugintest.ChannelName})
	channel.Publish(event.SubjectUserLeave, event.UserLeave{User: "alice", Channel: plugintest.ChannelName})
	channel.Publish(event.SubjectPM, event.PM{User: "alice", To: "rosey", Message: "hi", Channel: plugintest.ChannelName})
	for _, want := range []string{"by its own age", "never"} {
		if got := <-seen; got != want {
			t.Errorf("handled %s, want %s", got, want)
		}
	}
	// The router lets it pass; what is too old is so when the plugin gets it.
	channel.Publish(event.CommandSubject("x"), event.Command{Command: "x", User: "alice"})
	expired := channel.Emitted("plugin.x.event.expired")
	if !strings.Contains(string(expired.Data), `"subject":"plugin.x.command"`) {
		t.Errorf("expired %s", expired.Data)
	}
	select {
	case got := <-seen:
		t.Errorf("handled %s", got)
	default:
	}
}

func TestTexts(t *testing.T) {
	t.Parallel()
	channel := plugintest.Run(t, plugin(func(c *plugins.Context) ([]event.Envelope, error) {
		return c.Emote("[%s][%s][%s][%s]", c.Prefix(), c.Text(0), c.Text(1), c.Text(5)), nil
	}))
	for line, want := range map[string]string{
		`!x`:                      `/me [!][][][]`,
		`!x one`:                  `/me [!][one][][]`,
		`  !X  "a  b"   it's  ok`: `/me [!]["a  b"   it's  ok][b"   it's  ok][]`,
	} {
		if got := channel.Say("alice", line); got != want {
			t.Errorf("%q\n got %q\nwant %q", line, got, want)
		}
	}
	for _, typed := range []event.Command{
		{RawMessage: `rosey,  x  one "two  x"`, Args: []string{"one", "two  x"}},
		{RawMessage: "rosey,  x", Args: []string{}},
	} {
		typed.Command, typed.User, typed.Channel = "x", "alice", plugintest.ChannelName
		channel.Publish(event.CommandSubject("x"), typed)
		want := map[int]string{2: `/me [rosey,  ][one "two  x"]["two  x"][]`, 0: "/me [rosey,  ][][][]"}[len(typed.Args)]
		if got := channel.Next(); got != want {
			t.Errorf("%q\n got %q\nwant %q", typed.RawMessage, got, want)
		}
	}
	// Without the original message, as the contract's own example has it.
	channel.Publish(event.CommandSubject("x"), event.Command{Command: "x", Args: []string{"one", "two"}, User: "alice", Channel: plugintest.ChannelName})
	if got := channel.Next(); got != "/me [!][one two][two][]" {
		t.Error(got)
	}
}

// Tab completion's punctuation is no part of a name, and what belongs to the name is kept.
func TestUserName(t *testing.T) {
	t.Parallel()
	for typed, want := range map[string]string{
		"bob": "bob", "Bob": "Bob", "@bob": "bob", "bob:": "bob", "bob,": "bob", "@bob:": "bob", "@bob,": "bob", "@_bo-b_:": "_bo-b_", "-bob-": "-bob-",
		"bob_": "bob_", "＠ｂｏｂ：": "bob", "\u200b@bob\u200b:": "bob", "": "", "@": "",
	} {
		if got := plugins.UserName(typed); got != want {
			t.Errorf("%q names %q, want %q", typed, got, want)
		}
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
	channel := plugintest.Run(t, p)
	for _, line := range []struct {
		text, meta string
		value      any
		extra      event.Extra
	}{
		{text: "plain"}, {text: "echo", meta: event.MetaCausation, value: "CYTUBE:1"}, {text: "past", meta: event.MetaBackfill, value: true},
		{text: "retried", meta: event.MetaCausation, value: "PLUGIN:9"}, {text: "shadow", extra: event.Extra{"shadow": json.RawMessage("true")}},
		{text: "missed", meta: event.MetaBuffered, value: true},
	} {
		e, err := event.New(event.SubjectChat, event.Chat{User: "alice", Message: line.text, Channel: plugintest.ChannelName, Extra: line.extra})
		if err != nil {
			t.Fatal(err)
		}
		if line.meta != "" {
			e = e.WithMeta(line.meta, line.value)
		}
		if _, err := channel.Bus.Publish(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	channel.Publish(event.SubjectUserLeave, event.UserLeave{User: "alice", Channel: plugintest.ChannelName})
	channel.Settle("x")
	mu.Lock()
	defer mu.Unlock()
	if want := []string{"plain", "retried", "missed"}; !slices.Equal(got, want) {
		t.Errorf("what somebody said is %q, want %q", got, want)
	}
}
