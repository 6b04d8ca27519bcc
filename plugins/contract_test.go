package plugins_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/plugins/plugintest"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// plugin is a plugin named x with one command x.
func plugin(h plugins.Handler) plugins.Plugin {
	return plugins.Plugin{Name: "x", Version: "1.0.0", Commands: []plugins.Command{{Name: "x", Handle: h}}}
}

func hello(c *plugins.Context) ([]event.Envelope, error) { return c.Say("hello"), nil }

func deadLetter(t *testing.T, channel *plugintest.Channel) event.DeadLetter {
	t.Helper()
	l, err := event.As[event.DeadLetter](channel.Emitted("plugin.x.event.dead_letter").Envelope)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// violation is a handler that publishes what is not its own, or breaks the contract.
type violation struct {
	handle plugins.Handler
	code   event.Code // of the dead letter; "" if there is none
	says   string
}

func violations(t *testing.T) map[string]violation {
	foreign := func(subject string, payload any) event.Envelope {
		e, err := event.New(subject, payload)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	chat := foreign(event.SubjectChat, event.Chat{User: "alice", Message: "hi", Channel: "test"})
	other := foreign("plugin.y.event.lie", map[string]any{})
	return map[string]violation{
		"returns a chat line": {func(c *plugins.Context) ([]event.Envelope, error) { return []event.Envelope{chat}, nil },
			event.PermissionDenied, "plugin x may publish plugin.x.event, plugin.x.event.{type} and cytube.send.>, not cytube.chat"},
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
		"emits what Rosey does": {func(c *plugins.Context) ([]event.Envelope, error) {
			return c.Emit("dead_letter_dropped", map[string]any{"state": "dropped", "stream": "PLUGIN", "seq": 1}), nil
		}, event.InvalidInput, "plugin.x.event.dead_letter_dropped: dead_letter_dropped is a type of event that Rosey itself emits: give the plugin's own event another type"},
		"sets a timer to what Rosey emits": {func(c *plugins.Context) ([]event.Envelope, error) {
			return nil, c.After(time.Hour, "coupon", "expired", map[string]any{"code": "X"})
		}, event.InvalidInput, "give the plugin's own event another type"},
		"returns what Rosey emits": {func(c *plugins.Context) ([]event.Envelope, error) {
			return []event.Envelope{{Subject: event.EventSubject("x", "expired"), Data: json.RawMessage(`{"code":"X"}`)}}, nil
		}, event.InvalidInput, "give the plugin's own event another type"},
		"returns no payload": {func(c *plugins.Context) ([]event.Envelope, error) {
			return []event.Envelope{{Subject: event.SubjectSendChat, Data: json.RawMessage(`{}`)}}, nil
		}, event.InvalidInput, "cytube.send.chat: message is required"},
	}
}

// A violation of the contract is dead-lettered at once, with the rule.
func TestContractIsEnforced(t *testing.T) {
	t.Parallel()
	streamstest.Slow(t, "a plugin for each violation")
	for name, c := range violations(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			channel := plugintest.Run(t, plugin(c.handle))
			channel.Type("alice", 1, "!x")
			if c.code == "" {
				channel.Settle()
			} else if l := deadLetter(t, channel); l.Code != c.code || l.Attempts != 1 || !strings.Contains(l.Error, c.says) {
				t.Errorf("%s after %d attempts: %s; want %s that says %q", l.Code, l.Attempts, l.Error, c.code, c.says)
			}
			if said := channel.Said(); len(said) != 0 {
				t.Errorf("it said %q", said)
			}
		})
	}
}

// Errors that are an answer are sent to the user and not retried.
func TestErrorsThatAreAnswers(t *testing.T) {
	t.Parallel()
	var attempts atomic.Int64
	channel := plugintest.Run(t, plugin(func(c *plugins.Context) ([]event.Envelope, error) {
		attempts.Add(1)
		return nil, fmt.Errorf("sorry: %w", event.Errorf(event.Code(c.Command.Args[0]), "no such thing"))
	}))
	for _, code := range []event.Code{event.InvalidInput, event.RecordNotFound, event.PermissionDenied, event.PluginError} {
		attempts.Store(0)
		if got := channel.Say("alice", "!x "+string(code)); got != "❌ sorry: no such thing" || attempts.Load() != 1 {
			t.Errorf("%s: said %q after %d attempts", code, got, attempts.Load())
		}
	}
	channel.Type("alice", 1, "!x "+string(event.DatabaseError))
	if l := deadLetter(t, channel); l.Code != event.DatabaseError || l.Attempts != 3 {
		t.Errorf("%+v", l)
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
	}
}
