package cmd

import (
	"fmt"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/codes"

	"github.com/rosey-bot/rosey/consumers"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/telemetry/oteltest"
)

const answered = `
	send cytube.chat [producer rosey]
		process cytube.chat [consumer rosey]
			send plugin.{name}.command [producer rosey]
				process plugin.{name}.command [consumer SERVICE]
					send cytube.send.chat [producer SERVICE]
						process cytube.send.chat [consumer rosey]
							send cytube.chat [producer rosey]
								process cytube.chat [consumer rosey]
`

func TestTraces(t *testing.T) {
	t.Parallel()
	w := startTraced(t, "grpc", "--plugins", "dice-roller,quote-db")
	w.host("rosey-plugin-trial", testPlugins()...)
	w.wholeChain()
	w.databaseRequests()
	w.ownProcess()
	w.failedAttempts()
	w.timersAndStarts()
	w.wellFormed()
	w.rebuilt()
}

// wholeChain compares each span of a command that is answered.
func (w *traced) wholeChain() {
	w.t.Helper()
	id := w.conversation("!roll 2d6")
	got := w.tree(id, strings.ReplaceAll(answered, "SERVICE", "rosey"))
	for name, want := range map[string]map[string]any{
		"send plugin.{name}.command": {
			"messaging.operation.type": "send", "messaging.operation.name": "send", "rosey.event.source": "router",
			"messaging.destination.name": "plugin.dice-roller.command", "messaging.destination.template": "plugin.{name}.command",
		},
		"process plugin.{name}.command": {
			"messaging.operation.type": "process", "messaging.destination.subscription.name": "plugin-dice-roller",
			"rosey.delivery.attempt": int64(1), "rosey.outcome": consumers.Handled,
		},
		"process cytube.send.chat": {"messaging.destination.subscription.name": "cytube-sender"},
	} {
		span := got.Find(name)
		want["messaging.system"], want["messaging.message.conversation_id"] = "nats", id
		for k, v := range want {
			if span.Attributes[k] != v {
				w.t.Errorf("%s: %s is %v, want %v", name, k, span.Attributes[k], v)
			}
		}
	}
	sent, processed := got.Find("send plugin.{name}.command"), got.Find("process plugin.{name}.command")
	if wait, ok := processed.Attributes["rosey.queue.wait"].(float64); !ok || wait < 0 || wait > 60 {
		w.t.Errorf("rosey.queue.wait is %v", processed.Attributes["rosey.queue.wait"])
	}
	if ref := sent.Attributes["messaging.message.id"]; ref != processed.Attributes["messaging.message.id"] || !strings.HasPrefix(fmt.Sprint(ref), "PLUGIN:") {
		w.t.Errorf("the command is message %v when it is sent and %v when it is processed", ref, processed.Attributes["messaging.message.id"])
	}
}

// databaseRequests compares the spans of requests to the database.
func (w *traced) databaseRequests() {
	w.t.Helper()
	w.tree(w.conversation("!quote add to be or not to be"), `
		send cytube.chat [producer rosey]
			process cytube.chat [consumer rosey]
				send plugin.{name}.command [producer rosey]
					process plugin.{name}.command [consumer rosey]
						send database.query [client rosey]
							process database.query [server rosey]
						send database.set [client rosey]
							process database.set [server rosey]
						send cytube.send.chat [producer rosey]
							process cytube.send.chat [consumer rosey]
								send cytube.chat [producer rosey]
									process cytube.chat [consumer rosey]
						send plugin.{name}.event.quote_added [producer rosey]
	`)
	got := w.tree(w.conversation("!quote 999"), `
		send cytube.chat [producer rosey]
			process cytube.chat [consumer rosey]
				send plugin.{name}.command [producer rosey]
					process plugin.{name}.command [consumer rosey] ERROR
						send database.get [client rosey] ERROR
							process database.get [server rosey] ERROR
						send cytube.send.chat [producer rosey]
							process cytube.send.chat [consumer rosey]
								send cytube.chat [producer rosey]
									process cytube.chat [consumer rosey]
	`)
	wantError(w.t, got, string(event.RecordNotFound), "process plugin.{name}.command", "send database.get", "process database.get")
}

