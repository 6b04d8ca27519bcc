//go:build unix

package cmd

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

// platform.startup says that the start is complete: whoever hears of it may ask
// every plugin at once.
func TestStartupIsAnnouncedWhenEverythingRuns(t *testing.T) {
	t.Parallel()
	store, pack := t.TempDir(), filepath.Join(t.TempDir(), "pack.json")
	if err := syscall.Mkfifo(pack, 0o600); err != nil {
		t.Fatal(err)
	}
	p := startWith(t, []string{"ROSEY_TRIVIA_PACKS=" + pack}, "run", "--local", "--store", store)
	questions, err := os.OpenFile(pack, os.O_WRONLY, 0) // once trivia, which is starting, reads it
	if err != nil {
		t.Fatal(err)
	}
	defer questions.Close()
	p.say("hi")
	p.expect("^operator: hi")
	bus := busOf(t, store)
	stored, err := bus.JetStream().Stream(t.Context(), streams.Platform)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stored.GetLastMsgForSubject(t.Context(), event.SubjectStartup); !errors.Is(err, jetstream.ErrMsgNotFound) {
		t.Errorf("the start is announced before trivia has started: %v", err)
	}
	c, err := stored.OrderedConsumer(t.Context(), jetstream.OrderedConsumerConfig{FilterSubjects: []string{event.SubjectStartup}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := questions.WriteString(`{"questions":[{"category":"bots","difficulty":"easy","question":"Who asks?","answers":["Rosey"]}]}`); err != nil {
		t.Fatal(err)
	}
	if err := questions.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Next(jetstream.FetchMaxWait(testPatience)); err != nil {
		t.Fatal(err)
	}
	if reply, err := bus.Request(t.Context(), event.RequestSubject("trivia", "question"), map[string]any{"category": "bots"}); err != nil {
		t.Errorf("trivia answers %s, %v", reply, err)
	}
}

// platform.shutdown comes while everything still works, and the bot waits for the
// plugins that save something because of it.
func TestPluginsHandleTheShutdown(t *testing.T) {
	t.Parallel()
	store := t.TempDir()
	p := start(t, "run", "--local", "--store", store, "--plugins", "none")
	p.say("hi")
	p.expect("^operator: hi")
	bus := busOf(t, store)
	witness, err := bus.JetStream().CreateConsumer(t.Context(), streams.Platform, jetstream.ConsumerConfig{
		Durable: streams.Durable("witness"), FilterSubject: event.SubjectShutdown, AckPolicy: jetstream.AckExplicitPolicy,
	})
	if err != nil {
		t.Fatal(err)
	}
	saved := make(chan error, 1)
	go func() {
		msg, err := witness.Next(jetstream.FetchMaxWait(testPatience))
		if err == nil {
			_, err = bus.Request(t.Context(), event.SubjectSet, event.Set{Collection: "witness", ID: "state", Data: json.RawMessage(`{"saved":true}`)})
			err = errors.Join(err, msg.Ack())
		}
		saved <- err
	}()
	err = until(soon(t), func() bool {
		info, err := witness.Info(t.Context())
		return err == nil && info.NumWaiting > 0
	})
	if err != nil {
		t.Fatal(err)
	}
	if code := p.interrupt(); code != 0 {
		t.Errorf("exit code %d\n%s", code, p.stderr.String())
	}
	if err := <-saved; err != nil {
		t.Errorf("the plugin could not save its state at the end: %v", err)
	}
}