// ownProcess compares the spans of a plugin in a process of its own.
func (w *traced) ownProcess() {
	w.t.Helper()
	w.tree(w.conversation("!ask good"), `
		send cytube.chat [producer rosey]
			process cytube.chat [consumer rosey]
				send plugin.{name}.command [producer rosey]
					process plugin.{name}.command [consumer rosey-plugin-trial]
						send plugin.{name}.request [client rosey-plugin-trial]
							process plugin.{name}.request [server rosey-plugin-trial]
						send cytube.send.chat [producer rosey-plugin-trial]
							process cytube.send.chat [consumer rosey]
								send cytube.chat [producer rosey]
									process cytube.chat [consumer rosey]
	`)
	got := w.tree(w.conversation("!ask bad"), `
		send cytube.chat [producer rosey]
			process cytube.chat [consumer rosey]
				send plugin.{name}.command [producer rosey]
					process plugin.{name}.command [consumer rosey-plugin-trial] ERROR
						send plugin.{name}.request [client rosey-plugin-trial] ERROR
							process plugin.{name}.request [server rosey-plugin-trial] ERROR
						send cytube.send.chat [producer rosey-plugin-trial]
							process cytube.send.chat [consumer rosey]
								send cytube.chat [producer rosey]
									process cytube.chat [consumer rosey]
	`)
	wantError(w.t, got, string(event.PluginError), "process plugin.{name}.command", "send plugin.{name}.request", "process plugin.{name}.request")
}

// failedAttempts compares the spans of attempts that failed: each has its own.
func (w *traced) failedAttempts() {
	w.t.Helper()
	got := w.tree(w.conversation("!flaky"), `
		send cytube.chat [producer rosey]
			process cytube.chat [consumer rosey]
				send plugin.{name}.command [producer rosey]`+flakyAttempts(5))
	attempts := got.Find("send plugin.{name}.command").Children
	for i, outcome := range []string{consumers.Retried, consumers.Handled} {
		if a := attempts[i].Attributes; a["rosey.delivery.attempt"] != int64(i+1) || a["rosey.outcome"] != outcome {
			w.t.Errorf("attempt %d: %v", i+1, a)
		}
	}
	wantError(w.t, got, string(event.DatabaseError), "process plugin.{name}.command")

	got = w.tree(w.conversation("!broken"), `
		send cytube.chat [producer rosey]
			process cytube.chat [consumer rosey]
				send plugin.{name}.command [producer rosey]
					process plugin.{name}.command [consumer rosey-plugin-trial] ERROR
						send cytube.send.chat [producer rosey-plugin-trial]
							process cytube.send.chat [consumer rosey]
								send cytube.chat [producer rosey]
									process cytube.chat [consumer rosey]
					process plugin.{name}.command [consumer rosey-plugin-trial] ERROR
						send plugin.{name}.event.dead_letter [producer rosey-plugin-trial]
						send cytube.send.chat [producer rosey-plugin-trial]
							process cytube.send.chat [consumer rosey]
								send cytube.chat [producer rosey]
									process cytube.chat [consumer rosey]
	`)
	wantError(w.t, got, string(event.PluginError), "process plugin.{name}.command")

	got = w.tree(w.conversation("alice: !secret"), `
		send cytube.chat [producer rosey]
			process cytube.chat [consumer rosey] ERROR
				send plugin.{name}.event.denied [producer rosey]
				send cytube.send.chat [producer rosey]
					process cytube.send.chat [consumer rosey]
						send cytube.chat [producer rosey]
							process cytube.chat [consumer rosey]
	`)
	wantError(w.t, got, string(event.PermissionDenied), "process cytube.chat")

	got = w.tree(w.conversation("!wrong"), strings.Replace(strings.ReplaceAll(answered, "SERVICE", "rosey-plugin-trial"),
		"process plugin.{name}.command [consumer rosey-plugin-trial]", "process plugin.{name}.command [consumer rosey-plugin-trial] ERROR", 1))
	wantError(w.t, got, string(event.InvalidInput), "process plugin.{name}.command")
}

// timersAndStarts compares what a timer causes later, and a plugin's start, which is one trace.
func (w *traced) timersAndStarts() {
	w.t.Helper()
	w.tree(w.conversation("!later"), `
		send cytube.chat [producer rosey]
			process cytube.chat [consumer rosey]
				send plugin.{name}.command [producer rosey]
					process plugin.{name}.command [consumer rosey-plugin-trial]
						send plugin.{name}.event.ring [producer rosey-plugin-trial]
							process plugin.{name}.event.ring [consumer rosey-plugin-trial]
								send cytube.send.chat [producer rosey-plugin-trial]
									process cytube.send.chat [consumer rosey]
										send cytube.chat [producer rosey]
											process cytube.chat [consumer rosey]
	`)

	// A plugin's start is one trace, whatever it does.
	w.tree(w.stored(event.EventSubject("trial", "started"), "").CorrelationID, `
		send database.set [client rosey-plugin-trial]
			process database.set [server rosey]
			send plugin.{name}.event.started [producer rosey-plugin-trial]
	`)
}

func wantError(t *testing.T, tree *oteltest.Tree, code string, names ...string) {
	t.Helper()
	for _, name := range names {
		s := tree.Find(name)
		if s.Status != codes.Error || s.Attributes["error.type"] != code || s.Message == "" {
			t.Errorf("%s: status %v %q, error.type %v, want %s", name, s.Status, s.Message, s.Attributes["error.type"], code)
		}
	}
}
